"""Below the state grid: the profile of ordinary words, the word pushed back, the staircase of theory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import compute
from app.reach import profile
from app.reach import profile_figure as ordinary
from app.reach import push_back_figure as pushed
from app.reach.profile import Compared, compared, in_words, table
from app.reach.profile_figure import Curves, profile_figure
from app.reach.push_back import beside_ordinary, faded_at
from app.reach.push_back_figure import Ordinary, Point, push_back_figure
from app.reach.theory_figure import staircase_figure
from app.session import state
from app.shared.examples import EXAMPLES
from mistral_core.analysis.cases import GIRL
from mistral_core.analysis.distance import DistanceProfile
from mistral_core.analysis.push_back import PushBack, Typical
from mistral_core.analysis.swap import Swap
from mistral_core.checkpoint import registry
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[3]


def test_the_profile_tells_where_most_of_it_lies_and_draws_no_zero():
    change = np.zeros((4, 14))
    change[-1, 1:5] = (8, 1, 0.5, 0.5)
    measured = DistanceProfile(
        change_mean=change,
        change_low=change,
        change_median=change,
        change_high=change,
        kl_mean=change[-1],
        kl_median=change[-1],
        kl_max=change[-1],
        count=np.ones(14, int),
        replaced=((0, 3, 5),),
        kl_by_text=np.stack((change[-1], np.r_[0, 1, 1, 1, np.full(10, np.nan)])),
        change_by_text=change[[-1, -1]],
    )
    silent = replace(measured, kl_mean=np.zeros(14), kl_by_text=np.zeros((2, 14)))
    rows = table(Compared(model=measured, untrained=silent, config=TINY, names=("a", "b")))
    assert [row["90 %, text by text"] for row in rows] == ["2 to 3 tokens", "2 tokens", "nothing is felt", "2 tokens"]
    assert [rows[0]["90 % within"], rows[0]["99 % within"]] == ["2 tokens", "4 tokens"]
    assert rows[2]["90 % within"] == "nothing is felt"
    said = in_words(Compared(model=measured, untrained=silent, config=TINY, names=("a", "b")))
    assert "within **2 tokens**, though it could go **12**" in said and "random" not in said
    assert "Nothing is felt" in in_words(Compared(model=silent, untrained=silent, config=TINY, names=("a", "b")))
    curves = Curves(mean=change, low=change, high=change)
    figure = profile_figure(curves, curves, (5, 10, 15), 12)
    assert list(figure.data[3].y) == [8, 1, 0.5, 0.5] + [None] * 9 and figure.data[3].x[0] == 1
    assert {shape.x0 for shape in figure.layout.shapes} == {5, 10, 15, 12}
    named = profile_figure(curves, curves, (5, 10, 15), 12, "light", {"The fox": change[-1], "A girl": change[-1] / 2})
    assert ["The fox" in (trace.hovertemplate or "") for trace in named.data].count(True) == 1
    assert list(named.data[5].y)[:2] == [4, 0.5] and named.data[5].x[0] == 1


def test_the_comparison_measures_the_model_and_random_weights(monkeypatch, tiny_model64, draw_tokens):
    monkeypatch.setattr(compute, "exact_model", lambda name: tiny_model64)
    monkeypatch.setattr(profile, "_written", lambda name, prompt: tuple(draw_tokens(24, seed=len(prompt))))
    said = []
    texts = (("mine", tuple(draw_tokens(30))),)
    found = compared("any", texts, {"an example": "x"}, lambda *report: said.append(report))
    assert said[-1][0] == said[-1][1]
    assert found.model.replaced == found.untrained.replaced and found.names == ("mine", "an example")
    for measured in (found.model, found.untrained):
        assert measured.kl_mean[12] > 0 and not measured.kl_mean[13:].any(), "the reach of this model is 12"
    assert not np.allclose(found.model.kl_mean, found.untrained.kl_mean)


def test_an_example_is_written_on_as_the_desk_would():
    name = registry.DEFAULT_MODEL
    ids = profile._written(name, EXAMPLES["The fox"])
    prompt = compute.tokenizer(name).encode(EXAMPLES["The fox"])
    assert list(ids[: len(prompt)]) == prompt and len(prompt) < len(ids) <= profile.MAX_TOKENS


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
    points = [
        Point(distance=20, kl=1.0, first=(0.5, 0.1), swapped=(0.1, 0.5)),
        Point(distance=130, kl=0.0, first=(0.2, 0.2), swapped=(0.2, 0.2)),
    ]
    figure = push_back_figure(points, ("girl", "boy"), ("she", "he"), (16, 32, 48), 120, 77)
    assert {line.x0 for line in figure.layout.shapes if line.x0 == line.x1} == {16, 32, 48, 120, 77}
    assert [line.y0 for line in figure.layout.shapes if line.x0 != line.x1] == [0.01], "where it is called gone"
    kl = figure.data[-1]
    assert list(kl.marker.symbol) == ["circle", "circle-open"] and kl.customdata[1] == "exactly 0"
    rows = [Ordinary(distance=20, median=0.001, mean=0.01, count=9), Ordinary(distance=130, median=0, mean=0, count=4)]
    both = push_back_figure(points, ("girl", "boy"), ("she", "he"), (16,), 120, typical=rows)
    median, mean = both.data[-2:]
    assert list(median.y) == [0.001, 1e-30] and list(mean.y) == [0.01, 1e-30]
    assert median.customdata[1] == "exactly 0 (4 words)" and "mean" in mean.name


def test_no_mark_leaves_an_axis_through_its_upper_end():
    """A change of 3.3 nats stood cut off at the axis that ended at 2."""
    points = [Point(distance=d, kl=kl, first=(0.9, 0.1), swapped=(0.1, 0.9)) for d, kl in ((3, 3.3), (40, 0.01))]
    figure = push_back_figure(points, ("girl", "boy"), ("she", "he"), (16,), 120)
    assert 10 ** figure.layout.yaxis2.range[1] > 3.3
    rng = np.random.default_rng(0)
    mean = 10 ** rng.uniform(-4, 1, (3, 20))
    curves = Curves(mean=mean, low=mean / 2, high=mean * 2)
    top = 10 ** profile_figure(curves, curves, (4,), 12).layout.yaxis.range[1]
    assert top > max(mean[1:, 1:].max(), curves.high[-1, 1:].max())


def test_the_chosen_word_is_told_beside_ordinary_ones_where_it_does_most():
    found = PushBack(case=GIRL, swaps=(swap(20, 0.5), swap(40, 2.0)), windows=(16,), marks=(16,), reach=120)
    typical = [Typical(distance=d, median=d / 1e4, mean=d / 1e3, largest=d / 100, count=9) for d in (20, 40)]
    said = beside_ordinary(found, typical)
    assert "at 40 tokens" in said and "**2 nats**" in said and "9 other words" in said
    assert "0.004 (median), 0.04 (mean) and at most 0.4 nats" in said


def test_charts_over_decades_begin_at_what_can_be_noticed_and_go_deep_on_demand():
    point = Point(distance=20, kl=1e-20, first=(0.5, 0.1), swapped=(0.1, 0.5))
    change = np.full((3, 14), 1e-9)
    curves = Curves(mean=change, low=change, high=change)
    words, answers = ("girl", "boy"), ("she", "he")
    for deepest, shown, deep in (
        (
            pushed.LOWEST,
            push_back_figure([point], words, answers, (16,), 120).layout.yaxis2,
            push_back_figure([point], words, answers, (16,), 120, lowest=pushed.LOWEST).layout.yaxis2,
        ),
        (
            ordinary.LOWEST,
            profile_figure(curves, curves, (5,), 12).layout.yaxis,
            profile_figure(curves, curves, (5,), 12, lowest=ordinary.LOWEST).layout.yaxis,
        ),
    ):
        assert -3.2 < shown.range[0] <= -3 and shown.tickvals[0] == pytest.approx(1e-3)
        assert deep.range[0] <= np.log10(deepest) and deep.tickvals[0] == pytest.approx(deepest)
        assert deep.range[1] >= 0 and shown.range[1] >= 0
