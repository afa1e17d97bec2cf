"""A window that a model was not trained with, imposed on all its layers: the choice, and what a page says of it."""

from __future__ import annotations

import streamlit as st

from app import compute
from app.session import state
from app.session.desk import Desk
from app.shared.windows import in_words, window_options
from mistral_core.analysis.spelled_changes import change_in_words
from mistral_core.checkpoint import registry

HELP = (
    "How many tokens every layer can look at in the next text, the token itself included. Another window than that of "
    "the training changes no weight: the network is the same, and sees less, or farther than it ever did."
)


HELP_KEPT = (
    "A model that was trained without a window rests much of its attention on the first tokens, whatever they say. "
    "Kept in sight of every later token, they rescue most of what a window takes away from it."
)


def take_choice(desk: Desk) -> None:
    """What the two fields below say now. Each model has fields of its own: they are read before its name changes."""
    base, window, sinks, _ = registry.parts_of(desk.model)
    window = state.value(state.window_of(desk.model), window)
    desk.model = registry.imposed(base, window, state.value(state.sinks_of(desk.model), sinks))


def window_choice(desk: Desk) -> None:
    """The window that the next text is written with, and the first tokens that are kept beside it."""
    base, now, sinks, _ = registry.parts_of(desk.model)
    trained = compute.config(base)
    options: list[int | None] = [None, *window_options(trained)]
    if now not in options:
        options.append(now)
    st.selectbox(
        "window",
        options,
        index=options.index(now),
        format_func=lambda option: f"{option:,}" if option else f"as trained, {in_words(trained.windows)}",
        key=state.window_of(desk.model),
        on_change=take_choice,
        args=(desk,),
        help=HELP,
    )
    if now is not None:
        st.selectbox(
            "first tokens kept beside it",
            range(registry.MOST_SINKS + 1),
            index=sinks,
            key=state.sinks_of(desk.model),
            on_change=take_choice,
            args=(desk,),
            help=HELP_KEPT,
        )


def imposed_sentence(model: str) -> str:
    """What a page says of a text by a changed network, or with a window of its own; "" = as it was trained."""
    named = registry.parts_of(model)
    broken = "; ".join(change_in_words(change) for change in named.changes)
    sentences = [f"{named.model} is broken: {broken}." if broken else "", _window_sentence(named)]
    return " ".join(sentence for sentence in sentences if sentence)


def _window_sentence(named: registry.Named) -> str:
    base, window, sinks, _ = named
    if window is None:
        return ""
    try:
        trained = compute.config(base).windows
    except ValueError:
        return ""
    less = any(own is None or window < own for own in trained)
    what = "it misses what it learned to look at" if less else "it has never looked that far"
    sentence = f"A window of {window:,} is imposed on {base}, which was trained {in_words(trained)}: {what}."
    if not sinks:
        return sentence
    return f"{sentence} The first {'token stays' if sinks == 1 else f'{sinks} tokens stay'} in sight."
