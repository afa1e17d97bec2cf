"""A Trace: everything kept of one run, immutable, and on disk one safetensors file.

The Trace is the only thing that pages read. It is plain numpy, so a recorded run plays
without importing torch. Three storage rules keep it small and exact:

* attention is stored by **offset**: column `o` of a query at position `q` is the key at `q - o`,
  so a row has W numbers, never T (`None` windows use `max_context`);
* keys (after RoPE) and values are stored once per **position**. They never change after being
  written, so the contents of every ring slot at every step follow exactly: slot `s` at step `t`
  holds the last position `p <= t` with `p % W == s`;
* a `RecordingPlan` knows its price in bytes before the run, and names what did not fit.

Source: the storage rules are this project's own (see the README, "How a run is kept").
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mistral_core.config import MistralConfig
from mistral_core.trace.arrays import ARRAY, PER_TOKEN, read_arrays
from mistral_core.trace.header import FORMAT, VERSION, TraceError, read_header
from mistral_core.trace.shapes import (  # noqa: F401 (whoever reads a trace finds its names here)
    BY_OFFSET,
    KEYS,
    LOGITS,
    PATTERN,
    VALUES,
    hook_shapes,
    layer_hook,
    offset_width,
    row_shape,
)
from mistral_core.writing import write_whole


@dataclass(frozen=True, kw_only=True)
class RecordingPlan:
    """Which hooks are kept, of which layers, and what they may cost together.

    Attributes:
        hooks: names below a layer (`attention.hook_pattern`, `hook_resid_post`) or of the model
            (`hook_logits`, `hook_embed`).
        layers: layers whose hooks are kept; `None` = all.
        budget_bytes: what does not fit is left out and named in `Trace.omitted`.
    """

    hooks: tuple[str, ...] = (LOGITS, KEYS, VALUES, PATTERN)
    layers: tuple[int, ...] | None = None
    budget_bytes: int = 512 * 2**20

    def names(self, config: MistralConfig) -> tuple[str, ...]:
        """Full hook names in the order of the plan, which is the order of priority.

        Raises:
            ValueError: a hook that the model does not have, or a layer out of range.
        """
        layers = range(config.n_layers) if self.layers is None else self.layers
        if bad := [layer for layer in layers if not 0 <= layer < config.n_layers]:
            raise ValueError(f"layers {bad} are not in this model; it has layers 0 to {config.n_layers - 1}")
        shapes = hook_shapes(config)
        names: list[str] = []
        for hook in self.hooks:
            if hook in shapes["model"]:
                names.append(hook)
            elif hook in shapes["layer"]:
                names += [layer_hook(layer, hook) for layer in layers]
            else:
                known = ", ".join(sorted([*shapes["model"], *shapes["layer"]]))
                raise ValueError(f"no hook is called {hook!r}; hooks are {known}")
        return tuple(names)

    def cost(self, config: MistralConfig, n_tokens: int, max_context: int, itemsize: int = 4) -> dict[str, int]:
        """Bytes of each recorded array for a run of `n_tokens` tokens (numbers of `itemsize` bytes)."""
        return {
            name: n_tokens * itemsize * int(np.prod(row_shape(config, name, max_context)))
            for name in self.names(config)
        }

    def fit(
        self, config: MistralConfig, n_tokens: int, max_context: int, itemsize: int = 4
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Splits the names into those kept and sentences on those left out, by the budget.

        Where a hook does not fit in all layers, it is kept in as many as it can be, spread evenly over them.
        """
        fitting, omitted, left = [], [], self.budget_bytes
        cost = self.cost(config, n_tokens, max_context, itemsize)
        for hook in dict.fromkeys(name.split(".", 2)[-1] for name in cost):
            names = [name for name in cost if name.split(".", 2)[-1] == hook]
            fits = _spread(names, cost, left)
            left -= sum(cost[name] for name in fits)
            fitting += fits
            omitted += [
                f"{name}: {cost[name]:,} bytes do not fit into the {left:,} left of {self.budget_bytes:,}"
                for name in names
                if name not in fits
            ]
        return tuple(fitting), tuple(omitted)


def _spread(names: Sequence[str], cost: Mapping[str, int], room: int) -> list[str]:
    """As many as fit into `room` bytes, evenly spaced, the last one among them."""
    for count in range(len(names), 0, -1):
        evenly = [names[(i + 1) * len(names) // count - 1] for i in range(count)]
        if sum(cost[name] for name in evenly) <= room:
            return evenly
    return []


NOTHING = RecordingPlan(hooks=(), budget_bytes=0)
"""A plan that records no tensor; tokens, probabilities and ranks are always kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One run: what was read, what was written, and what the model computed on the way.

    Step `t` means: token `t` is read, its slot is written, and a distribution for token `t + 1`
    comes out. So `probability[t]` and `rank[t]` come from step `t - 1`, where token `t` was still
    to be chosen; at position 0 they are NaN and -1.

    Attributes:
        config: of the model that ran. model_name, model_hash: which one (SHA-256 of its tensors).
        token_ids: `[T]` int64. positions: `[T]` int64.
        token_texts: exact text of each token ("" for one that is part of a longer character).
        token_labels: a printable form of each. text: the run as a reader sees it.
        n_prompt: the first `n_prompt` tokens were given, the others chosen.
        probability: `[T]` float64, the model's own (temperature 1, nothing cut). rank: `[T]` int64, 0 = likeliest.
        settings: sampling settings, seed, chunk size and forced tokens, as JSON values.
        finish_reason: "length", "eos", "stop_string", "cancelled" or "" while it runs.
        arrays: hook name -> array whose first axis is the position.
        omitted: one sentence for each array that did not fit the budget.
    """

    config: MistralConfig
    model_name: str
    model_hash: str
    token_ids: np.ndarray
    positions: np.ndarray
    token_texts: tuple[str, ...]
    token_labels: tuple[str, ...]
    text: str
    n_prompt: int
    probability: np.ndarray
    rank: np.ndarray
    settings: Mapping[str, Any]
    finish_reason: str = ""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    omitted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        length = len(self.token_ids)
        for name in ("positions", "token_texts", "token_labels", "probability", "rank"):
            if len(getattr(self, name)) != length:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {length} tokens")
        for name, array in self.arrays.items():
            if len(array) != length:
                raise ValueError(f"{name} has {len(array)} rows for {length} tokens")
        for array in (self.token_ids, self.positions, self.probability, self.rank, *self.arrays.values()):
            array.setflags(write=False)
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = (self.token_ids, self.positions, self.probability, self.rank, *self.arrays.values())
        return sum(array.nbytes for array in arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        """The recorded array called `name`.

        Raises:
            KeyError: it was not recorded; the message says what was, and what did not fit.
        """
        if name not in self.arrays:
            why = next((line for line in self.omitted if line.startswith(name + ":")), "it is not in the plan")
            raise KeyError(f"{name} was not recorded ({why}); recorded are {', '.join(self.arrays) or 'no tensors'}")
        return self.arrays[name]

    def pattern(self, layer: int) -> np.ndarray:
        """`[T, n_heads, width]` attention weights of one layer by offset; 0 where no key was visible."""
        return self[layer_hook(layer, PATTERN)]

    def keys(self, layer: int) -> np.ndarray:
        """`[T, n_kv_heads, head_dim]` rotated keys of one layer by position."""
        return self[layer_hook(layer, KEYS)]

    def values(self, layer: int) -> np.ndarray:
        """`[T, n_kv_heads, head_dim]` values of one layer by position."""
        return self[layer_hook(layer, VALUES)]

    @property
    def logits(self) -> np.ndarray:
        """`[T, vocab_size]`: row `t` is what token `t`, once read, makes of token `t + 1`."""
        return self[LOGITS]

    def truncated(self, length: int) -> Trace:
        """The first `length` tokens of this run, as they were.

        Raises:
            ValueError: `length` is not between 1 and the length of the run.
        """
        if not 1 <= length <= len(self):
            raise ValueError(f"length is {length}; this run has 1 to {len(self)} tokens to keep")
        texts = self.token_texts[:length]
        return dataclasses.replace(
            self,
            token_ids=self.token_ids[:length],
            positions=self.positions[:length],
            token_texts=texts,
            token_labels=self.token_labels[:length],
            text="".join(texts),
            n_prompt=min(self.n_prompt, length),
            probability=self.probability[:length],
            rank=self.rank[:length],
            arrays={name: array[:length] for name, array in self.arrays.items()},
            finish_reason=self.finish_reason if length == len(self) else "",
        )

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file; its metadata holds a versioned JSON header.

        The file appears under its name only when complete.

        Raises:
            WriteError: the target is full, missing or not writable.
        """
        header = {
            "format": FORMAT,
            "version": VERSION,
            "config": self.config.to_params(),
            "model_name": self.model_name,
            "model_hash": self.model_hash,
            "text": self.text,
            "token_texts": self.token_texts,
            "token_labels": self.token_labels,
            "n_prompt": self.n_prompt,
            "settings": dict(self.settings),
            "finish_reason": self.finish_reason,
            "omitted": self.omitted,
        }
        tensors = {f"{ARRAY}{name}": np.ascontiguousarray(array) for name, array in self.arrays.items()}
        for name in PER_TOKEN:
            tensors[name] = np.ascontiguousarray(getattr(self, name))
        write_whole(path, lambda part: save_file(tensors, part, metadata={"trace": json.dumps(header)}))

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Reads what `save` wrote. Every item is checked (`header.py`, `arrays.py`), so its readers need not.

        Raises:
            TraceError: the file is missing, damaged, of another kind or of a newer version.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                header = read_header(file.metadata(), path)
                tensors = read_arrays(file, header)
        except TraceError:
            raise
        except OSError as error:
            raise TraceError(f"{path} cannot be read: {error.strerror or error}") from error
        except SafetensorError as error:
            raise TraceError(f"{path} is not a complete safetensors file, so it cannot be a trace") from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise TraceError(f"{path} is a damaged trace: {error}") from error
        arrays = {name.removeprefix(ARRAY): array for name, array in tensors.items() if name.startswith(ARRAY)}
        per_token: dict[str, Any] = {name: tensors[name] for name in PER_TOKEN}
        return cls(**header, **per_token, arrays=arrays)
