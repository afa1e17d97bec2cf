"""Everything that a token makes on its way through the network: every named tensor, of some tokens of a text.

A text is read once, through the rings and in chunks, as a run reads its prompt. Of the tokens `[first, stop)` every row
of every hook is kept (but `hook_result`, which is `z` and `wo` once more), and of all tokens up to there the keys and
values, since later tokens read those. How many tokens that can be follows from bytes: `kept_span` says which.

A changed network (`checkpoint/changed.py`) makes its changes first, so what is kept is what went on in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.analysis.progress import Report, silent
from mistral_core.config import MistralConfig
from mistral_core.hooks import watching
from mistral_core.model import Transformer
from mistral_core.request import DEFAULT_CHUNK
from mistral_core.trace.recorder import by_offset, offset_columns
from mistral_core.trace.shapes import (
    BY_OFFSET,
    KEYS,
    VALUES,
    hook_shapes,
    key_positions,
    layer_hook,
    offset_width,
    row_shape,
)

BUDGET = 64 * 2**20
"""Bytes of the kept rows, and again of keys and values."""
_EMBED, _LEFT_OUT = "hook_embed", "attention.hook_result"


@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """What was made of the tokens `[first, stop)` of a text.

    Attributes:
        token_ids: of the text up to `stop`.
        rows: by hook, `[stop - first, ...]` as `trace/shapes.py` says.
        keys, values: by layer, `[stop, n_kv_heads, head_dim]`, the keys rotated.
    """

    config: MistralConfig
    token_ids: tuple[int, ...]
    first: int
    rows: Mapping[str, np.ndarray]
    keys: tuple[Float[np.ndarray, "stop n_kv_heads head_dim"], ...]
    values: tuple[Float[np.ndarray, "stop n_kv_heads head_dim"], ...]

    @property
    def stop(self) -> int:
        """One past the last kept token."""
        return len(self.token_ids)

    def has(self, position: int) -> bool:
        """Whether what this token made is kept."""
        return self.first <= position < self.stop

    def at(self, name: str, position: int) -> np.ndarray:
        """What a hook of the model held at a position.

        Raises:
            ValueError: the position is not kept.
        """
        if not self.has(position):
            raise ValueError(f"position {position} is not kept; {self.first} to {self.stop - 1} are")
        return np.asarray(self.rows[name][position - self.first])

    def of(self, layer: int, hook: str, position: int) -> np.ndarray:
        """What a hook of a layer held at a position.

        Raises:
            ValueError: the position is not kept.
        """
        return self.at(layer_hook(layer, hook), position)

    def seen(self, layer: int, position: int) -> Int[np.ndarray, " keys"]:
        """Positions whose keys the query of this token meets, in the order of the text."""
        return np.sort(self._columns(layer, position)[1])

    def by_key(self, layer: int, hook: str, position: int) -> Float[np.ndarray, "n_heads keys"]:
        """Scores or weights of the keys that are seen, in the order of the text.

        Raises:
            ValueError: the position is not kept.
        """
        columns, keys = self._columns(layer, position)
        return self.of(layer, hook, position)[:, columns[np.argsort(keys)]]

    def _columns(self, layer: int, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns that hold a key, and which."""
        window = self.config.windows[layer]
        width = offset_width(window, self.stop, self.config.sinks)
        keys = key_positions(np.array([position]), width, window)[0]
        columns = np.flatnonzero(keys >= 0)
        return columns, keys[columns]


def bytes_a_token(config: MistralConfig, length: int, itemsize: int = 4) -> int:
    """What is kept of one token of a text of this length, without keys and values of the others."""
    return itemsize * sum(int(np.prod(row_shape(config, name, length))) for name in _names(config))


def kept_span(
    config: MistralConfig, length: int, position: int, itemsize: int = 4, budget: int = BUDGET
) -> tuple[int, int]:
    """Which tokens `[first, stop)` are kept for somebody who asks about one of them: all, if the budget allows.

    Of a longer text most of them lie before the asked one, since it looks back.

    Raises:
        ValueError: a position outside the text, or one token alone, or the keys and values, need more than the budget.
    """
    if not 0 <= position < length:
        raise ValueError(f"position {position} is not in this text; it has 0 to {length - 1}")
    each = bytes_a_token(config, length, itemsize)
    if each > budget:
        raise ValueError(f"one token of this text makes {each:,} bytes; at most {budget:,} are kept: shorten the text")
    count = min(length, budget // each)
    first = max(0, min(position - (3 * count) // 4, length - count))
    stop = first + count
    pairs = stop * 2 * config.n_layers * config.n_kv_heads * config.head_dim * itemsize
    if pairs > budget:
        raise ValueError(
            f"the keys and values of {stop:,} tokens are {pairs:,} bytes; at most {budget:,} are kept: choose an "
            f"earlier token"
        )
    return first, stop


def read_inside(
    model: Transformer,
    token_ids: Sequence[int],
    position: int,
    *,
    budget: int = BUDGET,
    chunk: int = DEFAULT_CHUNK,
    report: Report = silent,
) -> Inside:
    """Reads a text up to where the budget ends, and keeps what is asked for; see `kept_span`.

    Args:
        chunk: tokens read at once.

    Raises:
        ValueError: as `kept_span`, or a token that does not exist.
    """
    first, stop = kept_span(model.config, len(token_ids), position, model.dtype.itemsize, budget)
    ids = tuple(int(token) for token in token_ids[:stop])
    sink = _Rows(model.config, first, stop)
    kv_cache = model.empty_kv_cache(max_context=stop)
    for start in range(0, stop, chunk):
        report(start, stop, "reading the text for what its tokens made")
        with watching(sink), torch.inference_mode():
            model(torch.tensor([ids[start : start + chunk]]), kv_cache=kv_cache)
    layers = range(model.config.n_layers)
    return Inside(
        config=model.config,
        token_ids=ids,
        first=first,
        rows={name: np.concatenate(parts) for name, parts in sink.rows.items()},
        keys=tuple(np.concatenate(sink.stored[layer_hook(layer, KEYS)]) for layer in layers),
        values=tuple(np.concatenate(sink.stored[layer_hook(layer, VALUES)]) for layer in layers),
    )


class _Rows:
    """A sink that copies the rows of some positions, and keys and values of all of them."""

    def __init__(self, config: MistralConfig, first: int, stop: int) -> None:
        self.config, self.first, self.stop = config, first, stop
        self.rows: dict[str, list[np.ndarray]] = {name: [] for name in _names(config)}
        self.stored: dict[str, list[np.ndarray]] = {
            layer_hook(layer, hook): [] for layer in range(config.n_layers) for hook in (KEYS, VALUES)
        }
        self._inside = slice(0, 0)

    def wants(self, name: str) -> bool:
        return name in self.rows

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        if name == _EMBED and query_positions is not None:
            start = int(query_positions[0, 0])
            self._inside = slice(max(self.first - start, 0), max(self.stop - start, 0))
        if name in self.stored:
            self.stored[name].append(_numpy(value[0]))
        if name.split(".", 2)[-1] not in BY_OFFSET:
            self.rows[name].append(_numpy(value[0, self._inside]))
        elif query_positions is not None and key_positions is not None:
            self.rows[name].append(self._by_offset(name, value, query_positions, key_positions))
        return value

    def _by_offset(self, name: str, value: Tensor, queries: Tensor, keys: Tensor) -> np.ndarray:
        width = row_shape(self.config, name, self.stop)[1]
        asked = _numpy(queries[0, self._inside])
        if not len(asked):
            return np.empty((0, self.config.n_heads, width), np.float32)
        window = self.config.windows[int(name.split(".", 2)[1])]
        columns = offset_columns(asked, _numpy(keys[0]), width, window)
        return by_offset(_numpy(value[0][:, self._inside]), columns, -np.inf if name.endswith("scores") else 0.0)


def _names(config: MistralConfig) -> list[str]:
    shapes = hook_shapes(config)
    hooks = [hook for hook in shapes["layer"] if hook != _LEFT_OUT]
    return [*shapes["model"], *(layer_hook(layer, hook) for layer in range(config.n_layers) for hook in hooks)]


def _numpy(tensor: Tensor) -> np.ndarray:
    """A copy; float32 holds what bfloat16 has, which numpy does not know."""
    tensor = tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
    return tensor.detach().cpu().numpy().copy()
