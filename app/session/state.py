"""Every key of `st.session_state`. The only file that spells one; a test looks for others.

Keys are names of widgets and of mounted pictures, and the one place in which the desk lies.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.session import visitors
from app.session.desk import Desk

DESK = "desk"

START_PICTURE = "start"
NEXT_WORD_PICTURE = "next_word"
ATTENTION_PICTURE = "attention"
WINDOW_PICTURE = "window"
RING_PICTURE = "ring"
REACH_PICTURE = "reach"
SHARED_HEADS_PICTURE = "shared_heads"
RESIDUAL_PICTURE = "residual"
INSIDE_PICTURE = "inside_a_block"
INSIDE_VIEW = "inside view"
BREAK_PICTURE = "break_it"
BREAK_TAB = "break_it tab"
MUSEUM_PICTURE = "museum"

PROMPT = "prompt"
CHAT = "chat"
NEW_CHAT = "new chat"
LENGTH = "length"
SEED = "seed"
PACE = "pace"
REENCODING = "re-encoding"
REENCODING_FOLD = "re-encoding fold"
UPLOAD = "upload"
MODEL = "model_choice"
LEDGER_OF = "ledger_of"
LEDGER_CONTEXT = "ledger_context"
PUBLISHED = "published"
CHECKS = "checks"
PUSH = "push back"
PUSH_GUESS = "push_guess"
PUSH_OPENING = "push opening"
PUSH_WORD = "push word"
PUSH_SWAP = "push swap"
PUSH_ANSWER = "push answer"
PUSH_OTHER_ANSWER = "push other answer"
PUSH_LAST = "push last"
PROFILE = "profile"
THEORY_WINDOW = "theory_window"
THEORY_LAYERS = "theory_layers"
START_FORM = "start-prompt"
ORIGIN = "origin"
ROUTES = "routes"
ROUTE_CHECK = "route check"
ROUTES_FIGURE = "routes figure"
EXPERIMENT = "experiment"
EXPERIMENT_FORM = "experiment form"
OWN_TEXT = "own text"
OWN_TEXT_LARGE = "own text large"
OWN_TEXT_WORK = "own text work"
OWN_TEXT_FILE = "own text file"

WINDOW_EXPERIMENT = "window experiment"
WINDOW_WORK = "window work"
WINDOW_FIGURE = "window figure"
WINDOW_OTHER_FIGURE = "window other figure"

COMPARE_WAY = "compare way"
COMPARE_MODEL = "compare model"
COMPARE_PROMPT = "compare prompt"
COMPARE_RUN = "compare run"
COMPARE_READ = "compare read"
COMPARE_WRITE = "compare write"
COMPARE_LAY = "compare lay"
COMPARE_STOP = "compare stop"

KV_BYTES_FIGURE = "kv bytes"
SHARED_BYTES_FIGURE = "shared bytes"
PUSH_FIGURE = "push figure"
PROFILE_FIGURE = "profile figure"
PUSH_SCALE = "push scale"
PROFILE_SCALE = "profile scale"
STAIRCASE_FIGURE = "staircase"


def button(name: str) -> str:
    """The key of a button of the desk: write, pause, resume, step or stop."""
    return f"button {name}"


def field(name: str, filled: int) -> str:
    """The key of a field that a link or a button fills: each time it is another field, which begins with its value.

    What is put into the session for a field that is there comes to the browser with one drawing of the page, and is
    lost where the browser draws the field later: in a popover that is opened then, or when the page is drawn twice.

    Args:
        filled: how often, see `Desk.filled`.
    """
    return f"{name} {filled}"


def example(name: str) -> str:
    """The key of the button that takes an example over."""
    return f"example {name}"


def beside(picture: str) -> str:
    """The key of the picture of the run that is compared, beside that of the shown one."""
    return f"{picture} beside"


def inside(page: str) -> str:
    """The key of the button that opens a broken run on another page."""
    return f"inside {page}"


def compare_window(model: str) -> str:
    """The key of the window of the network that a text is compared on: each model has its own."""
    return f"compare window {model}"


def window_of(model: str) -> str:
    """The key of the window that is imposed: each model has its own."""
    return f"window {model}"


def sinks_of(model: str) -> str:
    """The key of the first tokens that are kept beside it."""
    return f"sinks {model}"


def window_field(run: str, what: str) -> str:
    """The key of a field of an experiment on the page window: each run has its own."""
    return f"window {what} {run}"


def row_of(claim: str) -> str:
    """The key of a claim's line."""
    return f"claim-{claim}"


def open_claim(claim: str) -> str:
    """The key of the button that opens a claim."""
    return f"open {claim}"


def experiment_part(claim: str, kind: str, what: str) -> str:
    """The key of a picture or file of a claim's finding."""
    return f"{claim} {kind} {what}"


def routes_of(run: str, what: str) -> str:
    """The key of a field of the routes of a run."""
    return f"routes {what} {run}"


def ledger_context(model: str) -> str:
    """The key of the slider for the length of the text: each model has its own."""
    return f"{LEDGER_CONTEXT} {model}"


def numbers_of(chart: str) -> str:
    """The key of the table behind a chart."""
    return f"{chart} numbers"


def part(name: str) -> str:
    """Of a part of a page below its picture; styles know it by `st-key-part-NAME`."""
    return f"part {name}"


def cancelling(work: str) -> str:
    """The key of the button that ends a piece of work; the work's own name is that of the one that starts it."""
    return f"{work} cancel"


def desk() -> Desk:
    """The desk of this session; made at the first visit."""
    if DESK not in st.session_state:
        st.session_state[DESK] = Desk()
        visitors.enter(st.session_state[DESK])
    made: Desk = st.session_state[DESK]
    return made


def value(key: str, default: Any = None) -> Any:
    """What a widget says, before it is drawn again."""
    return st.session_state.get(key, default)


def component_state(key: str) -> dict[str, Any]:
    """What the component mounted under `key` last said, as a plain dictionary."""
    return dict(st.session_state.get(key) or {})
