"""A picture in the browser: a program that arrives once, and a mount that carries the payload.

Two components, because Streamlit sends a component's html, css and js with every update: `code` is
constant and arrives once; `mount` is a few lines and carries the payload, so that a growing text costs
what is new and little more.

How values come back (Streamlit 1.67, checked in a browser): `setStateValue` and `setTriggerValue` rerun
the fragment in which the component stands (the whole script if in none); the callback runs first, then
the script. State values stay in `st.session_state[key][name]` and in the returned result until they
change. Trigger values are there for one run only and are read in the callback, or as `result.<name>`, in
the run that they cause. Callbacks take no arguments. After the page is left and entered again the state
is gone; the browser keeps the runs it has and acknowledges them anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app.theme import css_variables

FOLDER = Path(__file__).parent.parent
Callback = Callable[[], None]
INCLUDE = re.compile(r"<!-- include (\S+) -->")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _with_includes(name: str) -> str:
    """The markup of a file, each `<!-- include FILE -->` in it replaced by that file."""

    def put(found: re.Match[str]) -> str:
        if not (FOLDER / found[1]).is_file():
            raise ValueError(f"{name} includes {found[1]}, which is no file below {FOLDER.name}; correct the name")
        piece = _read(found[1]).strip()
        if INCLUDE.search(piece):
            raise ValueError(f"{found[1]} is included by {name} and includes a file itself; write that into {name}")
        return piece

    return INCLUDE.sub(put, _read(name))


class Picture:
    """One kind of picture; made once, when its module is imported.

    Args:
        name: of the component, and of its place in the browser's memory.
        markup, styles, scripts: files below `app`. The scripts are joined in this order into one
            module; only the last one exports, and it finds the markup and the style in `MX_HTML` and `MX_CSS`.
            In the markup `<!-- include kit/story.html -->` stands for that file; one that is included
            includes none.
        events: names of the values that come back, sticky or one-shot.
        constants: further constants of the module, by name.

    Attributes:
        html: the markup with all that it includes.
        included: the files that it includes.

    Raises:
        ValueError: the markup includes a file that is not there, or one that includes another.
    """

    def __init__(
        self,
        name: str,
        *,
        markup: str,
        styles: Sequence[str],
        scripts: Sequence[str],
        events: Sequence[str],
        constants: Mapping[str, Any] = {},
    ) -> None:
        self.name, self.markup, self.styles, self.scripts = name, markup, tuple(styles), tuple(scripts)
        self.events, self.constants = tuple(events), dict(constants)
        self.included = tuple(INCLUDE.findall(_read(markup)))
        self.html = _with_includes(markup)
        self._code = st.components.v2.component(f"mistral_explorer_{name}_code", js=self.script())
        mount = f"const PICTURE = {json.dumps(name)};\n{_read('shared/mount.js')}"
        place = '<div class="mx-host"></div>'
        self._mount = st.components.v2.component(f"mistral_explorer_{name}", html=place, js=mount)

    def script(self) -> str:
        """The whole program: markup and style as constants, then the files of `scripts`."""
        style = "\n".join([css_variables(), *map(_read, self.styles)])
        constants = {"MX_HTML": self.html, "MX_CSS": style, **self.constants}
        lines = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
        return "\n".join([*lines, *map(_read, self.scripts)])

    def load(self) -> None:
        """Sends the program to the browser, once per page run and **outside** any polling fragment."""
        self._code(key=f"{self.name}-code", height="content")

    def show(self, payload: bytes, *, key: str, **heard: Callback) -> Any:
        """Shows a payload; call `load()` once on the same page.

        The same key keeps the playhead over reruns and payloads. A payload for a run that the browser
        knows appends what is new; one that starts beyond its end is answered by `need`.

        Args:
            heard: by event, what is called, without arguments, when the browser says something.

        Returns:
            The component's result.

        Raises:
            ValueError: a callback for something that this picture never says.
        """
        if unknown := sorted(set(heard) - set(self.events)):
            raise ValueError(f"{', '.join(unknown)} is never said by {self.name}; it says {', '.join(self.events)}")
        callbacks: dict[str, Any] = {f"on_{name}_change": heard.get(name, _nothing) for name in self.events}
        return self._mount(key=key, data=payload, **callbacks)


def _nothing() -> None:
    """A value without a callback must still be named, or it would be missing from the result."""
