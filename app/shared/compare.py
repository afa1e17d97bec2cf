"""Two runs beside each other on a page, stepped together: the pictures, and how the second one is chosen.

The second picture is the same picture on a desk of its own (`Desk.beside`). That a step in one is a step in the other
is the browser's work (`app/kit/together.js`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import compute
from app.session import state
from app.session.actions import write_beside
from app.session.beside import called, lay_wanted, read_beside
from app.session.delivery import Delivery
from app.session.desk import Desk
from app.session.files import spec_of
from app.session.progress import progress_of, trace_of, writing
from app.session.runs import RunSpec
from app.session.visible import WAITING, Payload
from app.shared.frame import part
from app.shared.live import Act, live_picture
from app.shared.picture import Picture
from app.shared.windows import in_words, window_options
from mistral_core.checkpoint import registry

WAY = ("the same text", "another prompt", "a run of this visit")


def pictures(
    desk: Desk,
    picture: Picture,
    payload: Callable[[Desk], Payload],
    *,
    key: str,
    every: float,
    busy: Callable[[Desk], bool],
    acts: Mapping[str, Act],
    polling: bool | None = None,
    delivery: Callable[[Desk], Delivery] | None = None,
    more_address: Callable[[Desk], dict[str, str]] = lambda desk: {},
    after: Callable[[Any], None] = lambda result: None,
) -> None:
    """The picture of the shown run, and beside it that of the run which it is compared with.

    Args:
        delivery: of a desk; each picture has its own. All others as `live_picture` has them.
    """
    lay_wanted(desk)
    other = desk.beside

    def draw(one: Desk, name: str, **more: Any) -> None:
        live_picture(
            one,
            picture,
            payload,
            key=name,
            every=every,
            busy=busy,
            polling=busy(one) if polling is None or one is not desk else polling,
            acts=acts,
            delivery=delivery(one) if delivery is not None else None,
            **more,
        )

    if other is None or desk.record is None or other.record is None:
        draw(desk, key, more_address=more_address, after=after)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Two runs, stepped together: what is chosen in one is chosen in the other.", width="stretch")
        st.button("Stop comparing", key=state.COMPARE_STOP, on_click=desk.lay_beside, args=(None,))
    left, right = st.columns(2, gap="small")
    with left:
        st.caption(called(desk.record))
        draw(desk, key, more_address=more_address, after=after)
    with right:
        st.caption(called(other.record, desk.record))
        if _is_there(other):
            draw(other, state.beside(key), more_address=None)
        elif _failed(other):
            st.warning(_failed(other))
        else:
            _wait(other)


def _is_there(desk: Desk) -> bool:
    """Whether a picture of the run can be drawn: every one needs two tokens at least."""
    trace = trace_of(desk.record)
    return trace is not None and len(trace) > 1


def _failed(desk: Desk) -> str:
    """Why there will be nothing to show; "" while there may be."""
    progress = progress_of(desk.record)
    return (progress.message or "The run failed.") if progress is not None and progress.status == "failed" else ""


@st.fragment(run_every=0.3)
def _wait(desk: Desk) -> None:
    """Until the run has something to show."""
    if _is_there(desk) or _failed(desk):
        st.rerun()
    progress = progress_of(desk.record)
    st.caption((progress.message if progress is not None else "") or WAITING)


def compare(desk: Desk) -> None:
    """Below the picture: what is to be laid beside it."""
    with part("compare"):
        st.subheader("Compare: what if one thing were different?")
        st.caption(
            "A second run is laid beside the one above and stepped with it. The same text, read by another network, "
            "shows what the network does; another prompt shows what the words do."
        )
        way = st.segmented_control("What is laid beside it", WAY, default=WAY[0], key=state.COMPARE_WAY)
        if way == WAY[1]:
            _another_prompt(desk)
        elif way == WAY[2]:
            _another_run(desk)
        else:
            _same_text(desk)


def _same_text(desk: Desk) -> None:
    own = _model_of(desk)
    name = _network(desk, own)
    same = name == own
    st.button(
        "Read it beside",
        key=state.COMPARE_READ,
        disabled=same or writing(desk),
        on_click=read_beside,
        args=(desk, name),
    )
    if same:
        st.caption("This is the network of the run above: choose another model or window.")
    st.caption("With a part broken: choose it on Break it, which leads back here.")


def _another_prompt(desk: Desk) -> None:
    spec = _spec_of(desk)
    st.text_area("Prompt", spec.text if spec is not None else desk.prompt, key=state.COMPARE_PROMPT, height=84)
    name = _network(desk, _model_of(desk))
    st.button("Write it beside", key=state.COMPARE_WRITE, on_click=_write, args=(desk, name))


def _write(desk: Desk, model: str) -> None:
    """The prompt as it is typed now, with the settings and the seed of the shown run."""
    spec = _spec_of(desk)
    text = state.value(state.COMPARE_PROMPT) or ""
    if spec is None:
        made = RunSpec(model=model, text=text, sampling=desk.sampling, seed=desk.seed, new_tokens=desk.length)
    else:
        made = RunSpec(model=model, text=text, sampling=spec.sampling, seed=spec.seed, new_tokens=spec.new_tokens)
    write_beside(desk, made)


def _another_run(desk: Desk) -> None:
    others = [record for record in desk.records.values() if record.name != desk.current]
    if not others:
        st.caption("There is no other run yet: write one, or branch, on Next word.")
        return
    names = {record.name: called(record).replace("**", "") for record in others}
    chosen = st.selectbox("Run", list(names), format_func=lambda name: names.get(name, name), key=state.COMPARE_RUN)
    st.button("Lay it beside", key=state.COMPARE_LAY, on_click=desk.lay_beside, args=(chosen,))


def _network(desk: Desk, own: str) -> str:
    """The name of a model with a window, as two fields say it."""
    base, window, _, _ = registry.parts_of(own)
    models = list(registry.browser_models())
    with st.container(horizontal=True, gap="small"):
        model = st.selectbox(
            "model", models, index=models.index(base) if base in models else 0, key=state.COMPARE_MODEL
        )
        trained = compute.config(model)
        options: list[int | None] = [None, *window_options(trained)]
        chosen = st.selectbox(
            "tokens in sight, W",
            options,
            index=options.index(window) if window in options else 0,
            format_func=lambda option: f"{option:,}" if option else f"as trained, {in_words(trained.windows)}",
            key=state.compare_window(model),
        )
    return registry.imposed(model, chosen)


def _model_of(desk: Desk) -> str:
    return (desk.record.model if desk.record is not None else "") or desk.model


def _spec_of(desk: Desk) -> RunSpec | None:
    record = desk.record
    return None if record is None else spec_of(record)
