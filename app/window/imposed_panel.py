"""A window imposed on a model that was trained without one: recorded first, then live on the shown text."""

from __future__ import annotations

import streamlit as st

from app.session import state
from app.session.desk import Desk
from app.shared.chart import chart
from app.shared.work_panel import work_panel
from app.window.experiments import ImposedRun, imposed_on, untrained
from app.window.imposed_figure import places_figure, rise_figure
from app.window.state import WindowState
from mistral_core.experiments.record import Record, read_record
from mistral_core.trace.trace import Trace

OF_RECORD = "imposed"
KEEPING = (0, 1, 4)


def impose_a_window(desk: Desk, trace: Trace, run: str) -> None:
    """The panel: what is recorded, and the same on the shown text."""
    st.write(
        "A model that was trained to see everything is given a window. Nothing in its weights changes. What does it "
        "lose, and why do the first tokens, whatever they say, bring so much of it back?"
    )
    _recorded()
    name = untrained(trace)
    text = "".join(trace.token_texts).strip()
    result = work_panel(
        desk.page_state(WindowState).results,
        f"imposed {name} {run} {len(trace)}",
        lambda report: imposed_on(name, text, report),
        key=state.WINDOW_WORK,
        label=f"Impose windows on {name}, on this text",
        icon=":material/filter_center_focus:",
    )
    if result is not None:
        _live(result)


def _recorded() -> None:
    record: Record | None = read_record("window")
    table = next((one for one in record.finding.tables if one.name == OF_RECORD), None) if record else None
    if record is None or table is None:
        st.caption("Nothing is recorded here.")
        return
    rows = [(row[0], int(str(row[1])), float(str(row[2]))) for row in table.rows]
    trained = next(loss for window, _, loss in rows if window == "none")
    losses: dict[int, list[tuple[int, float]]] = {}
    for window, sinks, loss in rows:
        if window != "none":
            losses.setdefault(sinks, []).append((int(str(window)) + sinks, loss))
    st.markdown(f"**{table.title}**")
    chart(
        lambda theme: rise_figure(losses, trained, theme, "recorded"),
        key=state.WINDOW_FIGURE,
        alt="Recorded loss as the imposed window shrinks, with and without the first four tokens kept",
    )
    st.caption(f"recorded {record.day}, {record.machine}; again: `{record.command}`.")


def _live(result: ImposedRun) -> None:
    trained = result.readings[0].loss_from(result.start)
    losses: dict[int, list[tuple[int, float]]] = {}
    for one in result.readings[1:]:
        losses.setdefault(one.sinks, []).append((one.window or 0, one.loss_from(result.start)))
    st.markdown(f"**{result.model} on the shown text, {result.length} tokens; loss from position {result.start} on**")
    chart(
        lambda theme: rise_figure(losses, trained, theme),
        key=state.window_field("", "rise"),
        alt="Loss on this text as the imposed window shrinks",
    )
    narrow = [one for one in result.readings if one.window == result.readings[-1].window]
    chosen = {"as trained": result.readings[0]} | {
        f"W = {one.window}, {'no token' if not one.sinks else f'the first {one.sinks}'} kept": one for one in narrow
    }
    chart(
        lambda theme: places_figure({name: one.shares.mean(0).tolist() for name, one in chosen.items()}, theme),
        key=state.window_field("", "places"),
        alt="Where the attention lies as trained and with the narrowest window",
    )
    first = float(result.readings[0].shares.mean(0)[0])
    st.markdown(
        f"As trained, **{first:.0%}** of the attention lies on the first 4 tokens, from position {result.start} on. "
        + (
            "Where they are hidden, it has to go elsewhere, and what comes out is no longer what the model knows."
            if first > 0.1
            else "This model has hardly any attention there, so there is nothing to rescue: keeping first tokens takes "
            "keys from the words that are near, and can even cost. The recorded model above is another matter."
        )
    )
    st.caption(
        "model: measured now, dense passes; kept first tokens take keys from the window, so all readings see equally "
        "many. Xiao et al. 2023 (arXiv 2309.17453)."
    )
