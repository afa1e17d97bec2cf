"""What only makes it fast: the numbers of the files that explain the network, in less time.

Decoding one token reads every weight once and does little with it, so time goes into starting
multiplications, waiting for memory and finding things. Everything done about that is in this file (and for
reading prompts in `fast_attention.py`):

* weights that read the same input (wq, wk and wv; w1 and w3) lie side by side in one block of memory
  and are multiplied at once. They stay separate parameters with Mistral's names; `together` sees that
  they are neighbours.
* many tokens at once are multiplied by oneDNN's code (`multiply`): torch's own choice, MKL, takes 2.3 times as long on
  a processor of AMD, where 112 of its 260 gigaflops are used.
* modules are found in `__dict__`, not through torch's `__getattr__`: 300 look-ups a token.
* one token of one text is planned and stored without sorting out rows and padding.

`load_model` gives a `FastTransformer`. A model made otherwise (`Transformer(config)`, a training) is the plain
network, and tests compare the two: bit for bit, but for chunks so long that oneDNN or blocks add up in another order.

Each part is a subclass of what it speeds up and adds no data, so a module becomes its fast kind by
changing its class alone; copies and variants of a model stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mistral_core.attention import Attention
from mistral_core.checkpoint.fast_attention import BlockAttention
from mistral_core.checkpoint.tensors import expected_shapes
from mistral_core.config import MistralConfig, Window
from mistral_core.feed_forward import FeedForward
from mistral_core.kv_cache import KVCache, Ring, WritePlan
from mistral_core.model import Transformer

SIDE_BY_SIDE = (("wq", "wk", "wv"), ("w1", "w3"))
"""Projections of the same input; see `together`."""

MANY = 16
"""Rows from which on oneDNN is faster whatever the layout of a weight is: 1.8 times at 16, 2.3 at 256."""
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether torch was built with it."""


class FastLinear(nn.Linear):
    """Not looking for a bias saves a third of a small call."""

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        return multiply(x, self.weight)


class FastAttention(BlockAttention):
    """Queries, keys and values from one multiplication; scores in blocks."""

    def project(self, x: Float[Tensor, "batch pos dim"]) -> tuple[Tensor, ...]:
        return together(x, self.wq, self.wk, self.wv)


class FastFeedForward(FeedForward):
    """Gate and value from one multiplication."""

    def project(self, x: Float[Tensor, "batch pos dim"]) -> tuple[Tensor, ...]:
        return together(x, self.w1, self.w3)


@dataclass(frozen=True)
class OneWrite(WritePlan):
    """One token of one text. `slot` is the one it goes into, as a plain number."""

    slot: int


class FastRing(Ring):
    """Stores one token without gathering."""

    def write(
        self,
        keys: Float[Tensor, "batch pos n_kv_heads head_dim"],
        values: Float[Tensor, "batch pos n_kv_heads head_dim"],
        plan: WritePlan,
    ) -> None:
        if not isinstance(plan, OneWrite):
            super().write(keys, values, plan)
            return
        self.keys.select(2, plan.slot).copy_(keys.select(1, 0))
        self.values.select(2, plan.slot).copy_(values.select(1, 0))
        self.positions.select(1, plan.slot).copy_(plan.positions)


class FastKVCache(KVCache):
    """Plans one token of one text without sorting out rows and padding, and takes no slots that a text cannot fill.

    A window of 4,096 is a gigabyte in Mistral 7B; where the longest text is named (`max_context`) and shorter than the
    window, it gets as many slots as it has tokens, in the same places, and a longer one is refused.
    """

    ring_type = FastRing

    def n_slots(self, window: Window) -> int:
        """Slots of a layer with this window: W and the sinks, or fewer for a shorter text."""
        slots = super().n_slots(window)
        return (
            slots if window is None or self.max_context is None else min(slots, max(self.max_context, self.sinks + 1))
        )

    @cached_property
    def _fewer(self) -> bool:
        """Whether a layer has fewer slots than its window; asked at every token."""
        return any(window and self.n_slots(window) < window + self.sinks for window in self.windows)

    def _after(self, positions: Int[Tensor, "batch pos"]) -> Int[Tensor, " batch"]:
        one = positions.shape == (1, 1) and int(positions) == int(self.n_seen)
        after = self.n_seen + 1 if one else super()._after(positions)
        if self._fewer and int(after.max()) > (self.max_context or 0):
            raise ValueError(
                f"{int(after.max())} tokens do not fit into max_context {self.max_context}, for which this KVCache was "
                f"allocated, with fewer slots than a window has; allocate a larger max_context"
            )
        return after

    def _plan(self, positions: Int[Tensor, "batch pos"], after: Int[Tensor, " batch"], window: Window) -> WritePlan:
        if positions.shape != (1, 1) or int(positions) < 0:
            return super()._plan(positions, after, window)
        before = self._positions_of(window)
        position = positions.to(before.device)[0]
        slots = self.slots(position, window)
        slot = int(slots)
        key_positions = before.clone()
        key_positions[0, slot] = position[0]
        zero = torch.zeros_like(position)
        return OneWrite(zero, zero, slots, position, key_positions, slot)


FAST: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: FastLinear,
    Attention: FastAttention,
    FeedForward: FastFeedForward,
}
"""What becomes what."""


class FastTransformer(Transformer):
    """The network with every part in its fast kind."""

    kv_cache_type = FastKVCache
    kinds: Mapping[type[nn.Module], type[nn.Module]] = FAST

    def __init__(self, config: MistralConfig) -> None:
        super().__init__(config)
        for module in self.modules():
            module.__class__ = self.kinds.get(type(module), type(module))
            module.__dict__.update(module._modules)

    def unembed(self, x: Float[Tensor, "batch out_pos dim"]) -> Float[Tensor, "batch out_pos vocab_size"]:
        """As `Transformer.unembed`."""
        return multiply(x, (self.tok_embeddings if self.output is None else self.output).weight)


def together(x: Float[Tensor, "batch pos n_in"], *layers: nn.Linear) -> tuple[Float[Tensor, "batch pos _"], ...]:
    """`layer(x)` for each layer: one multiplication if their weights are neighbours, else one by one."""
    weights = [layer.weight for layer in layers]
    if not neighbours(weights) or any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers):
        return tuple(layer(x) for layer in layers)
    sizes = [len(weight) for weight in weights]
    joined = weights[0].as_strided((sum(sizes), weights[0].shape[1]), weights[0].stride())
    return multiply(x, joined).split(sizes, dim=-1)


def multiply(x: Float[Tensor, "*batch n_in"], weight: Float[Tensor, "n_out n_in"]) -> Float[Tensor, "*batch n_out"]:
    """`x weight^T`: of many rows by oneDNN, where no gradient is wanted; else as torch does it.

    The rule looks at no clock: processes that go on with each other's texts must compute alike.
    """
    many = x.numel() >= MANY * x.shape[-1] and x.dtype == weight.dtype == torch.float32
    if not many or not ONEDNN or not (x.is_cpu and weight.is_cpu):
        return F.linear(x, weight)
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        return F.linear(x, weight)
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return product


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


def room(
    name: str, config: MistralConfig, blocks: dict[str, Tensor], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Memory for one tensor, laid out so that one token is multiplied by it fast (every choice measured).

    Projections of the same input lie by columns, side by side in one block (kept in `blocks` from the
    first of them on). Other matrices with at least as many outputs as inputs lie by columns too: the
    same shape, other strides. The rest, and the embedding, lie by rows.
    """
    shapes = expected_shapes(config)
    shape = shapes[name]
    *path, part = name.removesuffix(".weight").split(".")
    for members in SIDE_BY_SIDE:
        if part in members:
            names = [".".join([*path, member, "weight"]) for member in members]
            sizes = [shapes[member][0] for member in names]
            if names[0] not in blocks:
                blocks[names[0]] = torch.empty(shape[1], sum(sizes), dtype=dtype, device=device)
            return blocks[names[0]].t().split(sizes)[members.index(part)]
    if len(shape) == 2 and shape[0] >= shape[1] and name != "tok_embeddings.weight":
        return torch.empty(*reversed(shape), dtype=dtype, device=device).t()
    return torch.empty(*shape, dtype=dtype, device=device)


class NoInitialisation(TorchFunctionMode):
    """Leaves new parameters as they are: random numbers nobody reads would cost most of the load time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.nn.init.kaiming_uniform_, torch.nn.init.normal_, Tensor.normal_):
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)
