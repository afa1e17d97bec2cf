"""Every size of a chunk gives what one pass gives; written first, only the sizes that the slack allows do."""

import math
from dataclasses import replace

import pytest
import torch

from mistral_core.analysis.chunked import (
    ITSELF,
    LATER,
    LOST,
    OLDER,
    RING,
    WriteFirst,
    chunk_errors,
    chunk_pairs,
    chunked_logits,
    largest_exact_chunk,
)
from mistral_core.mask import allowed
from mistral_core.model import random_model
from tests.conftest import TINY

LENGTH, WINDOW = 23, 5
SIZES = tuple(range(1, LENGTH + 1))


@pytest.mark.parametrize("slack", [0, 3])
@pytest.mark.parametrize("sinks", [0, 2])
def test_read_first_is_exact_for_every_size_and_written_first_up_to_the_slack(draw_tokens, slack, sinks):
    model = random_model(replace(TINY, sinks=sinks), seed=11, std=0.4, dtype=torch.float64)
    errors = {one.size: one for one in chunk_errors(model, draw_tokens(LENGTH), SIZES, slack)}
    assert max(one.right for one in errors.values()) < 1e-9
    for size, one in errors.items():
        if size <= largest_exact_chunk(slack):
            assert one.wrong < 1e-9, size
        else:
            assert math.isnan(one.wrong) or one.wrong > 1e-4, size
    assert math.isnan(errors[WINDOW + slack + 1].wrong) or sinks, "the first query has overwritten its own key"


def test_written_first_is_the_dense_pass_with_the_lost_keys_masked(draw_tokens):
    """Against a mask built by a ring of plain Python: chunks are written into it, and what it still holds may be seen."""
    ids, size = draw_tokens(LENGTH, 2), 4
    model = random_model(TINY, seed=11, std=0.4, dtype=torch.float64)
    ring, visible = {}, torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    for start in range(0, LENGTH, size):
        chunk = range(start, min(LENGTH, start + size))
        ring |= {position % WINDOW: position for position in chunk}
        for query in chunk:
            visible[query, sorted(ring.values())] = True
    positions = torch.arange(LENGTH)[None]
    visible &= allowed(positions, positions, WINDOW)[0]

    class Mask:
        def wants(self, name):
            return name.endswith("hook_attn_scores")

        def visit(self, name, value, query_positions, key_positions):
            return value.masked_fill(~visible, float("-inf"))

    from mistral_core.hooks import watching

    with watching(Mask()), torch.inference_mode():
        wanted = model(torch.tensor([ids]))[0]
    made = chunked_logits(model, ids, size, WriteFirst(TINY))
    torch.testing.assert_close(made, wanted, rtol=1e-9, atol=1e-9)


def test_a_layer_without_a_window_loses_nothing(draw_tokens):
    model = random_model(replace(TINY, sliding_window=None), seed=11, std=0.4, dtype=torch.float64)
    (one,) = chunk_errors(model, draw_tokens(LENGTH), [7])
    assert one.right < 1e-9 and one.wrong < 1e-9


def test_a_chunk_of_nothing_is_refused(tiny_model, draw_tokens):
    with pytest.raises(ValueError, match="at least 1"):
        chunked_logits(tiny_model, draw_tokens(3), 0)


@pytest.mark.parametrize("sinks", [0, 2])
@pytest.mark.parametrize("slack", [None, 0, 3])
@pytest.mark.parametrize("size", [1, 3, WINDOW, WINDOW + 1, 2 * WINDOW + 3])
def test_the_blocks_of_a_chunk_are_those_of_a_ring_that_is_written_in_plain_python(size, slack, sinks):
    slots = WINDOW + (slack or 0)
    for start in range(0, LENGTH, size):
        stop = min(LENGTH, start + size)
        keys, pairs = chunk_pairs(start, stop, WINDOW, sinks=sinks, lost_from=slack)
        ring = {}  # written first: what of all tokens up to the end of the chunk is still there
        for position in range(stop):
            ring[position if position < sinks else sinks + (position - sinks) % slots] = position
        for row, query in zip(pairs.tolist(), range(start, stop), strict=True):
            for key, pair in zip(keys, row, strict=True):
                seen = key <= query and (query - key < WINDOW or key < sinks)
                gone = slack is not None and key not in ring.values()
                if not seen:
                    assert pair == (LATER if key > query else OLDER)
                else:
                    assert pair == (LOST if gone else ITSELF if key >= start else RING), (start, query, key)
        assert set(range(max(0, start - WINDOW + 1), stop)) <= set(keys), "all that a query may see is drawn"


def test_a_chunk_without_tokens_has_no_blocks():
    with pytest.raises(ValueError, match="at least one token"):
        chunk_pairs(4, 4, WINDOW)
