"""The wrong functions, each as somebody could have written it; the right one stands in the module that is named.

Every one has the signature of the function whose place it takes. `exhibits.py` says where such a mistake was seen;
these are written anew, after the thread's description, in terms of this project's ring.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from mistral_core.attention import Attention, hidden_keys, read_and_write
from mistral_core.config import Window
from mistral_core.kv_cache import EMPTY, KVCache, Ring, WritePlan
from mistral_core.ring import slots_of
from mistral_core.rope import rotate, rotation


def hidden_keys_one_too_many(
    positions: Int[Tensor, "batch pos"], key_positions: Int[Tensor, "batch key_pos"], window: Window, sinks: int = 0
) -> Bool[Tensor, "batch 1 pos key_pos"]:
    """Several tokens at once see W + 1 keys; one token sees W, since its ring has no more."""
    if window is not None and positions.shape[1] > 1:
        window += 1  # "at most W tokens in the past", and oneself
    return hidden_keys(positions, key_positions, window, sinks)


def write_then_read(
    ring: Ring,
    k: Float[Tensor, "batch pos n_kv_heads head_dim"],
    v: Float[Tensor, "batch pos n_kv_heads head_dim"],
    positions: Int[Tensor, "batch pos"],
    plan: WritePlan,
) -> tuple[
    Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    Int[Tensor, "batch key_pos"],
]:
    """A chunk is stored first, over keys that its early queries still see."""
    ring.write(k, v, plan)
    if positions.shape[1] == 1:
        return ring.keys, ring.values, plan.key_positions
    keys = torch.cat((ring.keys, k.transpose(1, 2)), dim=2)
    values = torch.cat((ring.values, v.transpose(1, 2)), dim=2)
    return keys, values, plan.key_positions


def slots_turned_early(self: KVCache, positions: Int[Tensor, "*any"], window: Window) -> Int[Tensor, "*any"]:
    """The ring goes on to its next slot as soon as it is full, not when it overflows: the oldest key goes too early."""
    n_slots, sinks = self.n_slots(window), self._sinks(window)
    if window is None:
        return slots_of(positions, n_slots, sinks)
    full = (positions >= n_slots - 1).to(positions.dtype)  # >= where > is meant
    return slots_of(positions + full, n_slots, sinks)


def plan_in_order_of_text(
    self: KVCache, positions: Int[Tensor, "batch pos"], after: Int[Tensor, " batch"], window: Window
) -> WritePlan:
    """A chunk takes the slots for the last W positions in the order of the text; they are so only before the wrap."""
    plan = KVCache._plan(self, positions, after, window)
    if positions.shape[1] == 1:
        return plan
    before = self._positions_of(window)
    in_order = before.sort(dim=1).values  # which position stands in which slot is not asked
    key_positions = torch.cat((in_order, positions.to(before.device)), dim=1)
    return WritePlan(plan.rows, plan.columns, plan.slots, plan.positions, key_positions)


def attend_backwards(
    self: Attention,
    q: Float[Tensor, "batch pos n_heads head_dim"],
    keys: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    values: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    positions: Int[Tensor, "batch pos"],
    key_positions: Int[Tensor, "batch key_pos"],
    hidden: Bool[Tensor, "batch 1 pos key_pos"],
) -> Float[Tensor, "batch pos n_heads head_dim"]:
    """Keys, values, positions and mask, all in the opposite order: the same sums, added up the other way round."""
    keys, values, key_positions, hidden = keys.flip(2), values.flip(2), key_positions.flip(1), hidden.flip(3)
    return Attention.attend(self, q, keys, values, positions, key_positions, hidden)


def rotation_by_slot(
    positions: Int[Tensor, "batch pos"], head_dim: int, theta: float, dtype: torch.dtype, slots: tuple[int, int]
) -> Complex[Tensor, "batch pos 1 pairs"]:
    """Turned by the slot, which begins anew after W tokens, in the place of the position, which does not."""
    return rotation(slots_of(positions, *slots), head_dim, theta, dtype)


def rotation_by_length(
    positions: Int[Tensor, "batch pos"], head_dim: int, theta: float, dtype: torch.dtype, slots: tuple[int, int]
) -> Complex[Tensor, "batch pos 1 pairs"]:
    """Turned by the place in the cache: a new token is its last one, and a full cache grows no longer."""
    n_slots, _ = slots
    return rotation(positions.clamp(max=n_slots - 1), head_dim, theta, dtype)


def rotate_halves(
    x: Float[Tensor, "batch pos heads head_dim"], turn: Complex[Tensor, "batch pos 1 pairs"]
) -> Float[Tensor, "batch pos heads head_dim"]:
    """Feature i makes a pair with i + d/2, as in Hugging Face's layout, on weights made for pairs of neighbours."""
    low, high = x.chunk(2, dim=-1)
    pairs = torch.stack((low, high), -1).flatten(-2)
    turned = rotate(pairs, turn).unflatten(-1, (-1, 2))
    return torch.cat((turned[..., 0], turned[..., 1]), -1)


def rotation_of_default_theta(
    positions: Int[Tensor, "batch pos"], head_dim: int, theta: float, dtype: torch.dtype
) -> Complex[Tensor, "batch pos 1 pairs"]:
    """The default of another version stands in for the theta that the model was trained with."""
    default = 1_000_000.0 if theta != 1_000_000.0 else 10_000.0
    return rotation(positions, head_dim, default, dtype)


def attend_repeated_by_turns(
    self: Attention,
    q: Float[Tensor, "batch pos n_heads head_dim"],
    keys: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    values: Float[Tensor, "batch n_kv_heads key_pos head_dim"],
    positions: Int[Tensor, "batch pos"],
    key_positions: Int[Tensor, "batch key_pos"],
    hidden: Bool[Tensor, "batch 1 pos key_pos"],
) -> Float[Tensor, "batch pos n_heads head_dim"]:
    """Query head h reads key head h % n_kv_heads: `repeat` where `repeat_interleave` is meant."""
    repeats = self.n_heads // self.n_kv_heads
    by_turns = torch.arange(self.n_heads).view(repeats, self.n_kv_heads).T.flatten()
    z = Attention.attend(self, q[:, :, by_turns], keys, values, positions, key_positions, hidden)
    return z[:, :, by_turns.argsort()]


def nothing_hidden(
    positions: Int[Tensor, "batch pos"], key_positions: Int[Tensor, "batch key_pos"], window: Window, sinks: int = 0
) -> Bool[Tensor, "batch 1 pos key_pos"]:
    """Without a cache no mask is made: every token sees the whole text, what follows it too."""
    return (key_positions < 0)[:, None, None].expand(-1, 1, positions.shape[1], -1)


def plan_that_keeps_the_beginning(
    self: KVCache, positions: Int[Tensor, "batch pos"], after: Int[Tensor, " batch"], window: Window
) -> WritePlan:
    """Of a chunk longer than the ring the first W tokens are stored, not the last."""
    plan = KVCache._plan(self, positions, after, window)
    n_slots = self.n_slots(window)
    if window is None or positions.shape[1] <= n_slots:
        return plan
    chunk = positions.to(plan.positions.device)
    rows, columns = (chunk[:, :n_slots] >= 0).nonzero(as_tuple=True)  # [:W] where [-W:] is meant
    stored = chunk[rows, columns]
    return WritePlan(rows, columns, self.slots(stored, window), stored, plan.key_positions)


def empty_slots_seen(
    positions: Int[Tensor, "batch pos"], key_positions: Int[Tensor, "batch key_pos"], window: Window, sinks: int = 0
) -> Bool[Tensor, "batch 1 pos key_pos"]:
    """All slots count from the first token on; an empty one holds zeros, and a score of 0 has its share of softmax."""
    empty = (key_positions == EMPTY)[:, None, None]
    return hidden_keys(positions, key_positions, window, sinks) & ~empty


def trim(kv_cache: KVCache, length: int) -> None:
    """Forgets what was read after `length` tokens, as if the ring still held what those had overwritten."""
    for ring in kv_cache.rings:
        ring.positions[ring.positions >= length] = EMPTY
    kv_cache.n_seen = kv_cache.n_seen.clamp(max=length)


RIGHT: dict[str, Any] = {
    "rotation": rotation,
    "hidden_keys": hidden_keys,
    "rotate": rotate,
    "read_and_write": read_and_write,
    "attend": Attention.attend,
    "slots": KVCache.slots,
    "plan": KVCache._plan,
    "go_back": KVCache._after,
}
"""What each stands in the place of. Of the ring there is no way back: it refuses positions that do not continue."""
