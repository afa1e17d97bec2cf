"""The rolling buffer: W slots per layer, written round and round.

Position `p` lives in slot `p % W`. Writing position `p` therefore overwrites position `p - W`,
which no later query may see. Memory is taken once and never grows.

    W = 4, positions 0..5 written:     slot        0  1  2  3
                                       position    4  5  2  3
                                                         ^ next write: position 6

* Stored keys are **post-RoPE**: the absolute position is baked in, so slots need no order.
* **Prefill reads, then writes**: a chunk attends to (ring before the chunk) + (chunk), and only
  then its last W keys are stored. Writing first would destroy keys that the chunk's early
  queries still need. **Decode writes, then reads**: its one write destroys only the key that has
  just left the window.
* A layer without a window gets `max_context` slots and refuses to overwrite.
* Sinks, where a configuration has any, are the first S positions: they lie in slots 0 to S - 1, which are never
  overwritten, and the W slots behind them are the ring: position p lives in slot S + (p - S) % W.

Source: "Mistral 7B" section 2, "Rolling Buffer Cache" and figure 3; mistral-inference `cache.py`
(`positions % cache_size`, `unrotate`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.config import MistralConfig, Window
from mistral_core.ring import slots_of

EMPTY = -1
"""Position of a slot that was never written."""


@dataclass(frozen=True)
class WritePlan:
    """Which tokens of a chunk go into which slots, the same for all layers of one window.

    Attributes:
        rows, columns, slots, positions: one entry per token that is stored.
        key_positions: of the keys that the chunk's queries meet, in the order in which they meet them:
            one token: the slots, already holding it; more: the slots before the chunk, then the chunk.
    """

    rows: Int[Tensor, " writes"]
    columns: Int[Tensor, " writes"]
    slots: Int[Tensor, " writes"]
    positions: Int[Tensor, " writes"]
    key_positions: Int[Tensor, "batch key_pos"]


class Ring:
    """The slots of one layer.

    Attributes:
        keys, values: `[batch, n_kv_heads, n_slots, head_dim]`.
        positions: `[batch, n_slots]`, the position whose key and value a slot holds, or -1.
        sinks: how many of the slots hold the first positions for ever; the others go round.
    """

    def __init__(
        self,
        batch: int,
        n_kv_heads: int,
        n_slots: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device | str,
        sinks: int = 0,
    ) -> None:
        shape = (batch, n_kv_heads, n_slots, head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.positions = torch.full((batch, n_slots), EMPTY, device=device)
        self.sinks = sinks

    def write(
        self,
        keys: Float[Tensor, "batch pos n_kv_heads head_dim"],
        values: Float[Tensor, "batch pos n_kv_heads head_dim"],
        plan: WritePlan,
    ) -> None:
        """Stores the planned tokens of a chunk, overwriting what their slots held."""
        self.keys[plan.rows, :, plan.slots] = keys[plan.rows, plan.columns]
        self.values[plan.rows, :, plan.slots] = values[plan.rows, plan.columns]
        self.positions[plan.rows, plan.slots] = plan.positions

    def held_positions(self, length: int) -> Int[Tensor, " stored"]:
        """The positions whose keys and values are in the slots after `length` tokens: the sinks, and the last ones."""
        first = min(self.sinks, length)
        turning = max(first, length - (self.keys.shape[2] - self.sinks))
        return torch.cat((torch.arange(first), torch.arange(turning, length)))

    def restore(
        self,
        keys: Float[Tensor, "stored n_kv_heads head_dim"],
        values: Float[Tensor, "stored n_kv_heads head_dim"],
        length: int,
        rows: slice = slice(None),
    ) -> None:
        """Fills empty rows with what they held after `length` tokens, bit for bit.

        Keys and values never change after being written, so this is exact.

        Args:
            keys, values: of the positions `held_positions(length)`, as they were written.
            rows: of the batch; default: all.
        """
        positions = self.held_positions(length).to(self.positions.device)
        slots = slots_of(positions, self.keys.shape[2], self.sinks)
        self.keys[rows, :, slots] = keys.to(self.keys).transpose(0, 1)
        self.values[rows, :, slots] = values.to(self.values).transpose(0, 1)
        self.positions[rows, slots] = positions

    def unrotate(
        self, row: int = 0
    ) -> tuple[
        Float[Tensor, "n_kv_heads stored head_dim"], Float[Tensor, "n_kv_heads stored head_dim"], Int[Tensor, " stored"]
    ]:
        """Keys, values and positions of one row in the order of the text, empty slots left out."""
        order = self.positions[row].argsort()
        order = order[self.positions[row][order] != EMPTY]
        return self.keys[row][:, order], self.values[row][:, order], self.positions[row][order]

    @property
    def nbytes(self) -> int:
        """Bytes of keys, values and positions; fixed at allocation."""
        return self.keys.nbytes + self.values.nbytes + self.positions.nbytes


class KVCache:
    """One ring per layer, and how many tokens each row has seen.

    Rows may have different lengths. A chunk names its positions; -1 marks padding, which is
    neither stored nor seen.

    Args:
        config: gives the layers, heads and windows.
        batch: number of rows.
        max_context: slots of a layer without a window. Needed exactly if there is such a layer.

    Raises:
        ValueError: a layer has no window and `max_context` is missing or below 1, or there is no memory for the rings.
    """

    ring_type = Ring

    def __init__(
        self,
        config: MistralConfig,
        batch: int = 1,
        *,
        max_context: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if None in config.windows and (max_context is None or max_context < 1):
            raise ValueError(
                f"max_context is {max_context} but a layer has no window; name the longest text in tokens, at least 1"
            )
        self.windows, self.max_context, self.batch, self.sinks = config.windows, max_context, batch, config.sinks
        try:
            self.rings = tuple(
                self.ring_type(
                    batch, config.n_kv_heads, self.n_slots(window), config.head_dim, dtype, device, self._sinks(window)
                )
                for window in config.windows
            )
        except (RuntimeError, MemoryError) as error:
            slots = [self.n_slots(window) for window in config.windows]
            size = 2 * batch * sum(slots) * config.n_kv_heads * config.head_dim * dtype.itemsize
            raise ValueError(
                f"the rings of {config.n_layers} layers with windows of at most {max(slots)} tokens need "
                f"{size / 2**40:,.3f} TiB, which cannot be had; choose a smaller window or a shorter text"
            ) from error
        self.n_seen = torch.zeros(batch, dtype=torch.long)

    def n_slots(self, window: Window) -> int:
        """Slots of a layer with this window."""
        if window is not None:
            return window + self.sinks
        return self.max_context or 0

    def _sinks(self, window: Window) -> int:
        return 0 if window is None else self.sinks

    def slots(self, positions: Int[Tensor, "*any"], window: Window) -> Int[Tensor, "*any"]:
        """Where positions live in a layer with this window: round and round, behind the sinks."""
        return slots_of(positions, self.n_slots(window), self._sinks(window))

    def plan(self, positions: Int[Tensor, "batch pos"]) -> dict[Window, WritePlan]:
        """What to write for a chunk at these positions (CPU), by window; counts the tokens as seen.

        Of each row only the last `n_slots` tokens are written: earlier ones would be overwritten
        by the same chunk.

        Raises:
            ValueError: rows do not match, a row does not continue where it stopped, or a layer
                without a window is full.
        """
        if len(positions) != self.batch:
            raise ValueError(f"the chunk has {len(positions)} rows; this KVCache was allocated for {self.batch}")
        after = self._after(positions)
        if None in self.windows and int(after.max()) > (self.max_context or 0):
            raise ValueError(
                f"{int(after.max())} tokens do not fit into max_context {self.max_context}, and a layer has no window "
                f"to roll; allocate a larger max_context or use a window"
            )
        plans = {window: self._plan(positions, after, window) for window in dict.fromkeys(self.windows)}
        self.n_seen = after
        return plans

    def _after(self, positions: Int[Tensor, "batch pos"]) -> Int[Tensor, " batch"]:
        """How many tokens each row has seen after this chunk; refuses positions that do not continue."""
        real = positions >= 0
        expected = torch.where(real, self.n_seen[:, None] + real.cumsum(1) - 1, EMPTY)
        if not torch.equal(expected, positions):
            raise ValueError(
                f"positions {positions.tolist()} do not continue rows that have seen {self.n_seen.tolist()} tokens; "
                f"a row's next position is the number of tokens it has seen, and -1 marks padding"
            )
        return self.n_seen + real.sum(1)

    def _plan(self, positions: Int[Tensor, "batch pos"], after: Int[Tensor, " batch"], window: Window) -> WritePlan:
        sinks = self._sinks(window)
        staying = (positions < sinks) | (positions >= after[:, None] - (self.n_slots(window) - sinks))
        lasting = (positions >= 0) & staying
        before = self._positions_of(window)
        rows, columns = (index.to(before.device) for index in lasting.nonzero(as_tuple=True))
        chunk = positions.to(before.device)
        stored = chunk[rows, columns]
        slots = self.slots(stored, window)
        if positions.shape[1] == 1:
            key_positions = before.clone()
            key_positions[rows, slots] = stored
        else:
            key_positions = torch.cat((before, chunk), dim=1)
        return WritePlan(rows, columns, slots, stored, key_positions)

    def _positions_of(self, window: Window) -> Int[Tensor, "batch n_slots"]:
        """Positions held before the chunk; the same for all layers of one window."""
        return self.rings[self.windows.index(window)].positions

    @property
    def nbytes(self) -> int:
        """Bytes of all rings; constant from allocation to the end."""
        return sum(ring.nbytes for ring in self.rings)
