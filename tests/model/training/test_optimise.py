"""Muon against torch's, which weights go where, clipping, and the rates over a run."""

import math

import pytest
import torch

from mistral_core.model import random_model
from mistral_core.training.muon import Muon, orthogonalised
from mistral_core.training.optimise import Optimisers
from mistral_core.training.schedule import rate_factor
from mistral_core.training.settings import Settings
from tests.conftest import TINY


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_muon_steps_as_torchs_does():
    shapes = [(24, 40), (40, 24), (24, 40), (12, 12)]
    ours = [torch.nn.Parameter(drawn(*shape, seed=i)) for i, shape in enumerate(shapes)]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    a = Muon(ours, 0.02, momentum=0.9, weight_decay=0.3)
    b = torch.optim.Muon(theirs, 0.02, weight_decay=0.3, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    first = [p.detach().clone() for p in ours]
    for step in range(3):
        for index, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            p.grad = drawn(*p.shape, seed=100 * step + index)
            q.grad = p.grad.clone()
        a.step(), b.step()
    for p, q, before in zip(ours, theirs, first, strict=True):
        moved = (q - before).abs().max()
        assert (p - q).abs().max() < 0.02 * moved  # both round to bfloat16, in another order


@pytest.mark.parametrize("shape", [(3, 10, 30), (2, 30, 10)])
def test_orthogonalised_has_singular_values_near_one_and_the_same_vectors(shape):
    matrices = drawn(*shape)
    made = orthogonalised(matrices, torch.float32)
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.transpose(1, 2) @ made @ v.transpose(1, 2)
    values = inside.diagonal(dim1=1, dim2=2)
    assert values.min() > 0.6 and values.max() < 1.3 and s.max() / s.min() > 2
    assert (inside - torch.diag_embed(values)).abs().max() < 1e-4


def test_muon_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"shape \(7,\).*AdamW"):
        Muon([torch.nn.Parameter(torch.ones(7))], 0.1)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_every_weight_is_trained_once_and_gains_are_not_decayed(kind):
    model = random_model(TINY).requires_grad_(True)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimisers = Optimisers(model, Settings(optimiser=kind, weight_decay=0.5, other_decay=0.25))
    for p in model.parameters():
        p.grad = torch.zeros_like(p)  # then only the decay acts
    optimisers.step(0.1)
    muon, adamw = 0.1 * 0.006, 0.1 * 0.004
    for name, p in model.named_parameters():
        inside = name.startswith("layers") and p.ndim == 2
        rate = (muon if kind == "muon" else adamw) if inside else adamw
        decay = 0.0 if p.ndim == 1 else 0.5 if inside else 0.25
        assert torch.allclose(p, before[name] * (1 - rate * decay), atol=1e-9), name
        assert p.grad is None


def test_gradients_are_clipped_together_and_a_divergence_changes_nothing():
    model = random_model(TINY).requires_grad_(True)
    optimisers = Optimisers(model, Settings(clip=0.5))
    for p in model.parameters():
        p.grad = torch.full_like(p, 2.0)
    norm = optimisers.step(1.0)
    assert norm == pytest.approx(2.0 * math.sqrt(sum(p.numel() for p in model.parameters())), rel=1e-5)
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.full_like(p, float("nan"))
    with pytest.raises(ValueError, match=r"diverged.*--muon-rate"):
        optimisers.step(1.0)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_the_seeds_schedule():
    settings = Settings(
        tokens=61_988_864, schedule=((22_800_000, 1.0), (45_500_000, 1 / 3), (61_988_864, 0.0)), warmup=200
    )
    assert settings.steps == 7567
    at = {seen: rate_factor(settings, seen // settings.step_tokens) for seen in (0, 819_200, 22_000_000, 45_500_000)}
    assert list(at.values()) == [pytest.approx(x, abs=2e-4) for x in (1 / 200, 101 / 200, 1.0, 1 / 3)]
    factors = [rate_factor(settings, step) for step in range(200, settings.steps)]
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] < 1e-3
