"""The JSON header of a saved trace, read item by item: what a page later relies on is checked here, once.

A file may come from anybody. Every item has a type, a range and a size; what is outside is refused with the
value, the bound and the remedy, and nothing is passed on as it came.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mistral_core.config import MistralConfig, brief
from mistral_core.sampling import MAX_SEED, SamplingSettings

FORMAT = "mistral-explorer-trace"
VERSION = 1
FINISH_REASONS = ("", "length", "eos", "stop_string", "cancelled")
MAX_TOKENS = 2**20
"""Of one run, as far as settings may say; a run that is written again takes memory for all of them."""
MAX_TEXT, MAX_NAME, MAX_HASH, MAX_STAGES = 2**26, 255, 64, 16
TOP_STAGES, TOP_LABELS = "top_stages", "top_labels"
"""Keys in the settings of a compact trace (`compact.py`)."""
_SAMPLING = tuple(field.name for field in fields(SamplingSettings))


class TraceError(ValueError):
    """A file that is not a readable trace; the message says why."""


def read_header(metadata: Mapping[str, str] | None, path: str | Path) -> dict[str, Any]:
    """The fields of a `Trace` that are no arrays.

    Raises:
        TraceError: not a trace, or one of another version.
        KeyError, ValueError: an item is missing, of a wrong type or out of its bounds.
    """
    header = _parsed(metadata, path)
    config = _config(header["config"])
    if header["finish_reason"] not in FINISH_REASONS:
        known = ", ".join(map(repr, FINISH_REASONS))
        raise ValueError(f"finish_reason is {brief(header['finish_reason'])}; it must be one of {known}")
    model_hash = _text("model_hash", header["model_hash"], MAX_HASH)
    if set(model_hash) - set("0123456789abcdef"):
        raise ValueError(f"model_hash is {model_hash!r}; it must be hexadecimal digits, as SHA-256 gives them")
    return {
        "config": config,
        "model_name": _text("model_name", header["model_name"], MAX_NAME, least=1),
        "model_hash": model_hash,
        "token_texts": _texts("token_texts", header["token_texts"]),
        "token_labels": _texts("token_labels", header["token_labels"]),
        "text": _text("text", header["text"], MAX_TEXT),
        "n_prompt": _whole("n_prompt", header["n_prompt"], 0, MAX_TOKENS),
        "settings": _settings(header["settings"], config.vocab_size),
        "finish_reason": header["finish_reason"],
        "omitted": _texts("omitted", header["omitted"]),
    }


def _parsed(metadata: Mapping[str, str] | None, path: str | Path) -> dict[str, Any]:
    try:
        header = json.loads((metadata or {})["trace"])
    except (KeyError, ValueError, RecursionError) as error:
        raise TraceError(f"{path} is a safetensors file but not a trace: it has no trace header") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TraceError(f"{path} is not a {FORMAT} file")
    version = header.get("version")
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise TraceError(f"{path} is version {brief(version)}; this program reads version {VERSION}")
    for name in ("config", "settings", "token_texts", "token_labels", "omitted", "text", "n_prompt"):
        if name not in header:
            raise TraceError(f"{path} is a damaged trace: its {name} is missing")
    return header


def _config(value: object) -> MistralConfig:
    if not isinstance(value, dict) or value.get("rope_theta") is None:  # else a default would stand in for it
        raise ValueError(f"config is {brief(value)}; it must be an object that names every number of the network")
    return MistralConfig.from_params(value)


def _settings(value: object, vocab_size: int) -> dict[str, Any]:
    """Sampling, request and command as they were saved; each may be missing, none may be anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"settings is {brief(value)}; it must be an object")
    readers: dict[str, Callable[[str, object], Any]] = {
        "max_new_tokens": lambda name, item: _whole(name, item, 0, MAX_TOKENS),
        "chunk_size": lambda name, item: _whole(name, item, 1, MAX_TOKENS),
        "seed": lambda name, item: _whole(name, item, 0, MAX_SEED),
        "stop": lambda name, item: list(_texts(name, item, least=1)),
        "command": lambda name, item: _text(name, item, 2**20),
        "forced": lambda name, item: _forced(name, item, vocab_size),
        "unsaid": _switch,
        TOP_STAGES: _stages,
        TOP_LABELS: lambda name, item: _labels(name, item, vocab_size),
        **dict.fromkeys(_SAMPLING, _number),
        "top_k": lambda name, item: _whole(name, item, 0, 2**53),
    }
    if unknown := sorted(set(value) - set(readers)):
        raise ValueError(f"settings has keys that no run has: {brief(', '.join(unknown))}; record the run again")
    settings = {name: readers[name](f"settings.{name}", item) for name, item in value.items()}
    SamplingSettings(**{name: settings[name] for name in _SAMPLING if name in settings})  # refuses what is out of range
    return settings


def _forced(name: str, value: object, vocab_size: int) -> list[list[int]]:
    """Pairs of a position and the token that was set there, in the order of the file."""
    pairs = _list(name, value)
    if any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
        raise ValueError(f"{name} is {brief(value)}; it must be a list of pairs of a position and a token")
    read = [
        [_whole(name, position, 0, MAX_TOKENS), _whole(name, token, 0, vocab_size - 1)] for position, token in pairs
    ]
    if len({position for position, _ in read}) < len(read):
        raise ValueError(f"{name} is {brief(value)}; it names a position twice, so keep one token of each")
    return read


def _stages(name: str, value: object) -> list[str]:
    names = list(_texts(name, value, least=1))
    if not 1 <= len(names) <= MAX_STAGES or len(set(names)) < len(names):
        raise ValueError(f"{name} is {brief(value)}; it must be 1 to {MAX_STAGES} different names")
    return names


def _labels(name: str, value: object, vocab_size: int) -> dict[str, str]:
    """Printable form of each token id; the ids are written as JSON's keys must be."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {brief(value)}; it must be an object from token ids to labels")
    for key in value:
        if not (key.isascii() and key.isdecimal() and len(key) < 10 and str(int(key)) == key and int(key) < vocab_size):
            raise ValueError(f"{name} has the key {brief(key)}; keys are token ids from 0 to {vocab_size - 1}")
    return {key: _text(f"{name}.{key}", label, MAX_NAME) for key, label in value.items()}


def _list(name: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is {brief(value)}; it must be a list")
    return value


def _texts(name: str, value: object, least: int = 0) -> tuple[str, ...]:
    return tuple(_text(f"{name}[{i}]", item, MAX_TOKENS, least) for i, item in enumerate(_list(name, value)))


def _text(name: str, value: object, most: int, least: int = 0) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {brief(value)}; it must be a text")
    if not least <= len(value) <= most:
        raise ValueError(f"{name} has {len(value)} characters; it must have {least} to {most}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds half of a surrogate pair, which is no character; remove it") from error
    return value


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} is {brief(value)}; it must be a whole number from {low} to {high}")
    return value


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {brief(value)}; it must be true or false")
    return value


def _number(name: str, value: object) -> float:
    exact = isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53)
    if not exact or not math.isfinite(value):  # type: ignore[arg-type]
        raise ValueError(f"{name} is {brief(value)}; it must be a finite number")
    return float(value)  # type: ignore[arg-type]
