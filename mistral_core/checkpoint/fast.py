"""Projections: a matrix and nothing else; Mistral has no biases.

Decoding one token reads every weight once and does little with it, so time goes into starting
multiplications and waiting for memory. `checkpoint.load_model` therefore lays the weights that read
the same input (wq, wk and wv; w1 and w3) side by side in one block. They stay separate parameters
with Mistral's names; `together` sees that they are neighbours and multiplies once.

Source: mistral-inference `transformer_layers.py`, `nn.Linear(..., bias=False)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Linear):
    """`x W^T`; the weight is `[n_out, n_in]`. Not looking for a bias saves a third of a small call."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, bias=False)

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        return F.linear(x, self.weight)


def together(x: Float[Tensor, "batch pos n_in"], *layers: Projection) -> tuple[Float[Tensor, "batch pos _"], ...]:
    """`layer(x)` for each layer: one multiplication if their weights are neighbours, else one by one."""
    weights = [layer.weight for layer in layers]
    if not neighbours(weights) or any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers):
        return tuple(layer(x) for layer in layers)
    sizes = [len(weight) for weight in weights]
    joined = weights[0].as_strided((sum(sizes), weights[0].shape[1]), weights[0].stride())
    return F.linear(x, joined).split(sizes, dim=-1)


def neighbours(weights: Sequence[Tensor]) -> bool:
    """Whether frozen weights follow each other in one block of memory that is laid out by columns.

    Such a block has the stride of all its rows together, which no weight of its own has.
    """
    first = weights[0]
    stride = first.stride()
    if stride[0] != 1 or stride[1] == len(first) or first.requires_grad:
        return False
    address, size = first.data_ptr(), first.element_size()
    for weight in weights:
        if weight.data_ptr() != address or weight.stride() != stride:
            return False
        address += len(weight) * size
    return True
