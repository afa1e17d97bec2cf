"""Can see against does use, on the page: the comparison on demand, its figure and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.reach.profile import SOURCES, Compared, compared, in_words, table, texts_of
from app.reach.profile_figure import LOWEST, Curves, profile_figure
from app.reach.state import ReachState
from app.session import state
from app.session.desk import Desk
from app.shared.chart import chart, lowest_drawn
from app.shared.examples import examples_of
from app.shared.work_panel import work_panel

if TYPE_CHECKING:
    from mistral_core.analysis.distance import DistanceProfile


def can_see_does_use(desk: Desk) -> None:
    """The comparison, on demand, over the bundled examples and the texts of this session that the model wrote."""
    st.subheader("Can see, does use: a typical word")
    texts = texts_of(desk)
    model = desk.model
    examples = examples_of(model)
    st.write(
        f"The girl was chosen for effect. What does an ordinary word do? Words of {len(examples)} example texts, "
        "written on by the model, and of your own are replaced one at a time, and the change is averaged by distance. "
        "The same is done with random weights: a model that has learned nothing."
    )
    comparison = work_panel(
        desk.page_state(ReachState).profiles,
        f"{model} {hash(texts)}",
        lambda report: compared(model, texts, examples, report),
        key=state.PROFILE,
        label=f"Measure {SOURCES * (len(texts) + len(examples))} words",
        icon=":material/analytics:",
    )
    if comparison is not None:
        _result(comparison)


def _result(comparison: Compared) -> None:
    widths = [window for window in comparison.config.windows if window is not None]
    marks = [k * max(widths) for k in (1, 2, 3)] if widths else []
    by_text = dict(zip(comparison.names, comparison.model.change_by_text, strict=True))
    lowest = lowest_drawn(state.PROFILE_SCALE, LOWEST)
    chart(
        lambda theme: profile_figure(
            _curves(comparison.model),
            _curves(comparison.untrained),
            marks,
            comparison.config.exact_reach(),
            theme,
            by_text,
            lowest,
        ),
        key=state.PROFILE_FIGURE,
        alt="Mean relative change of the state against distance for each layer, on a log scale, beside random weights",
    )
    st.markdown(in_words(comparison))
    st.dataframe(table(comparison), hide_index=True)
    st.caption(
        f"model: measured now, in float64 (16 digits): {len(comparison.model.replaced)} words of "
        f"{len(comparison.names)} texts ({', '.join(comparison.names)}), each replaced by another word of its text. "
        "Mean over all words; the band holds 80 % of them. Distance 0 is not counted. Random weights: the same shape "
        "and the same replacements."
    )


def _curves(profile: DistanceProfile) -> Curves:
    return Curves(mean=profile.change_mean, low=profile.change_low, high=profile.change_high)
