"""A token that has left every ring, and what it still does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mistral_core.analysis.forgotten import forgotten
from mistral_core.analysis.influence import forward_influence
from tests.conftest import TINY


def test_a_token_is_overwritten_and_not_forgotten_until_the_reach_ends(tiny_model64, draw_tokens):
    ids = draw_tokens(21)
    found = forward_influence(tiny_model64, ids, 4, 77)
    for step in range(4, 9):
        with pytest.raises(ValueError, match=r"still lies in the ring of layer 0 \(window 5\)"):
            forgotten(TINY, found, step)
    for step in range(9, 21):
        one = forgotten(TINY, found, step)
        assert one.traces_possible == (one.kl > 0) == (step - 4 <= 12)
        assert one.first_row == (-(-one.distance // 4) if one.distance <= 12 else None)
        assert (one.kl, one.distance) == (found.kl[step], step - 4)
    with pytest.raises(ValueError, match="step 3 does not come after position 4"):
        forgotten(TINY, found, 3)


def test_a_layer_without_a_window_never_forgets(draw_tokens):
    from mistral_core.model import random_model

    config = replace(TINY, sliding_window=(5, None, 5))
    found = forward_influence(random_model(config, std=0.4), draw_tokens(21), 4, 77)
    with pytest.raises(ValueError, match=r"ring of layer 1 \(window None\)"):
        forgotten(config, found, 20)
