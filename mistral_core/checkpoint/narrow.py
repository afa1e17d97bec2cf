"""Weights in fewer bytes than the numbers that are computed with: bfloat16 as the file has them, or int8.

Writing one token reads every weight once, so half the bytes are nearly twice the speed, and a large model fits.
The stream, the norms, attention and every tensor with a name stay float32; only the products with a matrix differ:

    bfloat16    x is rounded to bfloat16, products are summed in float32. Matrices that the file has in bfloat16 are
                not copied: they are pages of the file, mapped.
    int8        a matrix is a whole number in -127 ... 127 for each weight and a scale for each row (its largest
                weight / 127). x is written with two such numbers, x = unit * (upper + lower / 254), so what is
                multiplied is x to 16 bits and the rounding that counts is that of the weights. Both products are sums
                of whole numbers: exact, and the same whatever else is computed beside them.

The embedding, of which a token reads one row, is bfloat16 in both. Each part is a subclass of what it takes the
place of, as in `fast.py`. Processors only.

Source: int8 with a scale for each row as in Dettmers et al. 2022 (arXiv 2208.07339), section 2; the two numbers for x
are this project's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8, UInt8
from torch import Tensor, nn

from mistral_core.attention import Attention
from mistral_core.checkpoint.fast import FAST, FastAttention, FastFeedForward, FastLinear, FastTransformer, multiply
from mistral_core.config import MistralConfig
from mistral_core.feed_forward import FeedForward

Weights = Literal["float32", "bfloat16", "int8"]
"""How the matrices are kept in memory."""
LARGEST = 127
"""Of int8, on both sides of 0."""
FINER = 2 * LARGEST
"""What is left of a rounded number is at most 1/2; times this it is at most `LARGEST`."""
_ZERO_POINT = 128
"""Torch's kernel takes x as bytes 0 to 255, less this."""
_LEAST = 1e-30
"""In place of 0 where all features of x are 0."""
_BLOCK = 2**20
"""Weights widened at once; 4 MiB of float32 stay in the processor's cache until they are multiplied."""
_STATE = "_extra_state"
_EMBEDDING, _OUTPUT = "tok_embeddings.weight", "output.weight"


@dataclass(frozen=True, eq=False)
class Int8Matrix:
    """A matrix as whole numbers and a scale for each row: `weight = numbers * scale[:, None]`. Never changed.

    Attributes:
        numbers: int8, -127 to 127: `[n_out, n_in]`, or packed as torch's kernel wants them.
        scale: float32 `[n_out]`. zero: what the kernel takes off each row: nothing.
    """

    numbers: Tensor
    scale: Float[Tensor, " n_out"]
    zero: Tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> Int8Matrix:
        return self

    def widened(self) -> Float[Tensor, "n_out n_in"]:
        """The matrix in float32: what the whole numbers stand for."""
        numbers = self.numbers.to_dense().t() if self.numbers.is_mkldnn else self.numbers
        return numbers.float() * self.scale[:, None]

    def times(self, x: TwoBytes) -> Float[Tensor, "rows n_out"]:
        """`x @ weight.T` of rows that are written in two bytes."""
        scale, whole = (self.scale, self.zero), (1.0, _ZERO_POINT)
        last: tuple[Any, ...] = (
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )  # no bias, and the result in float32 as it is
        both = torch.ops.onednn.qlinear_pointwise(x.numbers, *whole, self.numbers, *scale, *last)
        upper, lower = both.chunk(2)
        return torch.add(upper, lower, alpha=1 / FINER).mul_(x.unit)


@dataclass(frozen=True, eq=False)
class TwoBytes:
    """Rows as two whole numbers for each feature: `x = unit * (upper + lower / FINER)`.

    Attributes:
        numbers: `upper` of all rows, then `lower` of all rows, plus 128. unit: of each row, its largest / 127.
    """

    numbers: UInt8[Tensor, "twice_rows n_in"]
    unit: Float[Tensor, "rows 1"]


def two_bytes(x: Float[Tensor, "rows n_in"]) -> TwoBytes:
    """Writes each row by its own unit, so that no row depends on another."""
    unit = torch.linalg.vector_norm(x, float("inf"), dim=-1, keepdim=True).clamp_min_(_LEAST).div_(LARGEST)
    shares = x / unit
    upper = shares.round()
    lower = shares.sub_(upper).mul_(FINER)
    return TwoBytes(torch.cat((upper, lower)).add_(_ZERO_POINT + 0.5).to(torch.uint8), unit)


def to_int8(weight: Float[Tensor, "n_out n_in"]) -> tuple[Int8[Tensor, "n_out n_in"], Float[Tensor, " n_out"]]:
    """Whole numbers and a scale for each row; a few rows at a time, so that little is held beside the result.

    >>> numbers, scale = to_int8(torch.tensor([[0.5, -1.0], [0.0, 0.0]]))
    >>> numbers.tolist(), [round(float(number), 6) for number in scale]
    ([[64, -127], [0, 0]], [0.007874, 0.0])
    """
    numbers = torch.empty(weight.shape, dtype=torch.int8)
    scale = torch.empty(len(weight))
    count = max(1, _BLOCK // weight.shape[1])
    for rows, whole, factor in zip(weight.split(count), numbers.split(count), scale.split(count), strict=True):
        wide = rows.float()
        largest = wide.abs().amax(1)
        shares = (wide * LARGEST).div_(largest.clamp_min(_LEAST)[:, None])  # exact halves stay halves
        whole.copy_(shares.round_())
        factor.copy_(largest / LARGEST)
    return numbers, scale


def int8_matrix(weight: Float[Tensor, "n_out n_in"]) -> Int8Matrix:
    """A matrix rounded to int8, packed for the kernel where that computes exactly."""
    numbers, scale = to_int8(weight)
    packed = torch.ops.onednn.qlinear_prepack(numbers, None) if int8_is_exact() else numbers
    return Int8Matrix(packed, scale, torch.zeros(len(scale), dtype=torch.long))


@lru_cache(maxsize=1)
def int8_is_exact() -> bool:
    """Whether torch's int8 product is there and sums whole numbers exactly, tried on the largest ones.

    Processors without int8 dot products (VNNI) add pairs in 16 bits, where these overflow.
    """
    numbers = torch.full((16, 512), LARGEST, dtype=torch.int8)
    numbers[1::2] = -LARGEST
    rows = torch.tensor([255, 1])[:, None].expand(2, 512).to(torch.uint8)
    try:
        packed = Int8Matrix(torch.ops.onednn.qlinear_prepack(numbers, None), torch.ones(16), torch.zeros(16).long())
        (got,) = packed.times(TwoBytes(rows, torch.ones(1, 1)))
    except (AttributeError, RuntimeError):
        return False
    expected = LARGEST * LARGEST * 512 * (1 - 1 / FINER)
    sign = torch.tensor([1.0, -1.0]).repeat(8)
    return bool(torch.allclose(got, expected * sign, rtol=1e-6))


@lru_cache(maxsize=1)
def bfloat16_is_fast() -> bool:
    """Whether the processor multiplies bfloat16 itself; else a long prompt is some 80 times slower than in float32."""
    asked = (getattr(torch.cpu, f"_is_{name}_supported", lambda: False) for name in ("avx512_bf16", "amx_tile"))
    return any(supported() for supported in asked)


def computes(weights: Weights) -> str:
    """A sentence on how matrices of this kind are kept and multiplied on this processor, and why so."""
    if weights == "int8" and int8_is_exact():
        return (
            "weights rounded to int8 with a scale for each row, multiplied as whole numbers by this processor, the "
            "inputs in 16 bits; everything else in float32"
        )
    if weights == "int8":
        return (
            "weights rounded to int8 with a scale for each row, widened to float32 for each product, because this "
            "processor sums no int8 products exactly: small, but slow"
        )
    if weights == "bfloat16" and bfloat16_is_fast():
        return "weights in bfloat16, multiplied as such by this processor; everything else in float32"
    if weights == "bfloat16":
        return (
            "weights in bfloat16; one token is multiplied as such, several with weights widened to float32, because "
            "this processor is slow at more; everything else in float32"
        )
    return "weights and everything else in float32"


def product(x: Float[Tensor, "*batch n_in"], weight: Tensor) -> Float[Tensor, "*batch n_out"]:
    """`x @ weight.T` in x's dtype, of a matrix in bfloat16 or in whole numbers."""
    one_row = x.numel() == x.shape[-1]
    if weight.dtype == torch.bfloat16 and (one_row or bfloat16_is_fast()):
        return F.linear(x.to(weight.dtype), weight).to(x.dtype)
    parts = weight.split(max(1, _BLOCK // weight.shape[1]))
    return torch.cat([multiply(x, part.to(x.dtype)) for part in parts], -1)


class NarrowEmbedding(nn.Embedding):
    """Rows in bfloat16, given as float32."""

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens).float()


class HalfLinear(FastLinear):
    """A matrix in bfloat16."""

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        return _widely(x, self.weight) if _exactly(x) else product(x, self.weight)


class Int8Linear(FastLinear):
    """A matrix in int8. It has no parameter; `weight` is made anew for each who asks."""

    matrix: Int8Matrix | None = None

    @property
    def weight(self) -> Float[Tensor, "n_out n_in"]:  # type: ignore[override]
        """In float32: what the whole numbers stand for."""
        return self._matrix().widened()

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        return multiplied(x, self)[0]

    def get_extra_state(self) -> Int8Matrix | None:
        return self.matrix

    def set_extra_state(self, state: Int8Matrix) -> None:
        self.matrix = state

    def _matrix(self) -> Int8Matrix:
        if self.matrix is None:
            raise ValueError("this layer has no weights yet; load them first")
        return self.matrix


def multiplied(x: Float[Tensor, "*batch n_in"], *layers: Int8Linear) -> tuple[Float[Tensor, "*batch _"], ...]:
    """`x` times the matrix of each layer; `x` is written in bytes once."""
    matrices = [layer._matrix() for layer in layers]
    if _exactly(x):
        return tuple(_widely(x, matrix.widened()) for matrix in matrices)
    if not matrices[0].numbers.is_mkldnn:
        return tuple(product(x, matrix.numbers) * matrix.scale for matrix in matrices)
    rows = two_bytes(x.flatten(0, -2))
    return tuple(matrix.times(rows).unflatten(0, x.shape[:-1]) for matrix in matrices)


def _exactly(x: Tensor) -> bool:
    """Whether gradients are asked for, or another dtype than float32: nothing is saved then."""
    return x.dtype != torch.float32 or (x.requires_grad and torch.is_grad_enabled())


def _widely(x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(x, weight.to(x.dtype))


class HalfAttention(FastAttention):
    """Projections one by one: side by side they would be a copy of the file's pages."""

    project = Attention.project


class HalfFeedForward(FastFeedForward):
    """Projections one by one."""

    project = FeedForward.project


class Int8Attention(FastAttention):
    """Queries, keys and values of one input."""

    def project(self, x: Float[Tensor, "batch pos dim"]) -> tuple[Tensor, ...]:
        return _of_one_input(x, self.wq, self.wk, self.wv)


class Int8FeedForward(FastFeedForward):
    """Gate and value of one input."""

    def project(self, x: Float[Tensor, "batch pos dim"]) -> tuple[Tensor, ...]:
        return _of_one_input(x, self.w1, self.w3)


def _of_one_input(x: Tensor, *layers: Any) -> tuple[Tensor, ...]:
    if any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers):
        return tuple(layer(x) for layer in layers)
    return multiplied(x, *layers)


class HalfTransformer(FastTransformer):
    """The network with its matrices in bfloat16."""

    weights: Weights = "bfloat16"
    kinds = {
        **FAST,
        nn.Linear: HalfLinear,
        nn.Embedding: NarrowEmbedding,
        Attention: HalfAttention,
        FeedForward: HalfFeedForward,
    }

    def unembed(self, x: Float[Tensor, "batch out_pos dim"]) -> Float[Tensor, "batch out_pos vocab_size"]:
        if self.output is not None:
            return self.output(x)
        weight = self.tok_embeddings.weight
        return _widely(x, weight) if _exactly(x) else product(x, weight)


class Int8Transformer(FastTransformer):
    """The network with its matrices in int8. An embedding that is tied to the output is kept in int8 once more."""

    weights: Weights = "int8"
    kinds = {
        **FAST,
        nn.Linear: Int8Linear,
        nn.Embedding: NarrowEmbedding,
        Attention: Int8Attention,
        FeedForward: Int8FeedForward,
    }

    def __init__(self, config: MistralConfig) -> None:
        super().__init__(config)
        self.unembedding = self.output if self.output is not None else nn.Linear(config.dim, config.vocab_size, False)
        self.unembedding.__class__ = Int8Linear
        for module in self.modules():
            if isinstance(module, Int8Linear):
                del module._parameters["weight"]

    def unembed(self, x: Float[Tensor, "batch out_pos dim"]) -> Float[Tensor, "batch out_pos vocab_size"]:
        return self.unembedding(x)


NARROW: Mapping[Weights, type[FastTransformer]] = {"bfloat16": HalfTransformer, "int8": Int8Transformer}
"""The network of each kind that is not float32."""


def kept(name: str, tensor: Tensor, config: MistralConfig, weights: Weights) -> dict[str, Any]:
    """What the network of this kind keeps of one tensor of the file, by its names in `state_dict`.

    Args:
        name: Mistral's. tensor: as the file has it; it is not copied where it is bfloat16 and stays so.
    """
    if tensor.ndim == 1:
        return {name: tensor.float()}
    if weights == "bfloat16":
        return {name: tensor.to(torch.bfloat16)}
    if name == _EMBEDDING:
        tied = {f"unembedding.{_STATE}": int8_matrix(tensor)} if config.tied_embeddings else {}
        return {name: tensor.bfloat16(), **tied}
    found = {f"{name.removesuffix('weight')}{_STATE}": int8_matrix(tensor)}
    return found | ({f"unembedding.{_STATE}": found[f"output.{_STATE}"]} if name == _OUTPUT else {})


def stands_for(state: Mapping[str, Any], name: str) -> Tensor | None:
    """The numbers that one weight of a network stands for, however it is kept; `None` where it has no such weight.

    Args:
        state: the network's `state_dict`. name: Mistral's. Of an embedding that is tied to the output, "output.weight"
            is what it is multiplied with, where that is kept beside it.
    """
    place = "unembedding.weight" if name == _OUTPUT else name
    matrix = state.get(f"{place.removesuffix('weight')}{_STATE}")
    return state.get(name) if matrix is None else matrix.widened()


def widened(state: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Tensor]:
    """The `state_dict` of a narrow network as that of a plain one, in `dtype`: the numbers its weights stand for."""
    plain = {}
    for name, value in state.items():
        if isinstance(value, Int8Matrix):
            plain[name.replace(_STATE, "weight")] = value.widened().to(dtype)
        else:
            plain[name] = value.to(dtype)
    return {name: tensor for name, tensor in plain.items() if not name.startswith("unembedding.")}
