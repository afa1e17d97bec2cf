"""A projection: a matrix and nothing else. Mistral has no biases.

Source: mistral-inference `transformer_layers.py`, `nn.Linear(..., bias=False)`.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Linear):
    """`x W^T`; the weight is `[n_out, n_in]`. Not looking for a bias saves a third of a small call."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, bias=False)

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        return F.linear(x, self.weight)
