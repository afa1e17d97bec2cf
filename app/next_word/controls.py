"""Above the picture of next_word: the prompt, the buttons, the examples, and length, seed and pace of the next run."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from app import compute
from app.session import actions, state
from app.session.desk import Desk
from app.session.progress import writing
from app.session.prompts import MAX_PROMPT_TOKENS, can_chat, prompt_ids, said_before
from app.session.runs import MAX_NEW_TOKENS, MAX_SEED_ON_SCREEN, PACE, RunSpec
from app.shared.examples import RELAY, examples_of
from app.shared.imposed import take_choice, window_choice
from app.shared.markdown import plain
from mistral_core.tokenizer import as_read

PACES = {
    "60 tokens a second": PACE,
    "as fast as it can": 0.0,
    "20 tokens a second": 20.0,
    "5 tokens a second": 5.0,
    "1 token a second": 1.0,
}


def prompt_area(desk: Desk) -> str:
    """The prompt; counted as last committed (Ctrl+Enter, or leaving the field)."""
    if can_chat(desk.model):
        _chat_or_text(desk)
    hint = "Say something …" if chatting(desk) else "Write how the text begins …"
    typed = st.text_area(
        "Prompt",
        desk.prompt,
        key=state.field(state.PROMPT, desk.filled),
        height=84,
        label_visibility="collapsed",
        placeholder=hint,
    )
    desk.prompt = typed or ""
    return desk.prompt


def chatting(desk: Desk) -> bool:
    """Whether what is typed is said to the model."""
    return desk.chat and can_chat(desk.model)


def _chat_or_text(desk: Desk) -> None:
    names = {False: "go on with a text", True: "chat"}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.segmented_control(
            "What is typed",
            list(names),
            default=desk.chat,
            format_func=names.__getitem__,
            key=state.field(state.CHAT, desk.filled),
            label_visibility="collapsed",
        )
        if chosen is not None and chosen != desk.chat:
            desk.chat = chosen
            _fill(desk, "")
        if desk.chat and (said := said_before(desk)):
            st.checkbox(
                f"a new conversation (this one has {len(said)} messages)", key=state.field(state.NEW_CHAT, desk.filled)
            )


def _turns(desk: Desk) -> tuple[str, ...] | None:
    """What the next message goes on with; `None` = it is no message."""
    if not chatting(desk):
        return None
    return () if state.value(state.field(state.NEW_CHAT, desk.filled), False) else said_before(desk)


def _next_spec(desk: Desk) -> RunSpec:
    return RunSpec(
        model=desk.model,
        text=desk.prompt,
        sampling=desk.sampling,
        seed=desk.seed,
        new_tokens=desk.length,
        turns=_turns(desk),
    )


def _fill(desk: Desk, text: str) -> None:
    desk.prompt = text
    desk.filled += 1


def controls(desk: Desk) -> None:
    """The buttons, the examples and the settings of the next run.

    The buttons act in callbacks: those run before the page does, so that no other rerun can swallow them.
    """
    desk.length = state.value(
        state.field(state.LENGTH, desk.filled), desk.length
    )  # its field stands below the button it names
    with st.container(horizontal=True, gap="small"):
        for name, label, icon, enabled in _buttons(desk):
            kind: Literal["primary", "secondary"] = "primary" if name == "write" else "secondary"
            st.button(
                label,
                type=kind,
                icon=f":material/{icon}:",
                disabled=not enabled,
                key=state.button(name),
                on_click=_press,
                args=(desk, name),
            )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("Examples", icon=":material/menu_book:", type="tertiary"):
            for label, text in examples_of(desk.model).items():
                st.button(label, on_click=_fill, args=(desk, text), key=state.example(label), width="stretch")
                st.caption(text)
        with st.popover("Window, length, seed", icon=":material/tune:", type="tertiary"):
            _next_run(desk)
        st.caption(_count(desk))


def _press(desk: Desk, name: str) -> None:
    if name != "write":
        actions.press(desk, name)
        return
    take_choice(desk)  # it may have come with the press
    desk.prompt = state.value(state.field(state.PROMPT, desk.filled)) or ""
    desk.seed = state.value(state.field(state.SEED, desk.filled), desk.seed)
    desk.pace = PACES.get(state.value(state.PACE, ""), desk.pace)
    desk.length = state.value(state.field(state.LENGTH, desk.filled), desk.length)
    spec = _next_spec(desk)
    if actions.write(desk, spec) and spec.turns is not None:
        _fill(desk, "")  # said: the next message is typed into an empty field


def _buttons(desk: Desk) -> list[tuple[str, str, str, bool]]:
    """Name, label, icon and whether it can be pressed now."""
    job = desk.record.job if desk.record is not None else None
    active = writing(desk)
    waiting = job is not None and job.status in ("paused", "failed", "expired")
    longer = waiting or actions.can_go_on(desk)
    going = ("pause", "Pause", "pause", True) if active else ("resume", "Go on", "play_arrow", longer)
    return [
        ("write", "Read" if desk.length == 0 else "Say" if chatting(desk) else "Write", "edit", True),
        going,
        ("step", "One token", "skip_next", waiting or active),
        ("stop", "Stop", "stop", waiting or active),
    ]


def _next_run(desk: Desk) -> None:
    window_choice(desk)
    desk.length = st.number_input(
        "new tokens",
        0,
        MAX_NEW_TOKENS,
        desk.length,
        step=50,
        key=state.field(state.LENGTH, desk.filled),
        help="0 reads the text without adding to it: probability and rank of every word.",
    )
    desk.seed = st.number_input(
        "seed",
        0,
        MAX_SEED_ON_SCREEN,
        desk.seed,
        step=1,
        key=state.field(state.SEED, desk.filled),
        help="The same seed gives the same text.",
    )
    names = list(PACES)
    now = next((index for index, pace in enumerate(PACES.values()) if pace == desk.pace), 0)
    desk.pace = PACES[st.selectbox("pace", names, index=now, key=state.PACE, help="How fast it writes, for watching.")]


def _count(desk: Desk) -> str:
    record = desk.record
    other = record.model if record is not None else ""
    shown_by = f", what is shown is by {other}" if other and other != desk.model else ""
    writer = f"{desk.model} writes next{shown_by}" if shown_by else f"{desk.model} writes"
    if examples_of(desk.model) is RELAY and desk.prompt not in RELAY.values():
        writer += " (it answers questions like those under Examples, and tells no stories)"
    if chatting(desk):
        writer = writer.replace(" writes", " answers", 1)
    if not desk.prompt.strip():
        return f"{writer}; {'nothing is typed yet' if chatting(desk) else 'the prompt is empty'}"
    try:
        count = len(prompt_ids(_next_spec(desk)))
    except ValueError:
        return writer
    what = "the conversation, with the marks of its template," if chatting(desk) else "the prompt"
    return f"{writer}; {what} has {count:,} of at most {MAX_PROMPT_TOKENS:,} tokens{_read_as(desk)}"


def _read_as(desk: Desk) -> str:
    """What the model reads where that is not what was typed: some tokenizers rewrite texts."""
    read = as_read(compute.tokenizer(desk.model), desk.prompt)
    if read == desk.prompt:
        return ""
    return f"; its tokenizer rewrites what is typed, and the model reads “{plain(read)}”"
