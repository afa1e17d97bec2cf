"""What a Mistral is made of: the numbers of `params.json`, checked.

The fields carry the names of Mistral's published `params.json`, key for key, so that a reader
can hold the file beside the code. A configuration that is unknown or contradicts itself is
refused with the value, the bound and the remedy: a model that is silently not the one in the
file would make every picture drawn from it false.

Source: "Mistral 7B" (arXiv 2310.06825), table 1; mistral-inference `args.py` for the key names.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

V01_ROPE_THETA = 10_000.0
"""RoPE base of Mistral 7B v0.1, whose `params.json` does not name one (its reference code does)."""
LATER_ROPE_THETA = 1_000_000.0
"""What the reference code takes where the file names neither a base nor a window, as Mistral 7B v0.2 and later."""

LARGEST = {
    "dim": 2**17,
    "n_layers": 1024,
    "n_heads": 4096,
    "n_kv_heads": 4096,
    "head_dim": 2**14,
    "hidden_dim": 2**20,
    "vocab_size": 2**22,
    "sliding_window": 2**24,
    "sinks": 2**12,
}
"""Bounds that no published network exceeds, each at least twice the largest known except for DeepNet's 1,000 layers.

A file of a few bytes can name any number, and much is built from these: layers, windows, rings.
"""
LARGEST_NORM_EPS, LARGEST_ROPE_THETA = 1.0, 1e20

Window = int | None
"""Keys visible to one query, itself included; `None` means full causal attention."""

NO_EFFECT = {
    "max_seq_len",
    "max_position_embeddings",
    "max_batch_size",
    "model_type",
    "architectures",
    "model_max_length",
    "transformers_version",
    "use_cache",
    "torch_dtype",
    "dtype",
}
"""Keys of published files that describe a deployment, not the network."""


class ConfigNotice(UserWarning):
    """Something about a configuration that the user should know; nothing is wrong."""


@dataclass(frozen=True, kw_only=True)
class MistralConfig:
    """The shape of one model. Frozen and hashable: equal configurations are the same key.

    Attributes:
        dim: width of the residual stream.
        n_layers: number of blocks.
        n_heads: query heads.
        n_kv_heads: key/value heads; each serves `n_heads / n_kv_heads` query heads.
        head_dim: width of one head (even: rotary pairs); not always `dim / n_heads`.
        hidden_dim: width of the feed-forward hidden layer.
        vocab_size: number of tokens.
        norm_eps: the small number under RMSNorm's root.
        rope_theta: base of the rotary frequencies.
        sliding_window: keys visible to a query, itself included; `None` = all earlier ones;
            a tuple repeats over the layers (mistral-inference allows such lists).
        tied_embeddings: whether the output projection is the embedding matrix.
        sinks: first positions that a layer with a window keeps in sight of every later query, beside the window. No
            published Mistral has any; a window imposed on a model that was trained without one needs them
            ("attention sinks", Xiao et al. 2023, arXiv 2309.17453).

    Raises:
        ValueError: a value outside its bounds, or values that contradict each other.
    """

    dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    hidden_dim: int
    vocab_size: int
    norm_eps: float
    rope_theta: float
    sliding_window: Window | tuple[Window, ...] = None
    tied_embeddings: bool = False
    sinks: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "hidden_dim", "vocab_size"):
            _require_size(name, getattr(self, name))
        for name in ("norm_eps", "rope_theta"):
            _require_positive_number(name, getattr(self, name))
        if self.norm_eps > LARGEST_NORM_EPS:
            raise ValueError(
                f"norm_eps is {brief(self.norm_eps)}; it is added to a mean square, so it must be at most 1"
            )
        if not 1 <= self.rope_theta <= LARGEST_ROPE_THETA:
            raise ValueError(
                f"rope_theta is {brief(self.rope_theta)}; "
                f"it must be from 1 to {LARGEST_ROPE_THETA:g}, else angles overflow"
            )
        if not isinstance(self.tied_embeddings, bool):
            raise ValueError(f"tied_embeddings is {brief(self.tied_embeddings)}; it must be true or false")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads is {self.n_heads} and n_kv_heads is {self.n_kv_heads}; every key/value head must "
                f"serve the same number of query heads, so choose n_kv_heads among the divisors of n_heads"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim is {self.head_dim}; rotary embeddings turn pairs, so it must be even")
        if isinstance(self.sliding_window, tuple) and not self.sliding_window:
            raise ValueError("sliding_window is an empty list; name one window or use null for none")
        for window in self._pattern:
            if window is not None:
                _require_size("sliding_window", window)
        if self.sinks != 0 or isinstance(self.sinks, bool):
            _require_size("sinks", self.sinks)

    @property
    def _pattern(self) -> tuple[Window, ...]:
        return self.sliding_window if isinstance(self.sliding_window, tuple) else (self.sliding_window,)

    @property
    def repeats(self) -> int:
        """Query heads that share one key/value head."""
        return self.n_heads // self.n_kv_heads

    @property
    def windows(self) -> tuple[Window, ...]:
        """The window of each layer."""
        return tuple(self._pattern[layer % len(self._pattern)] for layer in range(self.n_layers))

    def with_window(self, window: Window | tuple[Window, ...]) -> MistralConfig:
        """The same shape with another window (weights do not depend on it)."""
        return MistralConfig(**{**self._raw(), "sliding_window": window})

    def exact_reach(self, n_layers: int | None = None) -> int | None:
        """How many positions back a state after `n_layers` layers can depend on; `None` = all.

        The first `sinks` positions are within reach besides, however far back they are.

        >>> tiny = MistralConfig(dim=8, n_layers=8, n_heads=2, n_kv_heads=1, head_dim=4, hidden_dim=8,
        ...                      vocab_size=10, norm_eps=1e-5, rope_theta=1e4, sliding_window=16)
        >>> tiny.exact_reach()
        120

        Source: sum over the layers of W - 1, since a query sees W keys of which one is itself
        (the paper's section 2 writes k x W, which is one too many a layer).
        """
        windows = self.windows[: self.n_layers if n_layers is None else n_layers]
        return None if None in windows else sum(w - 1 for w in windows if w is not None)

    def _raw(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_params(self) -> dict[str, Any]:
        """The `params.json` of this configuration."""
        params = asdict(self)
        if isinstance(self.sliding_window, tuple):
            even = self.n_layers % len(self.sliding_window) == 0
            params["sliding_window"] = list(self.sliding_window if even else self.windows)
        if not self.tied_embeddings:
            del params["tied_embeddings"]
        if not self.sinks:
            del params["sinks"]
        return params

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> MistralConfig:
        """Reads a `params.json`. Unknown keys are refused: they could change the network. A null says nothing.

        Raises:
            ValueError: keys unknown or missing, or values refused by the class.
        """
        given = {key: value for key, value in params.items() if key not in NO_EFFECT and value is not None}
        if given.pop("use_biases", False):
            raise ValueError("use_biases is true; Mistral's projections have no biases: this is another architecture")
        given = with_one_window(given)
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise ValueError(
                f"params.json has keys that this network does not know: {named(unknown, most=6)}; "
                f"known are {', '.join(sorted(known))}. Remove them only if they do not change the network"
            )
        given, notices = with_rope_theta(given)
        for notice in notices:
            warnings.warn(notice, ConfigNotice, stacklevel=2)
        if missing := sorted(known - set(given) - {"sliding_window", "tied_embeddings", "sinks"}):
            raise ValueError(f"params.json lacks {', '.join(missing)}; every one of them is needed")
        window = given.get("sliding_window")
        if isinstance(window, list):
            given["sliding_window"] = tuple(window)  # hashable, unlike what JSON gives
        given |= {name: as_float(given[name]) for name in ("norm_eps", "rope_theta")}
        config = cls(**given)
        if isinstance(window, list) and config.n_layers % len(window):
            raise ValueError(
                f"sliding_window has {len(window)} entries for {config.n_layers} layers; they repeat over the layers, "
                f"so their number must divide that of the layers: name one window for each layer"
            )
        return config


def with_one_window(params: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a `params.json` with its window under one name; Mistral's files have two.

    Raises:
        ValueError: both are given.

    Source: mistral-inference `args.py`, which takes `_sliding_window` where `sliding_window` is absent or null.
    """
    given = dict(params)
    other = given.pop("_sliding_window", None)
    if other is None:
        return given
    if given.get("sliding_window") is not None:
        raise ValueError(
            f"sliding_window is {brief(given['sliding_window'])} and _sliding_window is {brief(other)}; "
            f"they are two names of one thing, so keep one"
        )
    return {**given, "sliding_window": other}


def with_rope_theta(params: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The keys of a `params.json` with a `rope_theta`, and a sentence if it was not in the file.

    Source: mistral-inference, `Transformer.freqs_cis`: a missing base is 10,000 with a window (Mistral 7B v0.1,
    the one published model with one and no base), else 1,000,000.
    """
    given = with_one_window(params)
    if given.get("rope_theta") is not None:
        return given, ()
    window = given.get("sliding_window")
    windows = window if isinstance(window, list) else [window]
    theta, why = V01_ROPE_THETA, "the value of Mistral 7B v0.1"
    if all(one is None for one in windows):
        theta, why = LATER_ROPE_THETA, "as Mistral's reference code does where there is no window"
    notice = f"params.json names no rope_theta; taking {theta:.0f}, {why}"
    return {**given, "rope_theta": theta}, (notice,)


def _require_size(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {brief(value)}; it must be a whole number of at least 1")
    if value > LARGEST[name]:
        raise ValueError(
            f"{name} is {brief(value)}; no published network has more than {LARGEST[name]}, "
            f"so nothing is built from it: check the file, or copy it again from its source"
        )


def _require_positive_number(name: str, value: object) -> None:
    try:
        fine = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value) and value > 0
    except OverflowError:  # a whole number of more digits than floating point has room for
        fine = False
    if not fine:
        raise ValueError(f"{name} is {brief(value)}; it must be a finite number above 0")


def as_float(value: Any) -> Any:
    """A whole number of a file as the real one that it stands for (`"rope_theta": 100000`); all else as it is."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 1000
    return float(value) if whole else value


def brief(value: object) -> str:
    """The value as a sentence can hold it; whole numbers of thousands of digits cannot even be written out."""
    if isinstance(value, int) and value.bit_length() > 100:
        return f"a whole number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # lists in lists in lists; a number of thousands of digits among others
        return f"a {type(value).__name__} that is too deep or too long to be shown"
    return text if len(text) <= 60 else text[:60] + "…"


def named(names: Iterable[str], most: int = 8) -> str:
    """Names out of a file as a sentence can hold them: some of them, each short and printable.

    >>> named(["moe", "x" * 99]), named(["a", "b", "c"], most=2)
    ('moe, xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…', 'a, b and 1 more')
    """
    texts = list(names)
    shown = ", ".join(printable(text, 60) for text in texts[:most])
    return shown + (f" and {len(texts) - most:,} more" if len(texts) > most else "")


def printable(text: str, most: int) -> str:
    r"""Foreign text, cut, and spelled out where it holds what no screen shows.

    >>> printable("abc", 9), printable("abc", 2), printable("a\x1b[31m", 20)
    ('abc', 'ab…', "'a\\x1b[31m'")
    """
    cut = text if len(text) <= most else text[:most] + "…"
    return cut if cut.isprintable() else ascii(text[: most // 2])


MISTRAL_7B = MistralConfig(
    dim=4096,
    n_layers=32,
    n_heads=32,
    n_kv_heads=8,
    head_dim=128,
    hidden_dim=14336,
    vocab_size=32000,
    norm_eps=1e-5,
    rope_theta=V01_ROPE_THETA,
    sliding_window=4096,
)
"""Mistral 7B v0.1, from table 1 of the paper: used for ledgers, its weights are not bundled."""
