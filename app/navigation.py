"""Which pages there are, in which order, and how one leads to another.

The menu shows only pages that exist. Paths are absolute, so the app runs from any folder; the
entry file lies in `app/`, because an entry beside a folder called `pages/` breaks deep links.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Entry:
    """One page: its file in `pages/`, its title, and the question it answers."""

    name: str
    title: str
    question: str


ENTRIES = (
    Entry("start", "Start", "what is this?"),
    Entry("next_word", "Next word", "what comes next, and why?"),
    Entry("attention", "Attention", "who looks at whom?"),
    Entry("window", "Window", "what may a token see?"),
    Entry("ring", "Ring", "what is kept?"),
    Entry("reach", "Reach", "how far does a change travel?"),
    Entry("shared_heads", "Shared heads", "why fewer keys?"),
    Entry("inside_a_block", "Inside a block", "what happens to one token?"),
    Entry("break_it", "Break it", "what if it were wrong?"),
    Entry("test_the_paper", "Test the paper", "is the paper right?"),
    Entry("models", "Models", "which model is this?"),
)
"""In the order of the menu; the first one answers at `/`."""


def pages() -> list[StreamlitPage]:
    """The page objects for `st.navigation`."""
    return [_page(entry) for entry in ENTRIES]


def _page(entry: Entry) -> StreamlitPage:
    path, first = ROOT / "pages" / f"{entry.name}.py", entry is ENTRIES[0]
    return st.Page(path, title=entry.title, url_path=entry.name, default=first)


def go_to(name: str, **query: str) -> None:
    """Opens a page, with these parameters in its URL.

    Raises:
        ValueError: no page has this name.
    """
    st.switch_page(page(name), query_params=query)


def page(name: str) -> StreamlitPage:
    """The page object called `name`.

    Raises:
        ValueError: no page has this name.
    """
    for entry in ENTRIES:
        if entry.name == name:
            return _page(entry)
    raise ValueError(f"there is no page {name!r}; pages are {', '.join(entry.name for entry in ENTRIES)}")
