"""What heads look at: hand-made attention with known answers, and plain loops over the square of a real run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mistral_core.analysis.flow import square
from mistral_core.analysis.heads import MEASURES, hide_sink, per_query, summarise
from mistral_core.trace.trace import RecordingPlan
from tests.conftest import TINY
from tests.model.writing import asked, written

LENGTH, WIDTH = 6, 3
TOKENS = np.array([1, 7, 8, 7, 8, 8])
NAN = math.nan


def hand_made():
    """Head 0 looks at itself alone, head 1 at the token before, head 2 everywhere alike."""
    pattern = np.zeros((LENGTH, 3, WIDTH))
    pattern[:, 0, 0] = 1
    pattern[0, 1, 0] = 1
    pattern[1:, 1, 1] = 1
    for query in range(LENGTH):
        seen = min(query + 1, WIDTH)
        pattern[query, 2, :seen] = 1 / seen
    return pattern


def test_every_measure_of_the_hand_made_heads():
    found = per_query(hand_made(), TOKENS)
    third = 1 / 3
    expected = {
        "distance": ([0] * 6, [0, 1, 1, 1, 1, 1], [0, 0.5, 1, 1, 1, 1]),
        "entropy": ([0] * 6, [0] * 6, [0, 1, *[math.log2(3)] * 4]),
        "oldest": ([NAN, 0, 0, 0, 0, 0], [NAN, 1, 0, 0, 0, 0], [NAN, 0.5, *[third] * 4]),
        "first": ([NAN, 0, 0, NAN, NAN, NAN], [NAN, 1, 0, NAN, NAN, NAN], [NAN, 0.5, third, NAN, NAN, NAN]),
        "previous": ([NAN, 0, 0, 0, 0, 0], [NAN, 1, 1, 1, 1, 1], [NAN, 0.5, *[third] * 4]),
        # 7 at 3 follows 7 at 1: key 2. 8 at 4 follows 8 at 2: key 3. 8 at 5: 8 at 2 and at 4: keys 3 (and 5 = itself)
        "induction": ([NAN] * 3 + [0] * 3, [NAN] * 3 + [1, 1, 0], [NAN] * 3 + [third] * 3),
    }
    assert set(expected) == set(MEASURES) == set(found)
    for name, heads in expected.items():
        np.testing.assert_allclose(found[name], np.array(heads).T, err_msg=name)


def test_a_window_of_one_has_no_other_key():
    found = per_query(np.ones((4, 2, 1), np.float16), TOKENS[:4])
    assert (found["distance"] == 0).all()
    for name in ("oldest", "first", "previous", "induction"):
        assert np.isnan(found[name]).all(), name


@pytest.fixture(scope="module")
def run_trace(tiny_model, tokenizer):
    repeated = (1, *[70, 80, 90] * 4, 71)
    request = asked(4, prompt_ids=repeated)
    return written(tiny_model, tokenizer, request, plan=RecordingPlan()).trace()


def test_the_summary_of_a_run_is_what_loops_over_the_square_find(run_trace):
    found, ids, window = summarise(run_trace), run_trace.token_ids.tolist(), TINY.windows[0]
    for layer in range(TINY.n_layers):
        for head, weights in enumerate(square(run_trace.pattern(layer)).astype(np.float64)):
            kept = {name: [] for name in MEASURES}
            for q in range(len(ids)):
                keys = range(max(0, q - window + 1), q + 1)
                kept["distance"].append(sum(weights[q, k] * (q - k) for k in keys))
                kept["entropy"].append(-sum(weights[q, k] * math.log2(weights[q, k]) for k in keys if weights[q, k]))
                if q:
                    kept["oldest"].append(weights[q, keys[0]])
                    kept["previous"].append(weights[q, q - 1])
                    if 0 in keys:
                        kept["first"].append(weights[q, 0])
                follow = [k for k in keys if 0 < k < q and ids[k - 1] == ids[q]]
                if follow:
                    kept["induction"].append(sum(weights[q, k] for k in follow))
            for name, values in kept.items():
                assert found.queries[name][layer] == len(values) > 0
                assert getattr(found, name)[layer, head] == pytest.approx(np.mean(values), rel=1e-6), name


def test_a_hidden_sink_leaves_the_others_in_proportion():
    pattern = hand_made()
    shown = hide_sink(pattern)
    np.testing.assert_allclose(shown[:3, 2], [[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0]])
    assert np.array_equal(shown[3:], pattern[3:])  # they cannot see position 0
    assert not shown[1, 1].any()  # it looked at nothing else: an empty row, no invented one
    other = hide_sink(pattern, 3)
    np.testing.assert_allclose(other[3:, 2], [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    assert np.array_equal(other[:3], pattern[:3])
    assert pattern[0, 2, 0] == 1  # the trace itself is untouched
    with pytest.raises(ValueError, match="position 6 cannot be hidden"):
        hide_sink(pattern, 6)
