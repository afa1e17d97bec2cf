"""Facts pushed back: exact zeros beyond the reach, and ordinary words beside the chosen one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.cases import GIRL, NEUTRAL
from mistral_core.analysis.influence import default_replacement, forward_influence, kl_divergence, log_probs
from mistral_core.analysis.push_back import push_back, typical_beside
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.variants import in_dtype
from mistral_core.tokenizer import single_token
from tests.model.swaps import BUNDLED


@pytest.fixture(scope="module")
def loaded():
    return load_model(BUNDLED)


def test_a_fact_fades_and_is_gone_exactly_beyond_the_reach(loaded):
    model = in_dtype(loaded.model, torch.float64)
    case = replace(GIRL, fillers=tuple(" ".join(NEUTRAL[i : i + 5]) for i in range(0, len(NEUTRAL), 5)))
    seen = []
    found = push_back(model, loaded.tokenizer, case, lambda done, total, what: seen.append((done, total)))
    near, *_, last = found.swaps
    assert (found.marks, found.reach, seen[-1]) == ((16, 32, 48), 120, (4, 4))
    assert [swap.n_fillers for swap in found.swaps] == [0, 1, 2, 3]
    assert near.kl > 1
    assert near.first[0] > 100 * near.swapped[0]
    assert all(a.kl > 10 * b.kl for a, b in zip(found.swaps, found.swaps[1:], strict=False) if a.kl)
    assert all((swap.kl > 0) == (swap.distance <= 120) for swap in found.swaps)
    assert last.distance > 120
    assert last.first == last.swapped
    ids = [loaded.tokenizer.encode(case.text(which, 1)) for which in (0, 1)]
    p, q = (log_probs(model(torch.tensor([one]))[0, -1]) for one in ids)
    assert found.swaps[1].kl == pytest.approx(float(kl_divergence(p, q)), rel=1e-9)
    assert ids[0][found.swaps[1].position] == single_token(loaded.tokenizer, "girl")
    assert found.swaps[1].position + found.swaps[1].distance == len(ids[0]) - 1


def test_ordinary_words_are_measured_at_the_distances_of_the_chosen_one(loaded):
    case = replace(GIRL, fillers=NEUTRAL[:2])
    found = push_back(loaded.model, loaded.tokenizer, case)
    rows = typical_beside(loaded.model, loaded.tokenizer, found, seed=1)
    assert [row.distance for row in rows] == [swap.distance for swap in found.swaps]
    ids = loaded.tokenizer.encode(case.text(0, 2))
    far = found.swaps[-1]
    effects = {}
    for source in range(1, len(ids) // 2 + 1):
        influence = forward_influence(loaded.model, ids, source, default_replacement(ids, source, 1))
        if source + far.distance < len(ids):
            effects[source] = influence.kl[source + far.distance]
    del effects[far.position]  # the chosen word is not one of those beside it
    assert rows[-1].count == len(effects) == far.position - 1
    assert rows[-1].largest <= max(effects.values()) * 1.0001
    assert rows[-1].median == pytest.approx(float(np.median(list(effects.values()))), rel=1e-4), "all of these places"
    assert rows[0].count > rows[-1].count
