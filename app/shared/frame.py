"""What pages are made of besides their pictures: the controls of the desk, and what several pages have alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from app import compute
from app.navigation import ENTRIES, page
from app.session import actions, state
from app.session.runs import RunSpec
from app.session.state import Desk
from app.start.example import COMMAND
from app.wire import pack
from mistral_core.serving.task import Task

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from app.session.visible import Payload
    from app.shared.picture import Picture

Act = Callable[[Desk, Mapping[str, Any]], None]
"""What is done on the desk about something that a picture says."""

EXAMPLES = {
    "A girl in a wood": "Once upon a time there was a girl who lived in a little house in the wood.",
    "A queen's castle": "The queen lived in a castle on a high hill above the sea. Every morning, when the sun came up "
    "over the water,",
    "Two who talk": '"Where are you going?" said the boy.\n"I am going to',
    "The fox": "A hungry fox saw some grapes. He",
}
"""Beginnings of the kind that the bundled model was trained on."""

PACES = {"as fast as it can": 0.0, "20 tokens a second": 20.0, "5 tokens a second": 5.0, "1 token a second": 1.0}

SOURCES = {
    "start": "The text and every shade are read from one run of the bundled model, recorded by the command line and "
    "stored with this program; nothing is drawn by hand. The window and the ring: Mistral 7B (arXiv 2310.06825), "
    "section 2, “Sliding Window Attention” and “Rolling Buffer Cache”. Code: mistral_core/mask.py, "
    "mistral_core/kv_cache.py; the staircase is MistralConfig.exact_reach.",
    "next_word": "Mistral 7B (arXiv 2310.06825), section 2. Code: mistral_core/generation.py (the step), "
    "mistral_core/sampling.py (the stages), mistral_core/kv_cache.py (the ring), mistral_core/mask.py (the window).",
    "attention": "Mistral 7B (arXiv 2310.06825), section 2, “Sliding Window Attention”; rollout: Abnar & Zuidema 2020 "
    "(arXiv 2005.00928); sinks: Xiao et al. 2023 (arXiv 2309.17453); induction: Olsson et al. 2022 (arXiv 2209.11895); "
    "attention is not explanation: Jain & Wallace 2019 (arXiv 1902.10186), Serrano & Smith 2019 (arXiv 1906.03731). "
    "Code: mistral_core/attention.py, mistral_core/analysis/heads.py, flow.py, disagreement.py.",
    "ring": "Mistral 7B (arXiv 2310.06825), section 2, “Rolling Buffer Cache” (figure 2) and “Pre-fill and Chunking” "
    "(figure 3). Code: mistral_core/kv_cache.py (slots, write order), mistral_core/analysis/accounting.py (bytes), "
    "mistral_core/analysis/push_back.py and influence.py (is it forgotten?).",
    "reach": "Theory: Mistral 7B (arXiv 2310.06825), section 2; the paper writes k × W, the exact edge is k × (W − 1), "
    "since W counts the token itself. Forward: activation patching (arXiv 2004.12265, 2202.05262). Corridor: "
    "conductance (arXiv 1805.12233). Code: mistral_core/analysis/reach.py, mistral_core/analysis/influence.py, "
    "mistral_core/analysis/push_back.py. The same numbers: `python -m mistral_core influence`.",
    "models": "Mistral 7B (arXiv 2310.06825), table 1. Code: mistral_core/config.py, "
    "mistral_core/analysis/accounting.py (every number of the ledger), mistral_core/verify.py (the checks).",
}


def heard(desk: Desk, key: str, **acts: Act) -> dict[str, Callable[[], None]]:
    """By event, what a picture mounted under `key` calls when it says something: an act with what it said."""

    def passing(name: str, act: Act) -> Callable[[], None]:
        def callback() -> None:
            event = state.component_state(key).get(name)
            if event:
                act(desk, event)

        return callback

    return {name: passing(name, act) for name, act in acts.items()}


def picture(desk: Desk, of: Picture, payload: Callable[[Desk], Payload], *, key: str, **acts: Act) -> Any:
    """Shows what there is of a run, and says why where another run was asked for; the heart of a polling fragment.

    Args:
        acts: by event of the picture, what is done about it.

    Returns:
        The picture's result.
    """
    status = st.empty()
    data = payload(desk)
    if data.waiting:
        status.caption(data.waiting)
    return of.show(pack(data.parts), key=key, **heard(desk, key, **acts))


def notice(desk: Desk) -> None:
    """The sentence that an action left, once."""
    if desk.notice:
        st.warning(desk.notice)
        desk.notice = ""


@st.fragment(run_every=0.3)
def watch(task: Task[Any], key: str) -> None:
    """How far a task is, and a button that ends it; the page is drawn anew at its end."""
    st.progress(min(task.done / max(task.total, 1), 1.0), text=f"{task.doing or 'loading the model'} …")
    if st.button("Cancel", key=f"{key} cancel"):
        task.cancel()
    if not task.running:
        st.rerun()


def chart(draw: Callable[[str], Figure], *, key: str, alt: str) -> None:
    """A figure that does not need to be fast.

    Args:
        draw: gives it in a theme, "light" or "dark".
    """
    figure = draw("dark" if st.context.theme.type == "dark" else "light")
    st.plotly_chart(figure, key=key, theme=None, config={"displayModeBar": False}, alt=alt)


def prompt_area(desk: Desk) -> str:
    """The prompt; counted as last committed (Ctrl+Enter, or leaving the field)."""
    if state.PROMPT not in st.session_state:
        st.session_state[state.PROMPT] = desk.prompt
    typed = st.text_area(
        "Prompt", key=state.PROMPT, height=84, label_visibility="collapsed", placeholder="Write how the text begins …"
    )
    desk.prompt = typed or ""
    return desk.prompt


def _use_example(desk: Desk, text: str) -> None:
    desk.prompt = st.session_state[state.PROMPT] = text


def controls(desk: Desk) -> None:
    """The buttons, the examples and the settings of the next run.

    The buttons act in callbacks: those run before the page does, so that no other rerun can swallow them.
    """
    desk.length = st.session_state.get(state.LENGTH, desk.length)  # its field stands below the button it names
    with st.container(horizontal=True, gap="small"):
        for name, label, icon, enabled in _buttons(desk):
            kind: Literal["primary", "secondary"] = "primary" if name == "write" else "secondary"
            st.button(
                label,
                type=kind,
                icon=f":material/{icon}:",
                disabled=not enabled,
                key=f"button {name}",
                on_click=_press,
                args=(desk, name),
            )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("Examples", icon=":material/menu_book:", type="tertiary"):
            for label, text in EXAMPLES.items():
                st.button(label, on_click=_use_example, args=(desk, text), key=f"example {label}", width="stretch")
                st.caption(text)
        with st.popover("Length, seed, pace", icon=":material/tune:", type="tertiary"):
            _next_run(desk)
        st.caption(_count(desk))


def _press(desk: Desk, name: str) -> None:
    if name != "write":
        actions.press(desk, name)
        return
    desk.prompt = st.session_state.get(state.PROMPT) or ""
    desk.seed = st.session_state.get(state.SEED, desk.seed)
    desk.pace = PACES.get(st.session_state.get(state.PACE, ""), desk.pace)
    desk.length = st.session_state.get(state.LENGTH, desk.length)
    spec = RunSpec(model=desk.model, text=desk.prompt, sampling=desk.sampling, seed=desk.seed, new_tokens=desk.length)
    actions.write(desk, spec, pace=desk.pace)


def _buttons(desk: Desk) -> list[tuple[str, str, str, bool]]:
    """Name, label, icon and whether it can be pressed now."""
    job = desk.record.job if desk.record is not None else None
    writing = actions.active(desk)
    waiting = job is not None and job.status in ("paused", "failed", "expired")
    going = ("pause", "Pause", "pause", True) if writing else ("resume", "Go on", "play_arrow", waiting)
    return [
        ("write", "Read" if desk.length == 0 else "Write", "edit", True),
        going,
        ("step", "One token", "skip_next", waiting or writing),
        ("stop", "Stop", "stop", waiting or writing),
    ]


def _next_run(desk: Desk) -> None:
    desk.length = st.number_input(
        "new tokens",
        0,
        2000,
        value=desk.length,
        step=50,
        key=state.LENGTH,
        help="0 reads the text without adding to it: probability and rank of every word.",
    )
    desk.seed = st.number_input(
        "seed", 0, 2**31 - 1, value=desk.seed, step=1, key=state.SEED, help="The same seed gives the same text."
    )
    names = list(PACES)
    now = next((index for index, pace in enumerate(PACES.values()) if pace == desk.pace), 0)
    desk.pace = PACES[st.selectbox("pace", names, index=now, key=state.PACE, help="How fast it writes, for watching.")]


def _count(desk: Desk) -> str:
    if not desk.prompt.strip():
        return "prompt: empty"
    try:
        count = actions.count_tokens(desk.model, desk.prompt)
        return f"prompt: {count:,} of at most {actions.MAX_PROMPT_TOKENS:,} tokens"
    except ValueError:
        return ""


def file_popover(desk: Desk) -> None:
    """Save the shown run as a trace, or open one."""
    with st.popover("Save or open a run", icon=":material/folder_open:"):
        record = desk.record
        if record is not None and actions.trace_of(record) is not None:
            st.download_button(
                "Save this run as a trace",
                data=lambda: actions.trace_bytes(record),
                file_name=f"{record.name}.safetensors".replace(" ", "-"),
                on_click="ignore",
            )
        upload = st.file_uploader("Open a saved trace (.safetensors)", type=["safetensors"], key=state.UPLOAD)
        if upload is not None and st.button("Show it"):
            actions.open_file(desk, upload.name, upload.getvalue())
            st.rerun()
        st.caption("A trace holds tokens, probabilities, attention, keys and values of a run.")


def closing(name: str) -> None:
    """Where the page comes from, and which one is next."""
    with st.expander("Where this comes from"):
        st.write(SOURCES[name])
        if name == "start":
            trace = compute.recording()
            st.text(f"model {trace.model_name}, weights {trace.model_hash[:12]}…, {len(trace)} tokens, recorded by")
            st.code(trace.settings.get("command", ""), language=None, wrap_lines=True)
            st.text("the exchanged word, what is typical beside it, and the way the change takes:")
            st.code(COMMAND, language=None, wrap_lines=True)
    names = [entry.name for entry in ENTRIES]
    following = ENTRIES[(names.index(name) + 1) % len(ENTRIES)]
    label = f"Next: {following.title}, {following.question}"
    st.page_link(page(following.name), label=label, icon=":material/arrow_forward:")
