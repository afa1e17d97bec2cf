"""The experiments of the page `window`: each panel drawn from a real run, its figures, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app import compute
from app.shared.figure_table import rows_of
from app.window.chunk_figure import NAMES, chunk_figure
from app.window.chunks_panel import widest_ring
from app.window.experiments import beside_others, imposed_on, in_chunks, in_four_ways, untrained
from app.window.four_ways_figure import keys_figure, loss_figure
from app.window.imposed_figure import PLACE_WORDS, places_figure, rise_figure
from app.window.layers_figure import layers_figure
from mistral_core.analysis.chunked import LOST, RING, chunk_pairs
from mistral_core.analysis.imposed_window import FIRST, PLACES
from mistral_core.analysis.progress import silent
from mistral_core.analysis.published_windows import PUBLISHED, reach_by_layer
from tests.conftest import TINY
from tests.ui.runs import make_trace


@pytest.fixture(scope="module")
def trace():
    return compute.recording().truncated(40)


def test_four_ways_are_read_by_the_model_that_wrote_the_text(trace):
    made = in_four_ways(trace, 16, silent)
    own = -np.log(trace.probability[1:])
    predicted = ~np.isnan(own)
    np.testing.assert_allclose(made.ways["window"].losses[predicted], own[predicted], atol=1e-3)
    assert np.nanmax(made.keys[39, 0]) < 1e-6 < made.keys[39, 1, 1:].min(), "layer 1 agrees, layer 2 does not"
    figure = loss_figure({name: one.losses for name, one in made.ways.items()}, 16)
    assert [line.name for line in figure.data] == list(made.ways)
    assert figure.data[1].y[-1] == pytest.approx(made.ways["window"].losses[-16:].mean())
    keys = keys_figure(made.keys[39], ["a"] * 16, "dark")
    assert keys.data[0].z[3][-1] == made.keys[39, 3, 0], "the newest stands on the right"
    assert figure.layout.meta["provenance"] == keys.layout.meta["provenance"] == "model"


def test_a_window_is_imposed_on_a_model_that_was_trained_without_one(trace):
    name = untrained(trace)
    assert set(compute.config(name).windows) == {None}
    full = replace(trace, model_name="full-attention", config=compute.config("full-attention"))
    assert untrained(full) == "full-attention", "a text's own model, where it is one"
    made = imposed_on("full-attention", trace.text, silent)
    assert made.readings[0].window is None and {one.sinks for one in made.readings} == {0, 1, 4}
    with pytest.raises(ValueError, match="take a longer one"):
        imposed_on("full-attention", "Once.", silent)


def test_figures_show_what_they_are_given():
    figure = rise_figure({0: [(8, 3.0), (16, 2.0)], 4: [(8, 2.5)]}, 1.9, source="recorded")
    assert [list(line.y) for line in figure.data] == [[3.0, 2.0], [2.5]] and figure.layout.meta[
        "provenance"
    ] == "recorded"
    assert len(PLACE_WORDS) == len(PLACES) and str(FIRST) in PLACE_WORDS[0]
    bars = places_figure({"a": [0.1, 0.2, 0.3, 0.4]}, "dark")
    assert [bar.x[0] for bar in bars.data] == [0.1, 0.2, 0.3, 0.4]
    gemma = next(one for one in PUBLISHED if one.name == "Gemma 3 1B").windows
    steps = layers_figure(gemma, reach_by_layer(gemma), 10_000)
    assert list(steps.data[1].y[:6]) == [511, 1022, 1533, 2044, 2555, 10_000], "the sixth layer sees everything"


def test_chunks_and_company_agree_with_the_text_alone(trace):
    one, more = in_chunks(trace, (1, 9), 4, silent)
    assert max(one.right, one.wrong, more.right) < 1e-3 < more.wrong
    assert all(case.first and case.dense < 1e-3 for case in beside_others(trace, silent))
    assert widest_ring(TINY) == 5 and widest_ring(replace(TINY, sliding_window=None)) == 0


def _page():
    from app.session import state
    from app.session.files import open_recording
    from app.window.experiments_panel import experiments

    desk = state.desk()
    if desk.record is None:
        open_recording(desk)
    experiments(desk)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("Four ways to read", "Little memory, long text"),
        ("Impose a window", "smollm2, trained without a window"),
        ("In chunks", "serves chunks of up to"),
        ("Same mask, other memory", "The mask says what may be seen"),
        ("By layer", "131,040"),
        ("Padding and neighbours", "position −1"),
    ],
)
def test_every_experiment_is_drawn_without_being_started(chosen, said):
    from streamlit.testing.v1 import AppTest

    from app.session import state

    app = AppTest.from_function(_page, default_timeout=60)
    app.session_state[state.WINDOW_EXPERIMENT] = chosen
    app.run()
    assert not app.exception, app.exception
    assert any(said in block.value for block in app.markdown), [block.value for block in app.markdown]


def test_a_text_without_its_model_is_refused_with_a_reason():
    from app.session.rereading import refusal

    assert "is not here" in refusal(make_trace(), "nothing can be read again with it")


def test_the_blocks_of_a_chunk_are_drawn_and_tabled_by_name(trace):
    keys, pairs = chunk_pairs(20, 28, 16, lost_from=0)
    figure = chunk_figure(keys, pairs.tolist(), 20, trace.token_labels, 16, "dark")
    (cells,) = (one for one in figure.data if one.type == "heatmap")
    assert np.array(cells.z).shape == (8, len(keys)) and cells.customdata[0][keys.index(11)] == NAMES[LOST]
    assert cells.customdata[7][keys.index(19)] == NAMES[RING]
    assert [line.x0 for line in figure.layout.shapes] == [keys.index(4) - 0.5, keys.index(20) - 0.5]
    rows = rows_of(figure)
    assert len(rows) == 8 * len(keys) and {row["value"] for row in rows} == set(NAMES)
    assert figure.layout.meta["provenance"] == "theory"
