"""The training computation is the network's: the same logits and the same gradients, and no trace of dropout."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mistral_core.hooks import replacing
from mistral_core.model import Transformer, random_model
from mistral_core.training.network import TrainingNetwork, initialise
from tests.conftest import TINY, TINY_STD

SHAPES = {
    "grouped": TINY,
    "window 1": replace(TINY, sliding_window=1),
    "window above the least block": replace(TINY, sliding_window=21),
    "window as long as the text": replace(TINY, sliding_window=50),
    "no window": replace(TINY, sliding_window=None),
    "other windows in other layers": replace(TINY, sliding_window=(3, None, 17)),
    "a key for each head": replace(TINY, n_kv_heads=6),
    "one key for all": replace(TINY, n_kv_heads=1),
    "tied": replace(TINY, tied_embeddings=True),
}


def trainable(config):
    return random_model(config, seed=5, std=TINY_STD, dtype=torch.float64).requires_grad_(True)


def tokens_of(length, rows=2):
    return torch.randint(3, 300, (rows, length), generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("length", [50, 16, 7], ids=lambda n: f"{n} tokens")
@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_logits_and_gradients_are_those_of_the_network(config, length):
    model = trainable(config)
    tokens = tokens_of(length)
    wanted = model(tokens)
    found = TrainingNetwork(model).logits(tokens)
    assert (wanted - found).abs().max() < 1e-11 < wanted.abs().max()
    pull = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parameters = dict(model.named_parameters())
    for (name, _), a, b in zip(
        parameters.items(),
        torch.autograd.grad(wanted, parameters.values(), pull),
        torch.autograd.grad(found, parameters.values(), pull),
        strict=True,
    ):
        assert (a - b).abs().max() <= 1e-10 * a.abs().max(), name  # of wq, with W = 1, exactly 0


def test_the_loss_is_the_mean_of_the_surprises():
    model = trainable(TINY)
    tokens = tokens_of(20)
    logits = model(tokens[:, :-1])
    by_hand = -logits.log_softmax(-1).gather(-1, tokens[:, 1:, None]).mean()
    assert TrainingNetwork(model)(tokens[:, :-1], tokens[:, 1:]).item() == pytest.approx(by_hand.item(), abs=1e-12)


def test_a_fault_in_the_window_would_be_seen():
    model, tokens = trainable(TINY), tokens_of(50)
    other = Transformer(replace(TINY, sliding_window=6)).double()
    other.load_state_dict(model.state_dict())
    assert (TrainingNetwork(other).logits(tokens) - model(tokens)).abs().max() > 1e-3


def test_dropout_drops_what_was_drawn_and_scales_the_rest():
    model, tokens = trainable(TINY), tokens_of(12)
    network = TrainingNetwork(model, dropout=0.3)
    clean = model(tokens)
    kept = network.draw(tokens, torch.Generator().manual_seed(0))
    assert kept.shape == (1 + 2 * 3, 2, 12, TINY.dim)
    assert kept.double().mean().item() == pytest.approx(0.7, abs=0.02)
    assert not torch.equal(kept, network.draw(tokens, torch.Generator().manual_seed(1)))
    dropped = network.logits(tokens, kept)
    scale = kept.double().transpose(0, 1) / 0.7  # [batch, places, pos, dim]
    names = ["hook_embed", *(f"layers.{i}.hook_{part}_out" for i in range(3) for part in ("attn", "mlp"))]
    masks = {name: scale[:, place] for place, name in enumerate(names)}
    with replacing({name: lambda value, mask=mask: value * mask for name, mask in masks.items()}):
        by_hooks = model(tokens)
    assert (dropped - by_hooks).abs().max() < 1e-11
    assert (dropped - clean).abs().max() > 1e-2


def test_without_dropout_nothing_is_drawn_and_the_network_of_the_application_never_drops():
    model, tokens = trainable(TINY), tokens_of(12)
    assert TrainingNetwork(model).draw(tokens, torch.Generator()) is None
    clean = model(tokens)
    network = TrainingNetwork(model.train(), dropout=0.9)
    assert torch.equal(model(tokens), clean)
    assert (network.logits(tokens) - clean).abs().max() < 1e-11


def test_first_weights_are_drawn_by_the_seed_and_writers_into_the_stream_are_smaller():
    a, b, c = (Transformer(replace(TINY, dim=96, vocab_size=900)) for _ in range(3))
    initialise(a, 1), initialise(b, 1), initialise(c, 2)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.output.weight, c.output.weight)
    assert a.norm.weight.eq(1).all()
    assert a.tok_embeddings.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert a.layers[0].feed_forward.w2.weight.std().item() == pytest.approx(0.02 / 6**0.5, rel=0.05)


def test_bfloat16_products_stay_near():
    model = random_model(TINY, seed=5, std=0.1).requires_grad_(True)
    tokens = tokens_of(40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = TrainingNetwork(model)(tokens[:, :-1], tokens[:, 1:])
    assert loss.dtype == torch.float32
    exact = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
