"""A picture in the browser: real modules, served file by file, and one component that carries the payload.

`app/` is the asset folder of one Streamlit component, declared in `pyproject.toml`. Its entry, `kit/mount.js`, reads
from the payload's header which picture it is for, and imports that page's `page.js`; the browser resolves every
`import` from there, keeps what it has, and a growing text carries nothing but what is new.

How values come back (Streamlit 1.67, checked in a browser): `setStateValue` and `setTriggerValue` rerun
the fragment in which the component stands (the whole script if in none); the callback runs first, then
the script. State values stay in `st.session_state[key][name]` and in the returned result until they
change. Trigger values are there for one run only and are read in the callback, or as `result.<name>`, in
the run that they cause. Callbacks take no arguments. After the page is left and entered again the state
is gone; the browser keeps the runs it has and acknowledges them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

COMPONENT = "app.picture"
"""As `pyproject.toml` declares it: distribution and component."""
Callback = Callable[[], None]


class Picture:
    """One kind of picture; made once, when its module is imported.

    Args:
        name: of the page's folder below `app`, as the payloads' header says it.
        events: names of the values that come back, sticky or one-shot.
    """

    def __init__(self, name: str, *, events: Sequence[str]) -> None:
        self.name, self.events = name, tuple(events)

    def show(self, payload: bytes, *, key: str, **callbacks: Callback) -> Any:
        """Shows a payload.

        The same key keeps the playhead over reruns and payloads. A payload for a run that the browser
        knows appends what is new; one that starts beyond its end is answered by `need`.

        Args:
            callbacks: by event, what is called, without arguments, when the browser says something.

        Returns:
            The component's result.

        Raises:
            ValueError: a callback for something that this picture never says.
        """
        if unknown := sorted(set(callbacks) - set(self.events)):
            raise ValueError(f"{', '.join(unknown)} is never said by {self.name}; it says {', '.join(self.events)}")
        named: dict[str, Any] = {f"on_{name}_change": callbacks.get(name, _nothing) for name in self.events}
        return _mount()(key=key, data=payload, **named)


@lru_cache(maxsize=1)
def _mount() -> Callable[..., Any]:
    """The component; made at the first picture, since only a running server knows what is declared."""
    return st.components.v2.component(COMPONENT, html='<div class="mx-host"></div>', js="kit/mount.js")


def served_below() -> str:
    """The path under which a browser finds the files below `app/`."""
    parts = (st.get_option("server.baseUrlPath").strip("/"), "_stcore/bidi-components", COMPONENT)
    return "/" + "/".join(part for part in parts if part) + "/"


def _nothing() -> None:
    """A value without a callback must still be named, or it would be missing from the result."""
