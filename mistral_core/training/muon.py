"""Muon: momentum whose matrix is made orthogonal before it is applied.

    B <- momentum B + (1 - momentum) G                      G = gradient
    O  = (1 - momentum) G + momentum B, made orthogonal by five Newton-Schulz steps
    W <- W (1 - rate decay) - rate 0.2 sqrt(max(rows, columns)) O

The factor gives O the size of AdamW's steps, so that rates of the two compare. It computes what
`torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"` does (a test compares them), with two differences
that matter here: matrices of one shape are multiplied together, and the compute dtype is chosen:
torch's is bfloat16 always, which is eighty times slower than float32 on a CPU without such units.

Source: Jordan 2024, https://kellerjordan.github.io/posts/muon/; Liu et al. 2025 (arXiv 2502.16982), section 2.2.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
LEAST_NORM = 1e-7


def orthogonalised(
    matrices: Float[Tensor, "count rows columns"], dtype: torch.dtype
) -> Float[Tensor, "count rows columns"]:
    """Brings all singular values of each matrix near 1 (0.7 to 1.2) and keeps its singular vectors.

    >>> stretched = torch.diag(torch.tensor([1.0, 3.0]))
    >>> orthogonalised(stretched[None], torch.float32)[0].diag().round(decimals=1)
    tensor([1.1000, 0.8000])
    """
    a, b, c = COEFFICIENTS
    upright = matrices.shape[1] > matrices.shape[2]
    x = matrices.to(dtype)
    x = x.transpose(1, 2) if upright else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=LEAST_NORM)
    for _ in range(STEPS):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if upright else x


class Muon(torch.optim.Optimizer):
    """Muon for matrices.

    Args:
        params: matrices.
        lr: learning rate. momentum: of the gradients. weight_decay: share of the weights taken away at rate 1.
        dtype: in which matrices are made orthogonal.

    Raises:
        ValueError: a parameter that is no matrix.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"a parameter has shape {tuple(parameter.shape)}; Muon is for matrices, use AdamW for others"
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Applies the gradients."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                ahead = torch.stack([self._look_ahead(parameter, group["momentum"]) for parameter in parameters])
                change = orthogonalised(ahead, self._dtype)
                rate = group["lr"] * 0.2 * math.sqrt(max(shape))
                for parameter, one in zip(parameters, change, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(one.to(parameter.dtype), alpha=-rate)
        return loss

    def _look_ahead(self, parameter: Tensor, momentum: float) -> Tensor:
        """Nesterov's: the gradient as if the momentum had acted once more."""
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        held = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return torch.lerp(gradient, held, momentum)
