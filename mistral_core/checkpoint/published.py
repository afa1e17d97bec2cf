"""What a published configuration says, apart from the weights: its network, and which of its keys had a say in that.

A `config.json` has some thirty keys and a dozen of them make the network. The others describe a training, a tokenizer
or a program; engines ignore them, and so does this one, by name. A key that would change the network and is not known
here refuses the file.

One rule for null, in both layouts: a key that is null says nothing, as if the file did not have it. Two keys of
Hugging Face's are the exception, because transformers gives their null a meaning: `sliding_window` (no window) and
`num_key_value_heads` (as many as query heads).

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mistral_core.checkpoint.folder import HUGGING_FACE, MISTRAL, CheckpointError
from mistral_core.config import LARGEST, MistralConfig, Window

NULL_SPEAKS = {"sliding_window", "num_key_value_heads"}
"""Keys of `config.json` whose null is a value."""
MOST_KEYS = 60
"""Names of a file's keys that are shown; a published one has thirty."""
MOST_CHARACTERS = 2**20
"""Of a configuration file; published ones have a thousand."""
_TRAINED_ON = ("max_position_embeddings", "max_seq_len", "model_max_length", "llama.context_length")
"""Where the layouts say how long the texts were that a model was trained on; the first that a file has."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A configuration as it was published.

    Attributes:
        config: the network's shape.
        layout: whose file it is.
        notices: sentences on what the file leaves open and what was assumed.
        trained_context: tokens of the longest text that the model was trained on, by the file's own word; `None` =
            it does not say. Nothing that is computed depends on it.
        read: keys that make the network. ignored: keys that change nothing in what it computes. Both sorted, and
            empty for a GGUF file, which says much more than its network.
    """

    config: MistralConfig
    layout: str
    notices: tuple[str, ...] = ()
    trained_context: int | None = None
    read: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def without_null(content: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a `config.json` that say something.

    >>> without_null({"head_dim": None, "sliding_window": None, "vocab_size": 9})
    {'sliding_window': None, 'vocab_size': 9}
    """
    return {key: value for key, value in content.items() if value is not None or key in NULL_SPEAKS}


def layout_of(content: Mapping[str, Any], source: str) -> str:
    """Whose keys a configuration has: Hugging Face's or Mistral's.

    Raises:
        CheckpointError: neither's.
    """
    keys = set(content)
    if {"dim", "n_layers"} & keys and not {"architectures", "hidden_size"} & keys:
        return MISTRAL
    if {"model_type", "architectures", "hidden_size"} & keys:
        return HUGGING_FACE
    raise CheckpointError(
        f"{source} has neither the keys of a config.json (model_type, hidden_size) nor those of a params.json (dim, "
        f"n_layers); give the file that lies beside a model's weights"
    )


def trained_context(content: Mapping[str, Any]) -> int | None:
    """Tokens of the longest text that a model was trained on; `None` where the file says nothing possible.

    >>> trained_context({"max_position_embeddings": 32768}), trained_context({"max_seq_len": "long"})
    (32768, None)
    """
    said = next((content[key] for key in _TRAINED_ON if content.get(key) is not None), None)
    if isinstance(said, bool) or not isinstance(said, int) or not 0 < said <= LARGEST["sliding_window"]:
        return None
    return said


def divided(content: Mapping[str, Any], makes: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of a file that make its network, and those that are ignored, both sorted.

    Args:
        makes: keys that make a network; null ones among them say nothing, and so are ignored.
    """
    speaks = set(makes) & {key for key, value in content.items() if value is not None or key in NULL_SPEAKS}
    return tuple(sorted(speaks)), tuple(sorted(set(content) - speaks))


def windows_in_words(windows: tuple[Window, ...]) -> str:
    """The window of each layer, as short as it can be said.

    >>> windows_in_words((4096,) * 32)
    '4,096 in each of 32 layers'
    >>> windows_in_words((None, 8, 8) * 2)
    'none, 8, 8, and so on: 2 times in 6 layers'
    >>> windows_in_words((None, 8, 8, 8))
    'none in layer 1, 8 in layers 2 to 4'
    """
    n_layers = len(windows)
    if len(set(windows)) == 1:
        return (
            "none: every layer sees all earlier tokens"
            if windows[0] is None
            else f"{_said(windows[0])} in " + (f"each of {n_layers} layers" if n_layers > 1 else "the one layer")
        )
    for period in range(2, min(n_layers // 2, 12) + 1):
        if n_layers % period == 0 and windows == windows[:period] * (n_layers // period):
            pattern = ", ".join(map(_said, windows[:period]))
            return f"{pattern}, and so on: {n_layers // period} times in {n_layers} layers"
    parts, first = [], 1
    for window, alike in groupby(windows):
        last = first + len(list(alike)) - 1
        parts.append(f"{_said(window)} in " + (f"layer {first}" if first == last else f"layers {first} to {last}"))
        first = last + 1
    return ", ".join(parts)


def _said(window: Window) -> str:
    return "none" if window is None else f"{window:,}"
