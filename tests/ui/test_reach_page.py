"""The page `reach`: its payload against brute force, its questions, and what it says to bad ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import compute, reach_panel, state
from app.figures.player_payload import unpack
from app.figures.push_back import Point, push_back_figure
from app.figures.reach_payload import (
    READINGS,
    Choice,
    Measured,
    allowed_cells,
    choice_from_query,
    first_choice,
    pack_reach,
)
from app.figures.reach_profile import Curves, profile_figure
from app.figures.staircase import staircase_figure
from app.profile_panel import Compared, start, table
from app.push_back_panel import faded_at
from app.runs import Record
from mistral_core.analysis.influence import backward_influence, forward_influence
from mistral_core.analysis.push_back import GIRL, DistanceProfile, PushBack, Swap
from mistral_core.variants import in_dtype
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 17


@pytest.fixture(autouse=True)
def _cold(monkeypatch):
    monkeypatch.setenv(compute.WARM_UP_VARIABLE, "0")
    monkeypatch.chdir(ROOT)


@pytest.fixture
def recorded() -> Record:
    return Record(name="recorded", label="recorded", trace=compute.recording())


def walk(choice: Choice) -> np.ndarray:
    """Cells on some path of single steps from the source, to the target, or both; looked for one by one."""
    kind, _, number = choice.cut.partition(":")
    rows = TINY.n_layers + 1

    def step(row: int, key: int, query: int) -> bool:
        if not (key <= query and query - key < TINY.windows[row]):
            return False
        if kind == "layer" and row == int(number) - 1:
            return key == query
        return not (kind == "wall" and key <= int(number) < query)

    ahead, back = np.zeros((rows, LENGTH), bool), np.zeros((rows, LENGTH), bool)
    ahead[0, choice.source] = back[-1, choice.target] = True
    for row in range(TINY.n_layers):
        for key in range(LENGTH):
            for query in range(LENGTH):
                ahead[row + 1, query] |= ahead[row, key] and step(row, key, query)
    for row in reversed(range(TINY.n_layers)):
        for key in range(LENGTH):
            for query in range(LENGTH):
                back[row, key] |= back[row + 1, query] and step(row, key, query)
    return {"forward": ahead, "backward": back, "corridor": ahead & back}[choice.reading]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("cut", ["", "wall:5", "wall:9", "layer:1", "layer:3"])
def test_allowed_cells_are_those_that_a_walk_finds(reading, cut):
    choice = Choice(reading=reading, source=2, target=12, cut=cut)
    assert np.array_equal(allowed_cells(TINY, choice, LENGTH), walk(choice))


def test_the_forward_payload_is_what_patching_gives_and_zero_beyond_the_edge(recorded):
    trace, choice = recorded.trace, Choice(reading="forward", source=8, target=8, replacement=300)
    measured, _ = reach_panel.measure(trace, choice)
    header, arrays = unpack(pack_reach(trace, choice, measured, run="r"))
    model = in_dtype(compute.load(trace.model_name).model, torch.float64)
    found = forward_influence(model, trace.token_ids.tolist(), 8, 300)
    assert np.allclose(arrays["grid"], found.change, rtol=1e-5, atol=0)
    assert np.allclose(arrays["kl"], found.kl, rtol=1e-4, atol=1e-37)
    assert np.array_equal(arrays["grid"] != 0, found.change != 0)
    beyond = ~arrays["allowed"].astype(bool)
    assert beyond.any() and not arrays["grid"][beyond].any() and arrays["grid"][-1, 8 + 120] > 0
    assert header["forward_edges"] == [0, 15, 30, 45, 60, 75, 90, 105, 120] and header["facts"]["farthest"] == 120


def test_the_backward_payload_is_the_gradient_of_the_word_that_follows(recorded):
    trace, choice = recorded.trace, Choice(reading="backward", source=0, target=150)
    measured, _ = reach_panel.measure(trace, choice)
    _, arrays = unpack(pack_reach(trace, choice, measured, run="r"))
    model = in_dtype(compute.load(trace.model_name).model, torch.float64)
    found = backward_influence(model, trace.token_ids[:152].tolist(), 150)
    assert np.allclose(arrays["grid"], found.influence, rtol=1e-5, atol=0)
    assert arrays["grid"][0, 30] > 0 and not arrays["grid"][0, :30].any()


def test_the_corridor_says_how_far_its_rows_are_from_the_measured_change(recorded):
    choice = Choice(reading="corridor", source=8, target=30, replacement=300)
    measured, _ = reach_panel.measure(recorded.trace, choice)
    facts = measured.facts
    assert facts["change"] == pytest.approx(np.log(facts["after"] / facts["before"]), abs=1e-5)
    assert np.abs(measured.grid.sum(1) - facts["change"]).max() == pytest.approx(facts["off"])
    assert not measured.grid[~allowed_cells(recorded.trace.config, choice, measured.grid.shape[1])].any()


def test_a_wall_lets_nothing_through(recorded):
    choice = Choice(reading="forward", source=8, target=8, replacement=300, cut="wall:20")
    measured, _ = reach_panel.measure(recorded.trace, choice)
    assert not measured.kl[21:].any() and measured.kl[20] > 0 and measured.uncut[21] > 0
    assert 0 < measured.facts["left"] < 1


def test_what_is_read_of_a_growing_text_stays_the_same_once_the_edge_is_passed(recorded):
    config, choice = recorded.trace.config, Choice(reading="forward", source=8, target=8)
    lengths = [reach_panel.needed(config, choice, length, whole=False) for length in (50, 145, 146, 400)]
    assert lengths == [50, 145, 145, 145] and 145 > 8 + 120 + 1


def test_a_value_too_small_for_float32_is_not_shown_as_nothing(recorded):
    grid = np.array([[0.0, 1e-60, -1e-60]])
    _, arrays = unpack(pack_reach(recorded.trace, Choice(), Measured(grid=grid), run="r"))
    assert arrays["grid"].tolist()[0][0] == 0 and arrays["grid"][0, 1] > 0 > arrays["grid"][0, 2]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(reading="sideways"), "readings are forward"),
        (Choice(source=17), "source 17 is not in the text; positions are 0 to 16"),
        (Choice(target=-1), "target -1"),
        (Choice(reading="corridor", source=9, target=3), "nothing travels backwards"),
        (Choice(cut="wall:16"), "no wall can stand after position 16; choose one of 0 to 15"),
        (Choice(cut="layer:4"), "layers 1 to 3"),
        (Choice(cut="moat:1"), "write wall:POSITION or layer:NUMBER"),
        (Choice(cut="wall:²"), "write wall:POSITION"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_what_would(choice, said):
    with pytest.raises(ValueError, match=said):
        choice.inside(TINY, LENGTH)


def test_a_choice_survives_the_address():
    choice = Choice(reading="corridor", source=3, target=40, replacement=7, cut="layer:2")
    assert choice_from_query(choice.query()) == choice
    assert choice_from_query({"text": "A fox"}) is None
    with pytest.raises(ValueError, match="from=-3"):
        choice_from_query({"reading": "forward", "from": "-3"})


def test_a_visitor_starts_where_he_was():
    assert first_choice(TINY, 100, 19, None) == Choice(reading="forward", source=8, target=12)
    assert first_choice(TINY, 100, 19, 60) == Choice(reading="backward", source=8, target=60)
    assert first_choice(TINY, 10, 19, 60).reading == "forward", "a place that is not in this text"


def test_a_bad_word_leaves_the_picture_and_says_why(recorded):
    desk = state.Desk()
    desk.add(recorded)
    event = {"run": "recorded", "n": 1, "reading": "forward", "source": 8, "target": 9, "cut": ""}
    reach_panel.ask(desk, event)
    reach_panel.ask(desk, {**event, "n": 2, "word": "antidisestablishment"})
    header, _ = unpack(reach_panel.payload(desk)[0])
    assert "choose a word that is one token" in header["message"] and header["asked"] == 2
    assert header["choice"]["source"] == 8 and header["measured"] > 0
    assert desk.at["recorded"]["t"] == 8, "the place follows to the other pages"


def test_a_replacement_that_changes_nothing_is_answered_by_the_last_picture(recorded):
    desk = state.Desk()
    desk.add(recorded)
    reach_panel.payload(desk)
    event = {"run": "recorded", "n": 3, "reading": "forward", "source": 8, "target": 9}
    reach_panel.ask(desk, {**event, "replacement": int(recorded.trace.token_ids[8])})
    header, _ = unpack(reach_panel.payload(desk)[0])
    assert "stands there already" in header["message"] and header["choice"]["replacement"] is None


def test_without_the_weights_only_theory_is_shown(recorded):
    desk = state.Desk()
    desk.add(replace(recorded, trace=replace(recorded.trace, model_hash="0" * 64)))
    header, arrays = unpack(reach_panel.payload(desk)[0])
    assert "only theory is shown" in header["message"] and not header["can_measure"] and header["measured"] == 0
    assert arrays["allowed"].any()


def test_the_page_opens_and_refuses_two_equal_words():
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    at.switch_page(str(ROOT / "pages" / "reach.py")).run()
    assert not at.exception and at.title[0].value == "Reach: how far does a change travel?"
    at.text_input(key="push swap").set_value("girl").run()
    assert not at.exception and any("nothing would be swapped" in warning.value for warning in at.warning)


def test_the_profile_tells_where_most_of_it_lies_and_draws_no_zero():
    change = np.zeros((4, 14))
    change[-1, 1:5] = (8, 1, 0.5, 0.5)
    profile = DistanceProfile(
        change_mean=change, change_low=change, change_median=change, change_high=change, kl_mean=change[-1],
        kl_median=change[-1], kl_max=change[-1], count=np.ones(14, int), replaced=((0, 3, 5),),
    )  # fmt: skip
    silent = replace(profile, kl_mean=np.zeros(14))
    rows = table(Compared(model=profile, untrained=silent, config=TINY, n_texts=1))
    assert [rows[0]["90 % within"], rows[0]["99 % within"]] == ["2 tokens", "4 tokens"]
    assert rows[2]["90 % within"] == "nothing is felt"
    curves = Curves(mean=change, low=change, high=change)
    figure = profile_figure(curves, curves, (5, 10, 15), 12)
    assert list(figure.data[3].y) == [8, 1, 0.5, 0.5] + [None] * 9 and figure.data[3].x[0] == 1
    assert {shape.x0 for shape in figure.layout.shapes} == {5, 10, 15, 12}


def test_the_comparison_measures_the_model_and_random_weights(monkeypatch, tiny_model64, draw_tokens):
    monkeypatch.setattr(compute, "exact_model", lambda name: tiny_model64)
    task = start("any", (tuple(draw_tokens(30)), tuple(draw_tokens(24, seed=1))))
    task.join(30)
    assert not task.error and task.done == task.total
    found = task.result
    assert found.model.replaced == found.untrained.replaced and found.n_texts == 2
    for profile in (found.model, found.untrained):
        assert profile.kl_mean[12] > 0 and not profile.kl_mean[13:].any(), "the reach of this model is 12"
    assert not np.allclose(found.model.kl_mean, found.untrained.kl_mean)


def test_the_sliders_of_theory_give_the_reach_of_the_paper():
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    at.switch_page(str(ROOT / "pages" / "reach.py")).run()
    at.select_slider(key=state.THEORY_WINDOW).set_value(4096).run()
    at.slider(key=state.THEORY_LAYERS).set_value(32).run()
    said = [markdown.value for markdown in at.markdown]
    assert any("131,040 tokens" in value and "131,072" in value for value in said), said
    figure = staircase_figure(replace(TINY, n_layers=2, sliding_window=9), TINY)
    assert list(figure.data[1].x) == [0, 8, 16] and list(figure.data[0].x) == [0, 4, 8, 12]


def swap(distance: int, kl: float) -> Swap:
    return Swap(text="", position=3, distance=distance, n_fillers=0, kl=kl, first=(0.5, 0.1), swapped=(0.1, 0.5))


def test_gone_means_gone_from_there_on():
    def found(*kls):
        swaps = tuple(swap(20 * i, kl) for i, kl in enumerate(kls, 1))
        return PushBack(case=GIRL, swaps=swaps, windows=(16,), marks=(16, 32, 48), reach=120)

    assert faded_at(found(1.0, 0.005, 0.02, 0.009, 0.0)) == 80, "it came back at 60"
    assert faded_at(found(1.0, 0.5)) is None


def test_the_figure_marks_windows_reach_and_guess_and_shows_an_exact_zero_as_open():
    points = [Point(distance=20, kl=1.0, first=(0.5, 0.1), swapped=(0.1, 0.5)),
              Point(distance=130, kl=0.0, first=(0.2, 0.2), swapped=(0.2, 0.2))]  # fmt: skip
    figure = push_back_figure(points, ("girl", "boy"), ("she", "he"), (16, 32, 48), 120, 77)
    assert {shape.x0 for shape in figure.layout.shapes} == {16, 32, 48, 120, 77}
    kl = figure.data[-1]
    assert list(kl.marker.symbol) == ["circle", "circle-open"] and kl.customdata[1] == "exactly 0"
