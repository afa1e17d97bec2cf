"""Projections multiplied at once, against each one alone; and every case in which that must not happen."""

import copy

import pytest
import torch

from mistral_core.checkpoint.fast import Projection, neighbours, together
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root


def joined(sizes=(6, 2, 2), dim=5) -> list[Projection]:
    """Layers whose weights are slices of one block, as `load_model` makes them."""
    block = torch.randn(dim, sum(sizes), generator=torch.Generator().manual_seed(0))
    layers = [Projection(dim, size) for size in sizes]
    for layer, part in zip(layers, block.t().split(sizes), strict=True):
        layer.weight = torch.nn.Parameter(part, requires_grad=False)
    return layers


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))


def test_together_is_each_alone(x):
    layers = joined()
    assert neighbours([layer.weight for layer in layers])
    for got, layer in zip(together(x, *layers), layers, strict=True):
        torch.testing.assert_close(got, x @ layer.weight.t())


def test_an_edit_of_one_weight_is_seen(x):
    layers = joined()
    before = together(x, *layers)
    layers[1].weight.mul_(2)
    after = together(x, *layers)
    torch.testing.assert_close(after[1], 2 * before[1])
    torch.testing.assert_close(after[2], before[2])


def replaced(layers):
    layers[1].weight = torch.nn.Parameter(torch.zeros(2, 5), requires_grad=False)


def another_order(layers):
    layers[1], layers[2] = layers[2], layers[1]


def cast(layers):
    for layer in layers:
        layer.double()


def trainable(layers):
    for layer in layers:
        layer.requires_grad_(True)


def by_rows(layers):
    for layer in layers:
        layer.weight = torch.nn.Parameter(layer.weight.contiguous(), requires_grad=False)


@pytest.mark.parametrize("change", [replaced, another_order, cast, trainable, by_rows])
def test_weights_that_are_no_neighbours_are_multiplied_one_by_one(x, change):
    layers = joined()
    change(layers)
    assert not neighbours([layer.weight for layer in layers])
    x = x.to(layers[0].weight.dtype)
    for got, layer in zip(together(x, *layers), layers, strict=True):
        torch.testing.assert_close(got, x @ layer.weight.t())


def test_hooks_of_torch_still_fire(x):
    layers, seen = joined(), []
    layers[2].register_forward_hook(lambda module, inputs, output: seen.append(output))
    got = together(x, *layers)
    assert len(seen) == 1 and torch.equal(seen[0], got[2])


def test_gradients_reach_the_input(x):
    layers = joined()
    x.requires_grad_(True)
    sum(part.sum() for part in together(x, *layers)).backward()
    torch.testing.assert_close(x.grad, sum(layer.weight.sum(0) for layer in layers).expand_as(x))


def test_the_loaded_model_has_neighbours_and_its_copy_has_its_own():
    model = load_model(bundled_root() / "storyteller").model
    for block in model.layers:
        assert neighbours([block.attention.wq.weight, block.attention.wk.weight, block.attention.wv.weight])
        assert neighbours([block.feed_forward.w1.weight, block.feed_forward.w3.weight])
    other = copy.deepcopy(model)
    other.layers[0].feed_forward.w1.weight.zero_()
    assert model.layers[0].feed_forward.w1.weight.abs().sum() > 0
