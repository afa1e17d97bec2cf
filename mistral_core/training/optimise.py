"""Which weights are trained by what, and the whole of their state as named tensors.

The matrices inside the blocks go to Muon, everything else (embedding, output, gains) to AdamW; or
all to AdamW. Gains are never decayed.

Source: Jordan 2024 (https://kellerjordan.github.io/posts/muon/): Muon for hidden layers, AdamW for the rest;
Loshchilov and Hutter 2019 (arXiv 1711.05101): AdamW.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mistral_core.model import Transformer
from mistral_core.training.muon import Muon
from mistral_core.training.settings import Settings


class Optimisers:
    """The optimisers of one model, stepped together.

    Args:
        model: whose weights are trained.
        settings: the rates, and which optimiser.
        muon_dtype: in which Muon multiplies; see `hardware`.
    """

    def __init__(self, model: Transformer, settings: Settings, muon_dtype: torch.dtype = torch.float32) -> None:
        inside = [p for p in model.layers.parameters() if p.ndim == 2]
        inside_ids = {id(p) for p in inside}
        outer = [p for p in model.parameters() if p.ndim == 2 and id(p) not in inside_ids]
        gains = [p for p in model.parameters() if p.ndim == 1]
        groups = [{"params": outer, "weight_decay": settings.other_decay}, {"params": gains, "weight_decay": 0.0}]
        self._all: list[tuple[torch.optim.Optimizer, float]] = []
        if settings.optimiser == "muon":
            muon = Muon(
                inside,
                settings.muon_rate,
                momentum=settings.momentum,
                weight_decay=settings.weight_decay,
                dtype=muon_dtype,
            )
            self._all.append((muon, settings.muon_rate))
        else:
            groups.append({"params": inside, "weight_decay": settings.weight_decay})
        betas = (settings.beta1, settings.beta2)
        self._all.append((torch.optim.AdamW(groups, lr=settings.adamw_rate, betas=betas), settings.adamw_rate))
        self._parameters, self._clip = list(model.parameters()), settings.clip

    def step(self, factor: float) -> float:
        """Clips the gradients, applies them at `factor` times the rates and forgets them.

        Returns:
            The norm of all gradients before clipping.

        Raises:
            ValueError: a gradient is NaN or infinite; no weight was changed.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._clip))
        if not norm < float("inf"):
            raise ValueError(
                f"the gradients have a norm of {norm}: the training has diverged. Train with lower rates "
                f"(--muon-rate, --adamw-rate) or a longer --warmup"
            )
        for optimiser, rate in self._all:
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
        for parameter in self._parameters:
            parameter.grad = None
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the optimisers remember, by `optimiser number.parameter number.name`."""
        flat = {}
        for number, (optimiser, _) in enumerate(self._all):
            for index, values in optimiser.state_dict()["state"].items():
                for name, value in values.items():
                    flat[f"{number}.{index}.{name}"] = value if isinstance(value, Tensor) else torch.tensor(value)
        return flat

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from what `tensors` gave."""
        for number, (optimiser, _) in enumerate(self._all):
            content = optimiser.state_dict()
            content["state"] = {}
            for key, value in tensors.items():
                which, index, name = key.split(".")
                if int(which) == number:
                    content["state"].setdefault(int(index), {})[name] = value
            optimiser.load_state_dict(content)
