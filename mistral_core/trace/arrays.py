"""The arrays of a saved trace: names, types, shapes and numbers are those of its header, or the file is refused.

Names, types and shapes are compared before an array is read, the numbers after it: a token outside the
vocabulary, a weight that is no share, or a NaN would otherwise break a page long after the file was opened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mistral_core.config import MistralConfig, Window, brief
from mistral_core.trace.header import TOP_LABELS, TOP_STAGES
from mistral_core.trace.shapes import BY_OFFSET, PATTERN, offset_width, row_shape

ARRAY = "arrays/"
PER_TOKEN = {"token_ids": "I64", "positions": "I64", "probability": "F64", "rank": "I64"}
"""The four that every trace has, and their types."""
TOP_IDS, TOP_PROBS, TOP_KEPT, TOP_ENTROPY = "top/ids", "top/stage_probs", "top/kept", "top/entropy"
_TOP = {TOP_IDS: "I32", TOP_PROBS: "F32", TOP_KEPT: "I32", TOP_ENTROPY: "F32"}
"""Those of a compact trace (`compact.py`)."""
_FLOATS = ("F16", "F32", "F64")
_ROUNDING = 1e-3
"""By which a share may exceed 1: float16 has steps of 2^-11 there."""


def read_arrays(file: Any, header: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """All arrays of an open safetensors file, by their names in it.

    Args:
        file: of `safe_open`.
        header: of `read_header`.

    Raises:
        KeyError, ValueError: an array is missing, superfluous, of another type or shape, or holds impossible numbers.
    """
    names = list(file.keys())
    if missing := [name for name in PER_TOKEN if name not in names]:
        raise ValueError(f"{', '.join(missing)} is missing; record the run again")
    slices = {name: file.get_slice(name) for name in names}
    kinds = {name: str(part.get_dtype()) for name, part in slices.items()}
    shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
    length = _check_tokens(kinds, shapes, header)
    stored = {name.removeprefix(ARRAY): shape for name, shape in shapes.items() if name not in PER_TOKEN}
    if foreign := [name for name in names if name not in PER_TOKEN and not name.startswith(ARRAY)]:
        raise ValueError(f"{foreign[0]} belongs to no trace; record the run again")
    _check_top(stored, length, header)
    _check_hooks({name: shape for name, shape in stored.items() if name not in _TOP}, length, header["config"])
    for name in stored:
        wanted = (_TOP[name],) if name in _TOP else _FLOATS
        if kinds[ARRAY + name] not in wanted:
            raise ValueError(f"{name} is of type {kinds[ARRAY + name]}; it must be {' or '.join(wanted)}")
    arrays = {name: file.get_tensor(name) for name in names}
    _check_numbers(arrays, header)
    return arrays


def _check_tokens(kinds: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], header: Mapping[str, Any]) -> int:
    """The number of tokens, on which all per-token items agree."""
    length = (*shapes["token_ids"], 0)[0]
    for name, kind in PER_TOKEN.items():
        if shapes[name] != (length,):
            raise ValueError(f"{name} is {shapes[name]}, not ({length},)")
        if kinds[name] != kind:
            raise ValueError(f"{name} is of type {kinds[name]}; it must be {kind}")
    for name in ("token_texts", "token_labels"):
        if len(header[name]) != length:
            raise ValueError(f"{name} has {len(header[name])} entries for {length} tokens")
    if not min(length, 1) <= header["n_prompt"] <= length:
        raise ValueError(f"n_prompt is {header['n_prompt']} for {length} tokens; a run begins with at least one")
    if header["text"] != "".join(header["token_texts"]):
        raise ValueError(f"text is {brief(header['text'])}, not what token_texts spell; record the run again")
    return length


def _check_hooks(stored: Mapping[str, tuple[int, ...]], length: int, config: MistralConfig) -> None:
    """Shapes of what hooks recorded: one row a token, and attention as wide as one context makes it."""
    layers = {name: name.split(".", 2) for name in stored}
    widths: dict[str, tuple[Window, int]] = {}
    for name, shape in stored.items():
        row_shape(config, name, 1)  # an unknown name is a KeyError, an unknown layer an IndexError
        if len(parts := layers[name]) == 3 and parts[2] in BY_OFFSET and shape:
            widths[name] = (config.windows[int(parts[1])], shape[-1])
    cut = {width for window, width in widths.values() if window is None or width < window + config.sinks}
    context = max(cut, default=max((width for _, width in widths.values()), default=0))
    if cut and (len(cut) > 1 or context < length):
        raise ValueError(
            f"attention is kept {sorted(cut)} keys wide; one width that holds all {length} tokens is needed"
        )
    for name, shape in stored.items():
        wanted = (length, *row_shape(config, name, context))
        if name in widths and widths[name][1] > offset_width(widths[name][0], context, config.sinks):
            wanted = (*wanted[:-1], offset_width(*widths[name], config.sinks))
        if shape != wanted:
            raise ValueError(f"{name} is {shape}, not {wanted}")


def _check_top(stored: Mapping[str, tuple[int, ...]], length: int, header: Mapping[str, Any]) -> None:
    """A compact trace has all of its arrays and tables, in shapes that agree; any other has none."""
    settings, config = header["settings"], header["config"]
    there = [name for name in _TOP if name in stored] + [name for name in (TOP_STAGES, TOP_LABELS) if name in settings]
    if not there:
        return
    if missing := sorted({*_TOP, TOP_STAGES, TOP_LABELS} - set(there)):
        raise ValueError(f"it has {there[0]} but no {missing[0]}; a compact trace has both, so record the run again")
    k, stages = (*stored[TOP_IDS], 0, 0)[1], len(settings[TOP_STAGES])
    if not 1 <= k <= config.vocab_size:
        raise ValueError(f"{TOP_IDS} is {stored[TOP_IDS]}; it must be {length} rows of 1 to {config.vocab_size} ids")
    shapes = {TOP_IDS: (k,), TOP_PROBS: (stages, k), TOP_KEPT: (stages,), TOP_ENTROPY: ()}
    for name, row in shapes.items():
        if stored[name] != (length, *row):
            raise ValueError(f"{name} is {stored[name]}, not {(length, *row)}")


def _check_numbers(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    vocab = header["config"].vocab_size
    ids, probability = arrays["token_ids"], arrays["probability"]
    _check_range("token_ids", ids, 0, vocab - 1)
    _check_range("rank", arrays["rank"], -1, vocab - 1)
    _check_range("probability", probability[~np.isnan(probability)], 0, 1 + _ROUNDING)
    if not np.array_equal(arrays["positions"], np.arange(len(ids))):
        raise ValueError("positions do not count from 0 on; record the run again")
    for position, token in header["settings"].get("forced", ()):
        if position < header["n_prompt"]:
            raise ValueError(f"settings.forced sets position {position}, which is in the prompt; record the run again")
        if position < len(ids) and ids[position] != token:
            raise ValueError(f"settings.forced sets token {token} at {position}, but {ids[position]} stands there")
    bounds = {
        TOP_IDS: (0, vocab - 1),
        TOP_PROBS: (0, 1 + _ROUNDING),
        TOP_KEPT: (1, vocab),
        TOP_ENTROPY: (-_ROUNDING, math.log2(vocab) + _ROUNDING),
    }
    for key, array in arrays.items():
        if key.startswith(ARRAY):
            name = key.removeprefix(ARRAY)
            share = (0, 1 + _ROUNDING) if name.endswith(PATTERN) else (-math.inf, math.inf)
            _check_range(name, array, *bounds.get(name, share))
    labels = header["settings"].get(TOP_LABELS, {})
    if ARRAY + TOP_IDS in arrays and (
        bare := [i for i in np.unique(arrays[ARRAY + TOP_IDS]).tolist() if str(i) not in labels]
    ):
        raise ValueError(f"settings.{TOP_LABELS} has no label for token {bare[0]}; record the run again")


def _check_range(name: str, array: np.ndarray, low: int | float, high: int | float) -> None:
    """Refuses NaN, infinity (but -inf as a score: no key is there) and what is outside the bounds."""
    if not array.size:
        return
    least, most = array.min(), array.max()  # NaN comes through both
    unseen = name.endswith("hook_attn_scores") and least == -np.inf
    if not (low <= least and most <= high and np.isfinite(most) and (np.isfinite(least) or unseen)):
        raise ValueError(f"{name} holds numbers from {least} to {most}; they must be finite and from {low} to {high}")
