"""Figures: their numbers come from the formulas they name, and none is without a provenance."""

import inspect

import pytest

from app.models import figure as ledger
from mistral_core.analysis.accounting import kv_cache_bytes, without_gqa
from mistral_core.config import MISTRAL_7B

CONTEXTS = (1024, 4096, 32_768)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_ledger_figure_says_what_the_formula_says(theme):
    figure = ledger.kv_bytes_figure(MISTRAL_7B, CONTEXTS, 2, theme)
    lines = {trace.name: list(trace.y) for trace in figure.data}
    assert lines["this model"] == [kv_cache_bytes(MISTRAL_7B, n) for n in CONTEXTS]
    assert lines["without grouped queries"] == [kv_cache_bytes(without_gqa(MISTRAL_7B), n) for n in CONTEXTS]
    assert lines["without the window"][-1] / lines["this model"][-1] == 8  # the paper's 8x at 32k
    assert [trace.line.dash for trace in figure.data] == ["solid", "dash", "dot", "dashdot"], "not by colour alone"
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text


def test_every_figure_names_its_provenance():
    makers = [made for name, made in inspect.getmembers(ledger, inspect.isfunction) if name.endswith("_figure")]
    assert makers
    for maker in makers:
        meta = maker(MISTRAL_7B, CONTEXTS, 2).layout.meta
        assert meta["provenance"] in ("model", "derived", "theory", "recorded", "published") and meta["formula"]
