"""Bytes of shared keys and values: counted from rings that are really made, and the published figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mistral_core.analysis.sharing_bytes import group_of, kind_of, sharing, sharing_table, with_one_kv_head
from mistral_core.config import MISTRAL_7B, MistralConfig
from mistral_core.experiments.published_figures import SHAPES, config_of
from mistral_core.kv_cache import KVCache
from tests.conftest import TINY

PUBLISHED = {"Mistral 7B": 128, "Llama 2 7B": 512, "Llama 2 13B": 800, "Llama 2 70B": 320}
"""KiB of keys and values for a token in float16, as their makers' configurations give them."""


@pytest.mark.parametrize(("name", "kib"), PUBLISHED.items())
def test_the_published_models_keep_what_is_known_of_them(name, kib):
    assert sharing(name, config_of(name), 4096).per_token == kib * 1024


@pytest.mark.parametrize("n_kv_heads", [6, 2, 1])
@pytest.mark.parametrize("windows", [5, (4, 2, 5)])
def test_bytes_are_those_of_the_tensors_of_a_ring(n_kv_heads, windows):
    config = replace(TINY, n_kv_heads=n_kv_heads, sliding_window=windows)
    row = sharing("tiny", config, 100, bytes_per_number=4)
    rings = KVCache(config, 1).rings
    assert row.read == sum(ring.keys.nbytes + ring.values.nbytes for ring in rings)
    assert row.per_token == sum((ring.keys.nbytes + ring.values.nbytes) // ring.keys.shape[2] for ring in rings)
    repeats = config.n_heads // n_kv_heads
    copied = [ring.keys.repeat_interleave(repeats, 1).nbytes * 2 for ring in rings]
    assert row.read_mha == sum(copied) and row.saves == repeats
    assert row.per_token_mqa * n_kv_heads == row.per_token
    assert row.kind == {6: "MHA", 2: "GQA", 1: "MQA"}[n_kv_heads]


def test_a_window_bounds_what_is_read_and_not_what_a_token_adds():
    long, short = (sharing("m", MISTRAL_7B, context) for context in (100_000, 10))
    assert long.read == 4096 * long.per_token and short.read == 10 * short.per_token
    assert sharing("m", MISTRAL_7B.with_window(None), 100_000).read == 100_000 * long.per_token


def test_groups_are_consecutive_heads_and_each_head_is_in_one():
    for config in (TINY, MISTRAL_7B, with_one_kv_head(TINY), replace(TINY, n_kv_heads=6)):
        groups = [group_of(config, kv_head) for kv_head in range(config.n_kv_heads)]
        assert [head for group in groups for head in group] == list(range(config.n_heads))
    for wrong in (2, -1, True):
        with pytest.raises(ValueError, match="each layer has 0 to 1"):
            group_of(TINY, wrong)


def test_one_head_shares_with_nobody():
    alone: MistralConfig = replace(TINY, n_heads=1, n_kv_heads=1)
    assert kind_of(alone) == "MHA"


def test_a_table_keeps_the_order_of_its_models():
    rows = sharing_table({name: config_of(name) for name in SHAPES}, 4096)
    assert [row.name for row in rows] == list(SHAPES)
    assert {row.name: row.kind for row in rows}["Llama 2 13B"] == "MHA"
