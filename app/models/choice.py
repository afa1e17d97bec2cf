"""Which model new runs are written by, its shape in six numbers, and its card."""

from __future__ import annotations

import streamlit as st

from app import compute
from app.session import state
from app.session.actions import pause_others
from app.session.desk import Desk
from app.shared.imposed import imposed_sentence, window_choice
from app.theme import count, size
from mistral_core.analysis.accounting import kept_bytes, ledger
from mistral_core.checkpoint import registry
from mistral_core.config import MistralConfig

KINDS = {
    "storyteller": "writes stories, in English alone; the one that the recording is from",
    "relay": "carries one symbol from window to window; for questions, not for stories",
    "baseline": "a small storyteller, with which the next ones are compared",
    "full-attention": "as baseline, without a window",
    "narrow-window": "as baseline, with a window of 4",
    "mha": "as baseline, but each query head has its own key/value head (multi-head attention)",
    "mqa": "as baseline, but all query heads share one key/value head (multi-query attention)",
}
"""Of the bundled models: what each is for. A test compares this list with the folders, and windows and heads."""


def described(name: str) -> str:
    """A model's name as a choice, with what it is for."""
    folder = registry.browser_models().get(name)
    if folder is not None and registry.is_bundled(folder) and name in KINDS:
        return f"{name}: {KINDS[name]}"
    return name


def choose(desk: Desk) -> str:
    """The model for new runs. What is being written with another one is paused and kept."""
    names = list(registry.browser_models())
    base = registry.parts_of(desk.model).model
    if base not in names:
        desk.model = base = names[0]
    name = st.selectbox("Model", names, index=names.index(base), format_func=described, key=state.MODEL)
    if name != base:
        pause_others(desk)
        desk.model = str(name)
        if any(record.job is not None for record in desk.records.values()):
            st.info("New texts are written by this model. The runs you have are kept, with the model that wrote them.")
    for notice in registry.listing().notices:
        st.caption(notice)
    window_choice(desk)
    if said := imposed_sentence(desk.model):
        st.info(said)
    return desk.model


MEANINGS = {
    "parameters": "Numbers that training has set: all weights of the model.",
    "layers": "Each changes the state of every token once, by attention and by a small network of its own.",
    "query : key/value heads": "A query head is one way of looking back. Several share one key/value head, so that "
    "fewer keys and values have to be kept: grouped-query attention.",
    "window W": "How many tokens a layer can look at, the token itself included.",
    "exact reach": "Farther back than this nothing can matter for the next token: a layer hands on by at most W − 1.",
    "vocabulary": "How many different tokens (words and pieces of words) it knows.",
}


def facts(name: str, config: MistralConfig) -> None:
    """The shape in six numbers."""
    windows = sorted({window for window in config.windows if window is not None})
    reach = config.exact_reach()
    numbers = {
        "parameters": count(ledger(config, 1).rows[0].parameters),
        "layers": f"{config.n_layers}",
        "query : key/value heads": f"{config.n_heads} : {config.n_kv_heads}",
        "window W": (", ".join(str(w) for w in windows) if windows else "none")
        + (f" and {config.sinks} kept" if config.sinks else ""),
        "exact reach": f"{reach} tokens" if reach is not None else "all",
        "vocabulary": f"{config.vocab_size:,}",
    }
    with st.container(horizontal=True, gap="medium"):
        for label, value in numbers.items():
            st.metric(label, value, width="content", help=MEANINGS[label])
    st.caption(
        "derived from the configuration of " + name + ". Exact reach: after k layers a token can depend on k × (W − 1) "
        "tokens before it, since W counts the token itself. The paper writes k × W."
    )


def kept_in_fewer_bytes(name: str) -> str:
    """How the weights are kept where float32 does not fit; "" = it fits."""
    shape = compute.config(name)
    kind = compute.weights_that_fit(shape)
    if kind == "float32":
        return ""
    bytes_of = kept_bytes(shape)
    return (
        f"Memory is short: the weights are kept in {kind} ({size(bytes_of[kind])}; in float32 they would take "
        f"{size(bytes_of['float32'])}), and computed with in float32. That changes predictions a little: "
        f"“Check it now” measures how much."
    )


UNSAID = (
    "Old stories hold slurs. While a bundled model writes here, it completes no word of a short list "
    "(mistral_core/unsaid.py, each with its reason); “Next word” shows where that took something away. What you type "
    "or choose yourself may be any word. The command line allows all with --no-unsaid."
)
SAID = "This is no bundled model: it may write whatever it has read. `generate --unsaid` leaves slurs out."


def card(name: str) -> None:
    """What it leaves unsaid, and the model's own card: what it was trained on, what it cannot do."""
    folder = registry.resolve_browser(name)
    st.caption(UNSAID if registry.is_bundled(folder) else SAID)
    if said := kept_in_fewer_bytes(name):
        st.caption(said)
    if said := compute.engine().step_said(name):
        st.caption(f"While it writes, {said}.")
    path = folder / "MODEL_CARD.md"
    if path.is_file():
        with st.expander("Model card: where it comes from, what it cannot do"):
            st.markdown(path.read_text(encoding="utf-8"))
