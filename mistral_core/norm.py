"""RMSNorm: bring every vector to the same length, then scale each feature.

    scale      = sqrt(mean(x^2) + eps)
    normalized = x / scale
    output     = normalized * weight

Computed in at least float32 (float64 stays float64), cast back, then multiplied by the gain,
as Mistral's own code does.

Source: Zhang & Sennrich 2019 (arXiv 1910.07467); mistral-inference `transformer_layers.py`, class RMSNorm.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mistral_core.hooks import HookPoint


class RMSNorm(nn.Module):
    """Normalises the last axis by its root mean square.

    Hooks: `hook_scale` is the divisor, `hook_normalized` the quotient before the gain.
    """

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def forward(self, x: Float[Tensor, "batch pos dim"]) -> Float[Tensor, "batch pos dim"]:
        wide = x if x.dtype == torch.float64 else x.float()
        scale = self.hook_scale(((wide * wide).sum(-1, keepdim=True) / x.shape[-1] + self.eps).sqrt())
        normalized = self.hook_normalized((wide / scale).to(x.dtype))
        return normalized * self.weight
