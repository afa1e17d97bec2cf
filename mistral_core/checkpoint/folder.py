"""Model folders: which of the three layouts one has, which files hold its weights, and what is refused.

Mistral's own layout has `params.json` and `consolidated*.safetensors`, Hugging Face's `config.json` and
`model*.safetensors`; a GGUF file holds all in one. Nothing else is read. Pickle files (.bin, .pt, .pth) are
programs: opening one runs it.

Nothing here imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mistral_core.config import brief, named

MISTRAL, HUGGING_FACE, GGUF = "Mistral", "Hugging Face", "GGUF"
INDEX_FILE = "model.safetensors.index.json"
DEFECTS_NAMED = 20
"""A folder without weights for a thousand layers has ten thousand; nobody reads them."""
MOST_JSON = 2**25
"""Bytes of a configuration or an index of shards; the longest published index has a few million."""
MESSAGE_ROOM = 360
"""Characters for the defects of one message, which is read on a line of a terminal or beside a picture."""
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
_WHY_NOT_PICKLE = (
    "such files can run any program when opened, so only safetensors are read; "
    "convert them with their source's own tools, or take the safetensors edition"
)


class CheckpointError(ValueError):
    """A model folder that cannot be loaded; the message names what is wrong with it.

    Attributes:
        problems: each defect as a sentence of its own, where there can be several; the message has room for some.
    """

    def __init__(self, message: str, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


def detect_layout(folder: Path) -> str:
    """Which of the three layouts a folder has. Mistral's own wins where several are complete, then Hugging Face's.

    Raises:
        CheckpointError: not a folder, or one without a configuration.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; name the folder that holds the model's files")
    has_params, has_config = (folder / "params.json").is_file(), (folder / "config.json").is_file()
    if has_params and (not has_config or any(folder.glob("consolidated*.safetensors"))):
        return MISTRAL
    if has_config:
        return HUGGING_FACE
    if any(folder.glob("*.gguf")):
        return GGUF
    raise CheckpointError(
        f"{folder} has neither params.json (Mistral's layout) nor config.json (Hugging Face's) nor a .gguf file; "
        f"a model folder needs one of them"
    )


def gguf_file(folder: Path) -> Path:
    """The one GGUF file of a folder.

    Raises:
        CheckpointError: there are several, or none.
    """
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        names = ", ".join(path.name for path in files[:DEFECTS_NAMED]) or "none"
        raise CheckpointError(f"{folder} must have one .gguf file, and has {names}; give each model its own folder")
    return files[0]


def read_json(path: Path, most: int = MOST_JSON, kind: str = "configuration or index") -> dict[str, Any]:
    """The object in a JSON file of this kind, which has at most `most` bytes.

    Raises:
        CheckpointError: unreadable, far too long, not JSON, or not an object.
    """
    try:
        if (size := path.stat().st_size) > most:
            raise CheckpointError(
                f"{path} has {size:,} bytes; no {kind} has more than {most:,}, so it is not "
                f"read: copy it again from its source"
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not readable as JSON: {error}") from error
    return parse_json(text, str(path))


def parse_json(text: str, source: str) -> dict[str, Any]:
    """The object that a text is, in JSON.

    Args:
        source: what a message calls the text.

    Raises:
        CheckpointError: not JSON, or not an object.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source} is not readable as JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{source} holds a JSON {type(content).__name__}; it must be an object")
    return content


def weight_files(folder: Path, layout: str) -> list[Path]:
    """The files of a folder that hold its weights.

    Raises:
        CheckpointError: there are none, more than one model's, or the index of shards names something else.
    """
    if layout == GGUF:
        return [gguf_file(folder)]
    single = folder / "model.safetensors"
    if layout == MISTRAL and (shards := sorted(folder.glob("consolidated*.safetensors"))):
        if single.is_file() and not (folder / "config.json").is_file():
            raise CheckpointError(_ambiguous(folder, shards[0].name, single.name))
        return shards
    indexed = _indexed_files(folder) if (folder / INDEX_FILE).is_file() else sorted(folder.glob("model-*.safetensors"))
    if single.is_file():
        if others := [path.name for path in indexed if path != single]:
            raise CheckpointError(_ambiguous(folder, single.name, f"shards ({', '.join(others[:DEFECTS_NAMED])})"))
        return [single]
    if layout == HUGGING_FACE and (folder / INDEX_FILE).is_file():
        return indexed
    if pickles := sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES):
        raise CheckpointError(f"{folder} has its weights in {', '.join(pickles)}: {_WHY_NOT_PICKLE}")
    wanted = "consolidated*.safetensors" if layout == MISTRAL else f"model.safetensors or {INDEX_FILE}"
    raise CheckpointError(f"{folder} has no weights; in {layout}'s layout they are in {wanted}")


def _ambiguous(folder: Path, one: str, other: str) -> str:
    return f"{folder} has both {one} and {other}, and nobody can say which of them is the model; remove one of the two"


def _indexed_files(folder: Path) -> list[Path]:
    """The shards that the index names, each checked to be a safetensors file of this very folder."""
    weight_map = read_json(folder / INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise CheckpointError(f"{folder / INDEX_FILE} has no weight_map from tensor names to files")
    problems = []
    for shard in sorted(set(weight_map.values())):
        if shard in {"", ".", ".."} or "/" in shard or "\\" in shard:
            problems.append(f"{brief(shard)} is not the name of a file in the model's folder")
        elif Path(shard).suffix in _PICKLES:
            problems.append(f"{named([shard])} is refused: {_WHY_NOT_PICKLE}")
        elif not _is_file(folder / shard):
            problems.append(f"{named([shard])} is missing from the folder")
    if problems:
        raise CheckpointError(one_message(f"{folder / INDEX_FILE} names files that cannot be read", problems))
    return [folder / shard for shard in sorted(set(weight_map.values()))]


def _is_file(path: Path) -> bool:
    """Whether a file is there; a name longer than any file can have is none's."""
    try:
        return path.is_file()
    except OSError:
        return False


def one_message(what: str, problems: list[str]) -> str:
    """One message for all defects: their number, and the first of them in words."""
    noun = "defect" if len(problems) == 1 else "defects"
    return f"{what} ({len(problems)} {noun}): " + in_words(problems)


def in_words(problems: list[str]) -> str:
    """As many of the problems as a message has room for, the first in any case, and how many more there are.

    >>> in_words(["one"] * 3), in_words(["x" * 100] * 9).endswith("x; and 6 more of the kind")
    ('one; one; one', True)
    """
    shown: list[str] = []
    length = 0
    for problem in problems[:DEFECTS_NAMED]:
        length += len(problem) + 2
        if shown and length > MESSAGE_ROOM:
            break
        shown.append(problem if len(problem) <= MESSAGE_ROOM else problem[:MESSAGE_ROOM] + "…")
    more = len(problems) - len(shown)
    return "; ".join([*shown, *([f"and {more} more of the kind"] if more else [])])


def refuse_pickle(path: Path) -> None:
    """Refuses a path to a file that would run when opened, with the reason."""
    if path.suffix in _PICKLES and not path.is_dir():
        raise CheckpointError(f"{path} is refused: {_WHY_NOT_PICKLE}")


Version = tuple[int, int, int]


def versions_of(paths: Iterable[Path]) -> dict[Path, Version | None]:
    """Which file each path is, its size and when it was written: another version differs in one. `None` = not there."""
    found: dict[Path, Version | None] = {}
    for path in paths:
        try:
            stat = path.stat()
            found[path] = stat.st_ino, stat.st_size, stat.st_mtime_ns
        except OSError:
            found[path] = None
    return found
