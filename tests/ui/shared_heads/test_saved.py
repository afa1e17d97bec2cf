"""What the tables and the figure of the page shared_heads say, against numbers that are known from elsewhere."""

from __future__ import annotations

import json

import pytest

from app import compute
from app.shared_heads.saved_figure import saved_figure
from app.shared_heads.saved_rows import TWINS, as_row, published, quality_rows, those_here, twins_here
from mistral_core.checkpoint.registry import bundled_root

KIB = {"Mistral 7B": 128, "Llama 2 7B": 512, "Llama 2 13B": 800, "Llama 2 70B": 320}


def test_the_published_models_keep_128_512_800_and_320_kib_a_token():
    rows = {row.name: as_row(row, "published") for row in published()}
    assert {name: row["a token adds"] for name, row in rows.items()} == {
        name: f"{kib} KiB" for name, kib in KIB.items()
    }
    assert rows["Mistral 7B"]["query : key/value heads"] == "32 : 8" and rows["Mistral 7B"]["kind"] == "GQA"
    assert rows["Llama 2 70B"]["nothing shared (MHA)"] == "2.5 MiB" and rows["Llama 2 7B"]["kind"] == "MHA"
    assert rows["Mistral 7B"]["a step reads"] == "512 MiB", "a full window of 4,096"


def test_the_shown_model_and_its_twins_come_first_and_once():
    assert twins_here() == TWINS
    twins = {name: compute.config(name) for name in TWINS if name != "mqa"}
    rows = those_here("mqa", compute.config("mqa"), twins)
    assert [(row.name, row.kind) for row in rows] == [("mqa", "MQA"), ("mha", "MHA"), ("baseline", "GQA")]
    assert [row.per_token for row in rows] == [256, 2048, 512]


def test_the_cost_is_that_of_the_recorded_trainings():
    results = json.loads((bundled_root() / "family.json").read_text())["results"]
    for row in quality_rows():
        bits = [one["short_bits_per_byte"] for one in results if one["name"] == row["model"]]
        assert float(row["bits per byte"]) == pytest.approx(sum(bits) / len(bits), abs=6e-5)
        assert row["its seeds lie"] == f"within {max(bits) - min(bits):.4f}"
    assert [row["model"] for row in quality_rows()] == list(TWINS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_bars_are_what_is_kept_beside_what_nothing_shared_would_keep(theme):
    figure = saved_figure(published(), theme)
    unshared, stored = figure.data
    assert list(stored.x) == list(KIB.values()) and list(unshared.x) == [512, 512, 800, 2560]
    assert all(name.startswith(model) for name, model in zip(stored.y, KIB, strict=True))
    assert figure.layout.meta["provenance"] == "published" and "n_kv_heads" in figure.layout.meta["formula"]
