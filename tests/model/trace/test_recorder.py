"""From hooks to rows: by offset in every form, once per position, within the budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.hooks import recording, watching
from mistral_core.kv_cache import KVCache
from mistral_core.model import random_model
from mistral_core.trace.recorder import Recorder, by_offset, offset_columns
from mistral_core.trace.trace import RecordingPlan, hook_shapes
from tests.conftest import TINY, TINY_STD

EVERYTHING = tuple(name for group in hook_shapes(TINY).values() for name in group)
LENGTH = 17


def scattered(value, queries, keys, width, fill):
    """The definition, cell by cell: which column holds the key at position q - o, if any."""
    out = np.full((len(queries), value.shape[0], width), fill)
    for i, q in enumerate(queries):
        for o in range(width):
            for j, k in enumerate(keys):
                if k >= 0 and k == q - o:
                    out[i, :, o] = value[:, i, j]
    return out


FORMS = {
    "dense": (range(9), range(9), 4),
    "chunk beside an empty ring": (range(3), [-1, -1, -1, -1, 0, 1, 2], 4),
    "chunk beside a wrapped ring": ([6, 7, 8], [4, 5, 2, 3, 6, 7, 8], 4),
    "ring while decoding": ([6], [4, 5, 6, 3], 4),
    "ring not yet full": ([1], [0, 1, -1, -1], 4),
    "one slot": ([9], [9], 1),
    "far positions": ([50_000], [50_000, 49_997, 49_998, 49_999], 4),
    "width beyond the keys": ([2, 3], [0, 1, 2, 3], 7),
    "padding among the queries": ([-1, 5, -1], [4, -1, 2, 3, 5], 4),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fill", [0.0, -np.inf])
def test_by_offset_equals_its_definition(form, fill):
    queries, keys, width = (np.array(x) if not isinstance(x, int) else x for x in FORMS[form])
    value = np.random.default_rng(0).normal(size=(3, len(queries), len(keys)))
    got = by_offset(value, offset_columns(queries, keys, width), fill)
    np.testing.assert_array_equal(got, scattered(value, queries, keys, width, fill))


def record(config, tokens, chunks, plan=RecordingPlan(hooks=EVERYTHING), dtype=torch.float64):
    model = random_model(config, seed=2, std=TINY_STD, dtype=dtype)
    recorder = Recorder(config, plan, LENGTH, LENGTH, dtype)
    kv_cache, start = KVCache(config, max_context=LENGTH, dtype=dtype), 0
    for count in chunks:
        recorder.begin(start)
        with watching(recorder):
            model(torch.tensor([tokens[start : start + count]]), kv_cache=kv_cache)
        start += count
    return model, recorder


@pytest.mark.parametrize("window", [1, 4, None, (2, None, 6), (20, None, 40)])  # the last: equal widths, other rings
@pytest.mark.parametrize("chunks", [[17], [1] * 17, [9, 5, 1, 1, 1], [2, 3, 4, 8]], ids=str)
def test_every_hook_is_recorded_the_same_however_it_is_read(window, chunks, draw_tokens):
    """Against one dense pass without a ring, whose key axis is turned into offsets by hand."""
    config = TINY.with_window(window)
    tokens = draw_tokens(LENGTH)
    model, recorder = record(config, tokens, chunks)
    with recording(model.hook_names) as dense:
        model(torch.tensor([tokens]))
    assert set(recorder.arrays) == set(model.hook_names)
    for name, array in recorder.arrays.items():
        expected = dense[name][0].numpy()
        if name.endswith(("hook_pattern", "hook_attn_scores")):
            layer = int(name.split(".")[1])
            width = min(config.windows[layer] or LENGTH, LENGTH)
            fill = 0.0 if name.endswith("pattern") else -np.inf
            assert array.shape == (LENGTH, TINY.n_heads, width)
            expected = scattered(expected, range(LENGTH), range(LENGTH), width, fill)
        np.testing.assert_allclose(array, expected, atol=1e-10, rtol=0, err_msg=name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_models_are_recorded_in_float32_exactly(dtype, draw_tokens):
    tokens = draw_tokens(LENGTH)
    model, recorder = record(TINY, tokens, [LENGTH], dtype=dtype)
    with recording(["hook_logits", "layers.2.hook_resid_post"]) as seen:
        model(torch.tensor([tokens]), kv_cache=KVCache(TINY, dtype=dtype))
    for name in seen.values:
        assert recorder.arrays[name].dtype == np.float32
        np.testing.assert_array_equal(recorder.arrays[name], seen[name][0].float().numpy())


def test_nothing_beyond_the_plan_is_kept(draw_tokens):
    plan = RecordingPlan(hooks=("hook_embed", "attention.hook_v"), layers=(2,))
    _, recorder = record(TINY, draw_tokens(LENGTH), [LENGTH], plan)
    assert list(recorder.arrays) == ["hook_embed", "layers.2.attention.hook_v"]
    assert recorder.omitted == ()


def test_the_budget_counts_what_is_allocated_and_names_what_is_left_out(draw_tokens):
    plan = RecordingPlan(hooks=("hook_embed", "hook_logits", "attention.hook_v"), layers=(0, 1))
    sizes = {
        "hook_embed": LENGTH * 24 * 8,
        "hook_logits": LENGTH * 300 * 8,
        "layers.1.attention.hook_v": LENGTH * 12 * 8,
    }
    tight = RecordingPlan(
        hooks=plan.hooks, layers=plan.layers, budget_bytes=sizes["hook_embed"] + sizes["layers.1.attention.hook_v"]
    )
    _, recorder = record(TINY, draw_tokens(LENGTH), [LENGTH], tight)
    assert {name: array.nbytes for name, array in recorder.arrays.items()} == {
        name: size for name, size in sizes.items() if name != "hook_logits"
    }
    assert [line.split(":")[0] for line in recorder.omitted] == ["hook_logits", "layers.0.attention.hook_v"]
    assert f"{sizes['hook_logits']:,} bytes" in recorder.omitted[0]
    cost = plan.cost(TINY, LENGTH, LENGTH, 8)
    assert {name: cost[name] for name in sizes} == sizes


def test_a_hook_that_does_not_fit_in_all_layers_is_kept_in_layers_spread_evenly():
    """What is small comes first, so that a long text keeps its keys and values; the rest goes to attention."""
    config = replace(TINY, n_layers=8, sliding_window=None)
    plan = RecordingPlan()
    cost = plan.cost(config, 100, 100)
    pattern = cost["layers.0.attention.hook_pattern"]
    small = sum(size for name, size in cost.items() if "pattern" not in name)
    kept = {}
    for count in range(9):
        plan = RecordingPlan(budget_bytes=small + count * pattern + pattern // 2)
        names, omitted = plan.fit(config, 100, 100)
        layers = [int(name.split(".")[1]) for name in names if "pattern" in name]
        kept[count] = layers
        assert len(layers) == count and len(names) + len(omitted) == len(cost)
        assert sum("pattern" not in name for name in names) == 17, "logits, and keys and values of eight layers"
        gaps = np.diff([-1, *layers])
        assert not count or (layers[-1] == 7 and gaps.max() - gaps.min() <= 1)
    assert kept[2] == [3, 7] and kept[4] == [1, 3, 5, 7]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("window", [5, 100, None])
def test_the_price_is_known_before_the_run(dtype, window):
    config, plan = TINY.with_window(window), RecordingPlan(hooks=EVERYTHING)
    recorder = Recorder(config, plan, LENGTH, LENGTH, dtype)
    itemsize = 8 if dtype == torch.float64 else 4
    assert {name: array.nbytes for name, array in recorder.arrays.items()} == plan.cost(
        config, LENGTH, LENGTH, itemsize
    )


def test_attention_is_never_wider_than_the_text():
    """A window of 4,096 and a text of 17: 17 columns."""
    recorder = Recorder(TINY.with_window(4096), RecordingPlan(), LENGTH, LENGTH, torch.float32)
    assert recorder.arrays["layers.0.attention.hook_pattern"].shape == (LENGTH, TINY.n_heads, LENGTH)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (RecordingPlan(hooks=("hook_nothing",)), "no hook is called 'hook_nothing'; hooks are "),
        (RecordingPlan(layers=(0, 3)), r"layers \[3\] are not in this model; it has layers 0 to 2"),
        (RecordingPlan(layers=(-1,)), r"layers \[-1\]"),
    ],
)
def test_unknown_hooks_and_layers_are_refused(plan, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan.names(TINY)
