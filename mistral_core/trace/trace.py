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
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mistral_core.config import MistralConfig, Window

FORMAT = "mistral-explorer-trace"
VERSION = 1
LOGITS = "hook_logits"
PATTERN, KEYS, VALUES = "attention.hook_pattern", "attention.hook_rot_k", "attention.hook_v"
BY_OFFSET = frozenset({PATTERN, "attention.hook_attn_scores"})
"""Hooks whose tensor has a key axis; stored by offset."""


def layer_hook(layer: int, suffix: str) -> str:
    """The full name of a hook of one layer: `layers.3.attention.hook_pattern`."""
    return f"layers.{layer}.{suffix}"


@dataclass(frozen=True, kw_only=True)
class RecordingPlan:
    """Which hooks are kept, of which layers, and what they may cost together.

    Attributes:
        hooks: names below a layer (`attention.hook_pattern`, `hook_resid_post`) or of the model
            (`hook_logits`, `hook_embed`).
        layers: layers whose hooks are kept; `None` = all.
        budget_bytes: what does not fit is left out and named in `Trace.omitted`.
    """

    hooks: tuple[str, ...] = (LOGITS, PATTERN, KEYS, VALUES)
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
        """Splits the names into those kept and sentences on those left out, by the budget."""
        fitting, omitted, left = [], [], self.budget_bytes
        for name, size in self.cost(config, n_tokens, max_context, itemsize).items():
            if size <= left:
                fitting.append(name)
                left -= size
            else:
                omitted.append(f"{name}: {size:,} bytes do not fit into the {left:,} left of {self.budget_bytes:,}")
        return tuple(fitting), tuple(omitted)


NOTHING = RecordingPlan(hooks=(), budget_bytes=0)
"""A plan that records no tensor; tokens, probabilities and ranks are always kept."""


def hook_shapes(config: MistralConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shape of one position's row for every hook; a key axis is written as 0 (its width varies)."""
    c = config
    q, kv = (c.n_heads, c.head_dim), (c.n_kv_heads, c.head_dim)
    layer: dict[str, tuple[int, ...]] = {
        "hook_resid_pre": (c.dim,),
        "hook_resid_mid": (c.dim,),
        "hook_resid_post": (c.dim,),
        "attention_norm.hook_scale": (1,),
        "attention_norm.hook_normalized": (c.dim,),
        "ffn_norm.hook_scale": (1,),
        "ffn_norm.hook_normalized": (c.dim,),
        "attention.hook_q": q,
        "attention.hook_k": kv,
        VALUES: kv,
        "attention.hook_rot_q": q,
        KEYS: kv,
        "attention.hook_attn_scores": (c.n_heads, 0),
        PATTERN: (c.n_heads, 0),
        "attention.hook_z": q,
        "attention.hook_result": (c.n_heads, c.dim),
        "hook_attn_out": (c.dim,),
        "feed_forward.hook_pre": (c.hidden_dim,),
        "feed_forward.hook_pre_linear": (c.hidden_dim,),
        "feed_forward.hook_post": (c.hidden_dim,),
        "hook_mlp_out": (c.dim,),
    }
    model: dict[str, tuple[int, ...]] = {
        "hook_embed": (c.dim,),
        "norm.hook_scale": (1,),
        "norm.hook_normalized": (c.dim,),
        LOGITS: (c.vocab_size,),
    }
    return {"model": model, "layer": layer}


def row_shape(config: MistralConfig, name: str, max_context: int) -> tuple[int, ...]:
    """Shape of what one position contributes to the array called `name`."""
    shapes = hook_shapes(config)
    if name in shapes["model"]:
        return shapes["model"][name]
    _, layer, suffix = name.split(".", 2)
    shape = shapes["layer"][suffix]
    if suffix in BY_OFFSET:
        return (shape[0], offset_width(config.windows[int(layer)], max_context))
    return shape


def offset_width(window: Window, max_context: int) -> int:
    """Columns needed to store one query's attention by offset: the window, at most the context."""
    return max_context if window is None else min(window, max_context)


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
        tensors = {f"arrays/{name}": np.ascontiguousarray(array) for name, array in self.arrays.items()}
        for name in ("token_ids", "positions", "probability", "rank"):
            tensors[name] = np.ascontiguousarray(getattr(self, name))
        unfinished = Path(path).with_name(Path(path).name + ".part")
        save_file(tensors, unfinished, metadata={"trace": json.dumps(header)})
        os.replace(unfinished, path)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Reads what `save` wrote.

        Raises:
            TraceError: the file is missing, damaged, of another kind or of a newer version.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                header = _header(file.metadata(), path)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            config = MistralConfig.from_params(header["config"])
            _check_tensors(config, tensors, header["n_prompt"])
            return cls(
                config=config,
                model_name=header["model_name"],
                model_hash=header["model_hash"],
                token_texts=tuple(header["token_texts"]),
                token_labels=tuple(header["token_labels"]),
                text=header["text"],
                n_prompt=header["n_prompt"],
                settings=header["settings"],
                finish_reason=header["finish_reason"],
                omitted=tuple(header["omitted"]),
                arrays={n.removeprefix("arrays/"): a for n, a in tensors.items() if n.startswith("arrays/")},
                **{name: tensors[name] for name in ("token_ids", "positions", "probability", "rank")},
            )
        except TraceError:
            raise
        except OSError as error:
            raise TraceError(f"{path} cannot be read: {error.strerror or error}") from error
        except SafetensorError as error:
            raise TraceError(f"{path} is not a complete safetensors file, so it cannot be a trace") from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise TraceError(f"{path} is a damaged trace: {error}") from error


class TraceError(ValueError):
    """A file that is not a readable trace; the message says why."""


def _header(metadata: Mapping[str, str] | None, path: str | Path) -> dict[str, Any]:
    try:
        header = json.loads((metadata or {})["trace"])
    except (KeyError, ValueError, RecursionError) as error:
        raise TraceError(f"{path} is a safetensors file but not a trace: it has no trace header") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TraceError(f"{path} is not a {FORMAT} file")
    if header.get("version") != VERSION:
        raise TraceError(f"{path} is version {header.get('version')!r}; this program reads version {VERSION}")
    for name, kind in (("config", dict), ("settings", dict), ("token_texts", list), ("token_labels", list)):
        if not isinstance(header.get(name), kind):
            raise TraceError(f"{path} is a damaged trace: its {name} is {'wrong' if name in header else 'missing'}")
    return header


def _check_tensors(config: MistralConfig, tensors: Mapping[str, np.ndarray], n_prompt: object) -> None:
    """Refuses what would break a page later: arrays that are not those of this config."""
    length = len(tensors["token_ids"])
    for name in ("token_ids", "positions", "probability", "rank"):
        if tensors[name].shape != (length,):
            raise ValueError(f"{name} is {tensors[name].shape}, not ({length},)")
    if not isinstance(n_prompt, int) or not 0 <= n_prompt <= length:
        raise ValueError(f"n_prompt is {n_prompt!r} for {length} tokens")
    for name, array in tensors.items():
        if not name.startswith("arrays/") or name.startswith("arrays/top/"):  # top/: alternatives kept for playing
            continue
        expected = (length, *row_shape(config, name.removeprefix("arrays/"), array.shape[-1] if array.ndim else 0))
        if array.shape != expected:
            raise ValueError(f"{name.removeprefix('arrays/')} is {array.shape}, not {expected}")
