"""The one format in which anything goes to the browser: a header of plain values, and named arrays.

Layout: `u32 little-endian length of the header | JSON header, utf-8, padded with spaces | arrays`.
`header["arrays"]` says for each array its dtype, shape and offset (from the end of the header,
8-aligned, little-endian). Whoever has something to send makes `Parts`; parts are joined by `|`, and
packed once, where they leave. What each picture's header and arrays hold is written down in
`app/shared/messages.py` and `app/<page>/messages.py`.

Nothing here imports torch or Streamlit, so a recorded run plays without either.

Source: the layout is this project's own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class Dims:
    """How an array travels: its dtype, and a word for each dimension; the same word is the same size in one payload."""

    dtype: str
    words: tuple[str, ...]

    def __init__(self, dtype: str, *words: str) -> None:
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "words", words)


class Parts(NamedTuple):
    """A header and its arrays, by name, before they are packed or after they were unpacked."""

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = MappingProxyType({})

    def __or__(self, other: Parts) -> Parts:
        """Both together.

        Raises:
            ValueError: both name the same field or array.
        """
        twice = sorted((self.header.keys() & other.header.keys()) | (self.arrays.keys() & other.arrays.keys()))
        if twice:
            raise ValueError(f"{', '.join(twice)} stands in both parts of a payload; give one of them another name")
        return Parts({**self.header, **other.header}, {**self.arrays, **other.arrays})


def pack(parts: Parts) -> bytes:
    """Parts in the layout that the module's docstring gives.

    Raises:
        ValueError: a number in the header that JSON does not know (NaN, infinity).
    """
    specs: dict[str, dict[str, Any]] = {}
    blobs: list[bytes] = []
    offset = 0
    for name, array in parts.arrays.items():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        padding = -little.nbytes % 8
        specs[name] = {"dtype": little.dtype.str, "shape": list(little.shape), "offset": offset}
        blobs.append(little.tobytes() + b"\0" * padding)
        offset += little.nbytes + padding
    text = json.dumps({**parts.header, "arrays": specs}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return struct.pack("<I", len(text)) + text + b"".join(blobs)


def unpack(payload: bytes) -> Parts:
    """What a payload says. The browser does the same; tests and tools use this."""
    (length,) = struct.unpack_from("<I", payload)
    header = json.loads(payload[4 : 4 + length])
    arrays = {}
    for name, spec in header.pop("arrays").items():
        count = int(np.prod(spec["shape"]))
        flat = np.frombuffer(payload, spec["dtype"], count, 4 + length + spec["offset"])
        arrays[name] = flat.reshape(spec["shape"])
    return Parts(header, arrays)
