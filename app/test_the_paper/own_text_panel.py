"""The visitor's own text: really compressed by a model and by general programs, decoded again, and compared."""

from __future__ import annotations

import json
from functools import partial

import streamlit as st

from app import compute
from app.session import state
from app.session.desk import Desk
from app.session.sentence import sentence
from app.shared.markdown import plain
from app.shared.work_panel import watch
from app.test_the_paper.state import PaperState
from app.test_the_paper.words import as_table, compressed_in_words, compressed_rows
from mistral_core.analysis.progress import Report
from mistral_core.checkpoint.registry import browser_models
from mistral_core.experiments.own_text import LARGE, MOST, SMALL, Compressed, checked

COMPRESSED = "compression"
"""The claim that a text is compressed for."""


def own_text(desk: Desk) -> None:
    """A field for a text, the button that compresses it, and what came out."""
    page = desk.page_state(PaperState)
    st.subheader("Your own text")
    st.write(
        f"Paste a text. {SMALL} gives a probability to every next token, an arithmetic coder writes the text down with "
        "them, and the same model reads it back from the code alone. Beside it gzip, xz and zstd. What you paste stays "
        "in this session."
    )
    _field(page)
    work = page.own.get(page.own_name)
    if work is not None and work.running:
        watch(work, state.OWN_TEXT_WORK)
        return
    st.button(
        "Compress it",
        key=state.OWN_TEXT_WORK,
        on_click=_begin,
        args=(page,),
        type="primary" if work is None else "secondary",
        icon=":material/compress:",
    )
    if page.refusal:
        st.warning(plain(page.refusal))
    if work is not None and work.error:
        st.warning(plain(work.error))
    if work is not None and work.result is not None:
        _outcome(work.result, page.own_name == _name(page.typed, _names()))


def _field(page: PaperState) -> None:
    """No bound of the field itself: it would cut off what is too long, and nothing typed is to be lost."""
    typed = st.text_area(
        "A text to be compressed",
        page.typed,
        key=state.OWN_TEXT,
        height=160,
        placeholder="Once upon a time …",
        on_change=_remember,
        args=(page,),
    )
    page.typed = typed or ""
    st.caption(f"{len(page.typed):,} of at most {MOST:,} characters; some seconds for a thousand.")
    if LARGE in browser_models():
        st.checkbox(f"also with {LARGE}, which takes many times as long", key=state.OWN_TEXT_LARGE)


def _remember(page: PaperState) -> None:
    page.typed = state.value(state.OWN_TEXT) or ""  # before the page is drawn, which may be without the field


def _names() -> tuple[str, ...]:
    return (SMALL, LARGE) if state.value(state.OWN_TEXT_LARGE, False) else (SMALL,)


def _name(text: str, names: tuple[str, ...]) -> str:
    return " ".join((*names, text))


def _begin(page: PaperState) -> None:
    """Reads the field itself: the text may have come with the press."""
    _remember(page)
    try:
        text, names, page.refusal = checked(page.typed), _names(), ""
    except ValueError as error:
        page.refusal = sentence(error)
        return
    page.own_name = _name(text, names)
    page.own.start(page.own_name, partial(_compress, text, names))


def _compress(text: str, names: tuple[str, ...], report: Report) -> Compressed:
    """In its turn among the experiments, whose times it would spoil."""
    from mistral_core.experiments.own_text_run import compress

    return compute.experiments().in_turn(lambda: compress(compute.engine().model, text, names, report), report)


def _outcome(made: Compressed, current: bool) -> None:
    st.markdown(plain(compressed_in_words(made)))
    st.html(as_table(compressed_rows(made)))
    for notice in made.notices:
        st.caption(plain(notice))
    first = made.models[0]
    st.caption(
        f"model: coded and decoded on this machine in {made.seconds:.1f} s. The code of {first.by} begins with "
        f"`{first.begins}`. A program’s decoder comes with every system and is counted as nothing; a model’s is "
        "its weights, configuration and vocabulary."
    )
    if not current:
        st.caption("The field says something else now: this is of the text before.")
    st.download_button(
        "JSON file",
        json.dumps(made.to_json(), indent=1, allow_nan=False),
        "own-text.json",
        key=state.OWN_TEXT_FILE,
        type="tertiary",
        icon=":material/download:",
    )
