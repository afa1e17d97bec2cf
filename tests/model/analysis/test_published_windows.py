"""Published patterns: as many windows as layers, and the reach of the configuration's own formula."""

from dataclasses import replace

import pytest

from mistral_core.analysis.published_windows import PUBLISHED, reach_by_layer
from mistral_core.config import MISTRAL_7B
from tests.conftest import TINY


@pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: one.name)
def test_the_reach_is_that_of_a_configuration(one):
    config = replace(TINY, n_layers=len(one.windows), sliding_window=one.windows)
    assert reach_by_layer(one.windows) == [config.exact_reach(k + 1) for k in range(len(one.windows))]
    assert "config.json" in one.source


def test_mistral_is_the_one_of_its_table():
    assert PUBLISHED[0].windows == MISTRAL_7B.windows


def test_how_many_layers_see_all():
    see_all = {one.name: one.windows.count(None) for one in PUBLISHED}
    assert see_all == {
        "Mistral 7B v0.1": 0,
        "Mistral 7B v0.2 and v0.3": 32,
        "Gemma 2 2B": 13,
        "Gemma 3 1B": 4,
        "gpt-oss-20b": 12,
        "Command R7B": 8,
        "GPT-Neo 1.3B": 12,
    }
