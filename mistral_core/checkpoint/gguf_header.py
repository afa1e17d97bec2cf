"""The header of a GGUF file: its metadata and where its tensors lie, with every number checked before it is believed.

A header of a hundred bytes can claim 2^60 strings. So each count is compared with the bytes that the file still has
before anything is built from it; the `gguf` package, whose reader trusts its input, is used for the quantised
blocks alone (`gguf_folder.py`).

Source: the format's description in the ggml repository, docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.config import brief, named

MAGIC = b"GGUF"
VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""By the number of a metadata type, how `struct` calls it."""
MOST_KEYS, MOST_TENSORS, MOST_ENTRIES = 2**16, 2**17, 2**22
"""Bounds that no published file comes near: keys, tensors, entries of an array (a token each)."""
MOST_DIMENSIONS, MOST_NUMBERS = 4, 2**40
MOST_NAME = 2**10
"""Bytes of a key or a tensor's name: every message may hold one. Published ones have fewer than 100."""
MOST_ALIGNMENT = 2**16


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """One tensor of the file.

    Attributes:
        shape: rows first, as torch has it; the file says it the other way round.
        kind: number of its type. offset: of its first byte in the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself.

    Attributes:
        values: the metadata by key; arrays as tuples. tensors: by name. size: bytes of the file.
    """

    path: Path
    values: dict[str, Any]
    tensors: dict[str, StoredTensor]
    size: int


class _Cursor:
    """Reads from a file's beginning on, never beyond its end."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.at = path, data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def need(self, count: int, what: str) -> None:
        if count > self.left:
            raise CheckpointError(
                f"{self.path} ends within {what} at byte {self.at:,}: {count:,} bytes are needed and {self.left:,} "
                f"are left; the file is cut short or damaged, copy it again"
            )

    def take(self, form: str, what: str) -> Any:
        self.need(struct.calcsize("<" + form), what)
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def count(self, most: int, what: str, form: str = "Q") -> int:
        value = int(self.take(form, f"the number of {what}"))
        if value > most:
            raise CheckpointError(
                f"{self.path} claims {value:,} {what}; no published file has more than {most:,}, so it is damaged"
            )
        return value

    def name(self, what: str) -> str:
        at = self.at
        length = int(self.take("Q", f"the length of {what}"))
        self.at = at
        if not 0 < length <= MOST_NAME:
            raise CheckpointError(
                f"{self.path} has {what} of {length:,} bytes at byte {at:,}; published files have 1 to {MOST_NAME:,}, "
                f"so it is damaged, copy it again"
            )
        return self.string(what)

    def string(self, what: str) -> str:
        length = int(self.take("Q", f"the length of {what}"))
        self.need(length, what)
        raw = self.data[self.at : self.at + length]
        self.at += length
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(
                f"{self.path} has {what} that is not UTF-8 at byte {self.at:,}; copy it again"
            ) from error

    def value(self, kind: int, what: str) -> Any:
        if kind == STRING:
            return self.string(what)
        if kind == ARRAY:
            return self.array(what)
        if kind not in _SCALARS:
            raise CheckpointError(f"{self.path} has {what} of the unknown type {kind}; the file is damaged or too new")
        return self.take(_SCALARS[kind], what)

    def array(self, what: str) -> tuple[Any, ...]:
        kind = int(self.take("I", f"the type of {what}"))
        if kind == ARRAY:
            raise CheckpointError(f"{self.path} has an array of arrays in {what}; no model's file has one")
        count = self.count(MOST_ENTRIES, f"entries of {what}")
        if kind == STRING:
            self.need(8 * count, what)
            return tuple(self.string(what) for _ in range(count))
        if kind not in _SCALARS:
            raise CheckpointError(f"{self.path} has {what} of the unknown type {kind}; the file is damaged or too new")
        form = f"<{count}{_SCALARS[kind]}"
        self.need(struct.calcsize(form), what)
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values


def read_header(path: Path) -> Header:
    """Reads and checks the whole header; no weight is touched.

    Raises:
        CheckpointError: not a GGUF file of a known version, cut short, or with numbers that cannot be.
    """
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise CheckpointError(f"{path} is empty; copy it again from its source")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(_Cursor(path, data))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _read(cursor: _Cursor) -> Header:
    path = cursor.path
    if cursor.data[:4] != MAGIC:
        raise CheckpointError(f"{path} does not begin with GGUF, so it is no such file, whatever its name says")
    cursor.at = 4
    version = int(cursor.take("I", "the version"))
    if version not in VERSIONS:
        raise CheckpointError(f"{path} has GGUF version {version}; versions {VERSIONS} in little-endian order are read")
    n_tensors = cursor.count(MOST_TENSORS, "tensors")
    n_keys = cursor.count(MOST_KEYS, "metadata keys")
    values: dict[str, Any] = {}
    for _ in range(n_keys):
        key = cursor.name("a metadata key")
        if key in values:
            raise CheckpointError(f"{path} has the metadata key {brief(key)} twice; copy it again")
        what = named([key])
        values[key] = cursor.value(int(cursor.take("I", f"the type of {what}")), what)
    tensors = [_tensor(cursor) for _ in range(n_tensors)]
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise CheckpointError(f"{path} names a tensor twice; copy it again")
    return Header(path=path, values=values, tensors=_placed(cursor, values, tensors), size=len(cursor.data))


def _tensor(cursor: _Cursor) -> StoredTensor:
    """One entry of the table; its offset still counts from where the weights begin."""
    name = cursor.name("a tensor's name")
    what = named([name])
    dimensions = cursor.count(MOST_DIMENSIONS, f"dimensions of {what}", "I")
    shape = tuple(int(cursor.take("Q", f"the shape of {what}")) for _ in range(dimensions))[::-1]
    if not shape or 0 in shape or math.prod(shape) > MOST_NUMBERS:
        raise CheckpointError(
            f"{cursor.path} gives {what} the shape {brief(list(shape))}, which no tensor of a network has"
        )
    kind, offset = int(cursor.take("I", f"the type of {what}")), int(cursor.take("Q", f"the place of {what}"))
    return StoredTensor(name=name, shape=shape, kind=kind, offset=offset)


def _placed(cursor: _Cursor, values: dict[str, Any], tensors: list[StoredTensor]) -> dict[str, StoredTensor]:
    """The tensors with their place in the file, each within it: as far as their types are known here."""
    alignment = values.get("general.alignment", 32)
    whole = isinstance(alignment, int) and not isinstance(alignment, bool)
    if not whole or not 0 < alignment <= MOST_ALIGNMENT or alignment & (alignment - 1):
        raise CheckpointError(
            f"{cursor.path} has general.alignment {brief(alignment)}; it must be a power of two up to 65536"
        )
    begin = -(-cursor.at // alignment) * alignment
    placed = {}
    for tensor in tensors:
        size = bytes_of(tensor)
        if begin + tensor.offset + (size or 0) > len(cursor.data) or tensor.offset % alignment:
            raise CheckpointError(
                f"{cursor.path} puts {named([tensor.name])} at byte {begin + tensor.offset:,}, but the file has only "
                f"{len(cursor.data):,}; it is cut short or damaged, copy it again"
            )
        placed[tensor.name] = StoredTensor(
            name=tensor.name, shape=tensor.shape, kind=tensor.kind, offset=begin + tensor.offset
        )
    return placed


def bytes_of(tensor: StoredTensor) -> int | None:
    """Bytes that a tensor takes in the file; `None` = its type is not known here.

    Raises:
        CheckpointError: its rows are no whole number of blocks.
    """
    from gguf.constants import GGML_QUANT_SIZES

    sizes = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
    if tensor.kind not in sizes:
        return None
    block, taken = sizes[tensor.kind]
    if tensor.shape[-1] % block:
        raise CheckpointError(
            f"{named([tensor.name])} has rows of {tensor.shape[-1]} numbers, which are no whole blocks of {block}; "
            f"copy it again"
        )
    return math.prod(tensor.shape) // block * taken
