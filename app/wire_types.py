"""The types of all payloads and events: checked in Python, rendered as JSDoc for the browser's side.

`python -m app.wire_types` writes `app/kit/types.js` and `app/<page>/types.js` from the TypedDicts in
`app/shared/messages.py` and `app/<page>/messages.py`; a test compares the files with what would be
written. A field is written `Annotated[type, "meaning"]`, an array `Annotated[np.ndarray, Dims(...), "meaning"]`.
"""

from __future__ import annotations

import importlib
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Union

import numpy as np

from app.shared import messages
from app.wire import Dims, Parts

FOLDER = Path(__file__).parent
PAGES: Mapping[str, types.ModuleType] = {
    page: importlib.import_module(f"app.{page}.messages") for page in typing.get_args(messages.PictureName)
}
"""By page, what goes to and comes from its picture: `HEADER`, `ARRAYS` and `EVENTS` of the module."""
HEAD = """\
// {what}
// Rendered by `python -m app.wire_types` from {module}; change it there.
"""
TYPED_ARRAYS = {"<f4": "Float32Array", "<u2": "Uint16Array", "<i4": "Int32Array", "|u1": "Uint8Array"}
PLAIN = {int: "number", float: "number", str: "string", bool: "boolean", type(None): "null", Any: "any"}


def fields_of(kind: Any) -> dict[str, Any]:
    """The fields of a TypedDict with their whole types, those of its bases first."""
    return typing.get_type_hints(kind, include_extras=True)


def problems(value: Any, hint: Any, where: str = "") -> list[str]:
    """What is wrong with a value of a header or an event, a sentence each; nothing if it is of the type.

    Args:
        value: as JSON gives it back: a tuple is a list. hint: its type. where: its name, for the sentences.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Annotated, NotRequired):
        return problems(value, args[0], where)
    if hint is Any:
        return []
    if typing.is_typeddict(hint):
        return _problems_of_fields(value, hint, where)
    if origin in (Union, types.UnionType):
        tries = [problems(value, arg, where) for arg in args]
        return [] if [] in tries else min((wrong for wrong in tries), key=len)
    if origin is Literal:
        return [] if value in args else [f"{where} is {value!r}; it must be one of {args}"]
    if origin is list and isinstance(value, list):
        return [line for i, item in enumerate(value) for line in problems(item, args[0], f"{where}[{i}]")]
    if origin is tuple and isinstance(value, list | tuple) and len(value) == len(args):
        pairs = zip(value, args, strict=True)
        return [line for i, (item, arg) in enumerate(pairs) for line in problems(item, arg, f"{where}[{i}]")]
    if origin is dict and isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return [line for name, item in value.items() for line in problems(item, args[1], f"{where}.{name}")]
    if origin is None and _is_plain(value, hint):
        return []
    return [f"{where} is {value!r:.60}; it must be {_in_words(hint)}"]


def problems_of_payload(page: str, parts: Parts) -> list[str]:
    """What is wrong with a payload for a page's picture, header and arrays; nothing if all is as written down."""
    module = PAGES[page]
    wrong = problems(dict(parts.header), module.HEADER, "header")
    if parts.header.get("picture") != page:
        wrong.append(f"header.picture is {parts.header.get('picture')!r}; it must be {page!r}")
    fields = fields_of(module.ARRAYS)
    wrong += _missing_and_unknown(parts.arrays, fields, "arrays")
    sizes: dict[str, int] = {}
    for name in parts.arrays.keys() & fields.keys():
        wrong += _problems_of_array(parts.arrays[name], _dims(fields[name]), f"arrays.{name}", sizes)
    return wrong


def problems_of_event(page: str, name: str, event: Any) -> list[str]:
    """What is wrong with something that a page's picture says; nothing if it is as written down."""
    events: Mapping[str, Any] = PAGES[page].EVENTS
    if name not in events:
        return [f"{page} never says {name!r}; it says {', '.join(events)}"]
    return problems(event, events[name], name)


def rendered() -> dict[Path, str]:
    """What the files of JSDoc say, by path."""
    modules = {"kit": messages, **PAGES}
    homes = {kind: folder for folder, module in modules.items() for kind in own_types(module)}
    return {FOLDER / folder / "types.js": _file(folder, module, homes) for folder, module in modules.items()}


def own_types(module: types.ModuleType) -> list[Any]:
    """The TypedDicts that a module writes down, in its order."""
    kinds = (kind for kind in vars(module).values() if typing.is_typeddict(kind))
    own = (kind for kind in kinds if kind.__module__ == module.__name__ and not kind.__name__.startswith("_"))
    return list(dict.fromkeys(own))


def _is_plain(value: Any, hint: Any) -> bool:
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint in (None, type(None)):
        return value is None
    return type(value) is hint


def _problems_of_fields(value: Any, kind: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is {value!r:.60}; it must be a {kind.__name__}"]
    fields = fields_of(kind)
    wrong = _missing_and_unknown(value, fields, where)
    for name in fields.keys() & value.keys():
        wrong += problems(value[name], fields[name], f"{where}.{name}")
    return wrong


def _missing_and_unknown(value: Mapping[str, Any], fields: Mapping[str, Any], where: str) -> list[str]:
    needed = {name for name, hint in fields.items() if typing.get_origin(hint) is not NotRequired}
    wrong = [f"{where}.{name} is missing" for name in sorted(needed - value.keys())]
    return wrong + [f"{where}.{name} is written down nowhere" for name in sorted(value.keys() - fields.keys())]


def _problems_of_array(array: np.ndarray, dims: Dims, where: str, sizes: dict[str, int]) -> list[str]:
    if array.dtype.str != dims.dtype:
        return [f"{where} is {array.dtype.str}; it must be {dims.dtype}"]
    if array.ndim != len(dims.words):
        return [f"{where} has {array.ndim} dimensions; it must have {len(dims.words)}: {', '.join(dims.words)}"]
    pairs = zip(dims.words, array.shape, strict=True)
    return [
        f"{where} has {size} {word}; another array of the payload has {sizes[word]}"
        for word, size in pairs
        if sizes.setdefault(word, size) != size
    ]


def _dims(hint: Any) -> Dims:
    inner = typing.get_args(hint)[0] if typing.get_origin(hint) is NotRequired else hint
    return next(note for note in inner.__metadata__ if isinstance(note, Dims))


def _in_words(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


def _file(folder: str, module: types.ModuleType, homes: Mapping[Any, str]) -> str:
    source = f"app/{module.__name__.split('.')[1]}/messages.py"
    what = (module.__doc__ or "").splitlines()[0]
    blocks = [_typedef(kind, folder, homes) for kind in own_types(module)]
    if folder == "kit":
        blocks.append(_ARRAY_SPEC)
    else:
        blocks.append(_events(module, folder, homes))
    return "\n".join([HEAD.format(what=what, module=source), *blocks, "export {};", ""])


_ARRAY_SPEC = """\
/**
 * Where an array lies in a payload.
 *
 * @typedef {Object} ArraySpec
 * @property {string} dtype  as numpy writes it: <f4, <u2, <i4 or |u1
 * @property {number[]} shape
 * @property {number} offset  bytes from the end of the header
 */
"""


def _typedef(kind: Any, folder: str, homes: Mapping[Any, str]) -> str:
    lines = [*(kind.__doc__ or "").strip().splitlines(), "", f"@typedef {{Object}} {kind.__name__}"]
    for name, hint in fields_of(kind).items():
        optional = typing.get_origin(hint) is NotRequired
        inner: Any = typing.get_args(hint)[0] if optional else hint
        notes: tuple[Any, ...] = inner.__metadata__
        dims = next((note for note in notes if isinstance(note, Dims)), None)
        shape = f"[{', '.join(dims.words)}] " if dims else ""
        said = TYPED_ARRAYS[dims.dtype] if dims else _js(inner, folder, homes)
        lines.append(f"@property {{{said}}} {f'[{name}]' if optional else name}  {shape}{notes[-1]}")
    if kind.__name__.endswith("Header") and "picture" in fields_of(kind):
        spec = "ArraySpec" if folder == "kit" else 'import("../kit/types.js").ArraySpec'
        lines.append(f"@property {{Record<string, {spec}>}} arrays  where each array lies")
    return "/**\n" + "\n".join(f" * {line}".rstrip() for line in lines) + "\n */\n"


def _events(module: types.ModuleType, folder: str, homes: Mapping[Any, str]) -> str:
    lines = ["What the picture says, by name.", "", "@typedef {Object} Events"]
    lines += [f"@property {{{_js(hint, folder, homes)}}} {name}" for name, hint in module.EVENTS.items()]
    return "/**\n" + "\n".join(f" * {line}".rstrip() for line in lines) + "\n */\n"


def _js(hint: Any, folder: str, homes: Mapping[Any, str]) -> str:
    """A type as JSDoc writes it; one that stands in another file is imported from there."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _js(args[0], folder, homes)
    if typing.is_typeddict(hint):
        home = homes[hint]
        return hint.__name__ if home == folder else f'import("../{home}/types.js").{hint.__name__}'
    if origin in (Union, types.UnionType):
        return " | ".join(_js(arg, folder, homes) for arg in args)
    if origin is Literal:
        return " | ".join(f'"{arg}"' for arg in args)
    if origin is list:
        inner = _js(args[0], folder, homes)
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if origin is tuple:
        return f"[{', '.join(_js(arg, folder, homes) for arg in args)}]"
    if origin is dict:
        return f"Record<string, {_js(args[1], folder, homes)}>"
    return PLAIN[type(None) if hint is None else hint]


def main() -> None:
    """Writes the files."""
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
