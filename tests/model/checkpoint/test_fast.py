"""What only makes it fast, against the plain files: the same bits, and every case in which a short cut must not be taken."""

import copy
import dataclasses

import pytest
import torch

from mistral_core.checkpoint import fast
from mistral_core.checkpoint.fast import FastKVCache, FastTransformer, OneWrite, multiply, neighbours, together
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.hooks import recording
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer, random_model
from tests.conftest import TINY, TINY_STD


def joined(sizes=(6, 2, 2), dim=5) -> list[torch.nn.Linear]:
    """Layers whose weights are slices of one block, as `load_model` makes them."""
    block = torch.randn(dim, sum(sizes), generator=torch.Generator().manual_seed(0))
    layers = [torch.nn.Linear(dim, size, bias=False) for size in sizes]
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


SHAPES = [(1, 16), (1, 17), (1, 300), (2, 9), (3, 2, 5), (64,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", ["rows", "columns", "part"])
def test_many_rows_are_multiplied_as_in_float64(shape, layout):
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(37, 24, generator=generator)
    weight = {
        "rows": weight,
        "columns": weight.t().contiguous().t(),
        "part": torch.cat((weight, weight)).t().contiguous().t()[:37],
    }[layout]
    x = torch.randn(*shape, 24, generator=generator)
    expected = (x.double() @ weight.double().t()).float()
    with torch.inference_mode():
        torch.testing.assert_close(multiply(x, weight), expected, rtol=0, atol=1e-5)
        apart = torch.randn(*shape, 48, generator=generator)[..., ::2]
        expected = (apart.double() @ weight.double().t()).float()
        torch.testing.assert_close(multiply(apart, weight), expected, rtol=0, atol=1e-5)


def test_a_row_does_not_depend_on_the_others():
    """What is exactly zero beyond a receptive field stays so."""
    generator = torch.Generator().manual_seed(6)
    x, weight = torch.randn(1, 200, 288, generator=generator), torch.randn(480, 288, generator=generator)
    other = x.clone()
    other[0, 77] = 1e6
    with torch.inference_mode():
        one, two = multiply(x, weight), multiply(other, weight)
    same = (one == two).all(-1)[0]
    assert not same[77] and same.sum() == 199


@pytest.mark.parametrize(
    ("rows", "dtype", "available"), [(15, torch.float32, True), (40, torch.float64, True), (40, torch.float32, False)]
)
def test_where_it_does_not_apply_it_is_torchs_own(monkeypatch, rows, dtype, available):
    monkeypatch.setattr(fast, "ONEDNN", fast.ONEDNN and available)
    generator = torch.Generator().manual_seed(7)
    x, weight = (torch.randn(n, 24, generator=generator, dtype=dtype) for n in (rows, 37))
    with torch.inference_mode():
        assert torch.equal(multiply(x, weight), torch.nn.functional.linear(x, weight))


@pytest.mark.parametrize("wanted", ["x", "weight"])
def test_gradients_of_many_rows(wanted):
    generator = torch.Generator().manual_seed(8)
    given = {"x": torch.randn(40, 24, generator=generator), "weight": torch.randn(37, 24, generator=generator)}
    given[wanted].requires_grad_(True)
    multiply(given["x"], given["weight"]).sum().backward()
    other = given["weight"] if wanted == "x" else given["x"]
    torch.testing.assert_close(given[wanted].grad, other.detach().sum(0).expand_as(given[wanted]))


def test_the_loaded_model_has_neighbours_and_its_copy_has_its_own():
    model = load_model(bundled_root() / "storyteller").model
    for block in model.layers:
        assert neighbours([block.attention.wq.weight, block.attention.wk.weight, block.attention.wv.weight])
        assert neighbours([block.feed_forward.w1.weight, block.feed_forward.w3.weight])
    other = copy.deepcopy(model)
    other.layers[0].feed_forward.w1.weight.zero_()
    assert model.layers[0].feed_forward.w1.weight.abs().sum() > 0


def pair(window, dtype=torch.float64, sinks=0):
    """A plain network and a fast one with the same parameters."""
    plain = random_model(
        dataclasses.replace(TINY, sliding_window=window, sinks=sinks), seed=3, std=TINY_STD, dtype=dtype
    )
    fast = FastTransformer(plain.config)
    fast.load_state_dict(plain.state_dict(), assign=True)
    return plain, fast.requires_grad_(False)


def contents(kv_cache):
    return [tensor for ring in kv_cache.rings for tensor in (ring.keys, ring.values, ring.positions)]


@pytest.mark.parametrize("window", [1, 2, 5, (1, 4, None), (3, 7)])
@pytest.mark.parametrize("chunks", [[1] * 23, [7, *[1] * 9, 5, 1, 1], [12, 11]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_step_has_the_bits_of_the_plain_network(window, chunks, dtype, draw_tokens):
    plain, fast = pair(window, dtype)
    rings = [model.empty_kv_cache(max_context=23) for model in (plain, fast)]
    assert [type(one) for one in rings] == [KVCache, FastKVCache]
    for chunk in torch.tensor([draw_tokens(23)]).split(chunks, 1):
        logits = [model(chunk, kv_cache=one) for model, one in zip((plain, fast), rings, strict=True)]
        assert torch.equal(*logits)
        assert all(torch.equal(a, b) for a, b in zip(*map(contents, rings), strict=True))
        assert torch.equal(rings[0].n_seen, rings[1].n_seen)


def test_named_tensors_have_the_bits_of_the_plain_network(draw_tokens):
    plain, fast = pair(5)
    assert fast.hook_names == plain.hook_names
    seen = []
    for model in (plain, fast):
        with recording(model.hook_names) as capture:
            model(torch.tensor([draw_tokens(9)]))
        seen.append(capture)
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in plain.hook_names)


def test_rows_of_different_lengths_have_the_bits_of_the_plain_network(draw_tokens):
    plain, fast = pair(4)
    tokens = torch.tensor([draw_tokens(6, 1), draw_tokens(6, 2)])
    rings = [model.empty_kv_cache(2) for model in (plain, fast)]
    for part, positions in (
        (tokens[:, :5], [[0, 1, 2, 3, 4], [0, 1, -1, -1, -1]]),
        (tokens[:, 5:], [[5], [2]]),
        (tokens[:, 5:], [[-1], [3]]),
    ):
        logits = [model(part, torch.tensor(positions), one) for model, one in zip((plain, fast), rings, strict=True)]
        assert torch.equal(*logits)
        assert all(torch.equal(a, b) for a, b in zip(*map(contents, rings), strict=True))


def test_a_plan_for_one_token_is_the_plain_one():
    for window in (1, 3, 5):
        plain, fast = KVCache(TINY.with_window(window)), FastKVCache(TINY.with_window(window))
        for position in range(9):
            expected, got = (one.plan(torch.tensor([[position]]))[window] for one in (plain, fast))
            assert isinstance(got, OneWrite)
            assert got.slot == int(expected.slots)
            for field in dataclasses.fields(expected):
                assert torch.equal(getattr(got, field.name), getattr(expected, field.name)), field.name


@pytest.mark.parametrize("positions", [[[1]], [[4]], [[0, 2]], [[-1, 1]]], ids=str)
def test_positions_that_do_not_continue_are_refused_all_the_same(positions):
    kv_cache = FastKVCache(TINY)
    with pytest.raises(ValueError, match=r"do not continue rows that have seen \[0\]"):
        kv_cache.plan(torch.tensor(positions))
    assert kv_cache.n_seen.tolist() == [0]


def test_padding_alone_writes_nothing():
    plain, fast = KVCache(TINY), FastKVCache(TINY)
    expected, got = (one.plan(torch.tensor([[-1]]))[5] for one in (plain, fast))
    assert len(got.slots) == len(expected.slots) == 0
    assert fast.n_seen.tolist() == [0]


def test_a_full_layer_still_refuses_to_overwrite():
    kv_cache = FastKVCache(TINY.with_window(None), max_context=2)
    for position in (0, 1):
        kv_cache.plan(torch.tensor([[position]]))
    with pytest.raises(ValueError, match="3 tokens do not fit into max_context 2"):
        kv_cache.plan(torch.tensor([[2]]))


def test_only_the_loader_makes_a_fast_network():
    assert type(load_model(bundled_root() / "storyteller").model) is FastTransformer
    assert type(random_model(TINY)) is Transformer
    assert set(Transformer(TINY).state_dict()) == set(FastTransformer(TINY).state_dict())


@pytest.mark.parametrize(("window", "sinks"), [(16, 0), ((16, 4, None), 0), (16, 2), (8, 4), (4, 12)])
def test_a_text_shorter_than_its_window_takes_no_slots_that_stay_empty(window, sinks, draw_tokens):
    """A window of 4,096 is a gigabyte in Mistral 7B, whatever is written."""
    plain = random_model(dataclasses.replace(TINY, sliding_window=window, sinks=sinks, n_layers=3), seed=2, std=0.4)
    fast = FastTransformer(plain.config)
    fast.load_state_dict(plain.state_dict(), assign=True)
    length, tokens = 9, torch.tensor([draw_tokens(9)])
    wide, few = plain.empty_kv_cache(max_context=length), fast.empty_kv_cache(max_context=length)
    for chunk in (tokens[:, :5], tokens[:, 5:6], tokens[:, 6:]):
        ours, theirs = fast(chunk, kv_cache=few), plain(chunk, kv_cache=wide)
        torch.testing.assert_close(ours, theirs)
    for ring, its in zip(few.rings, wide.rings, strict=True):
        assert ring.keys.shape[2] == min(max(length, sinks + 1), its.keys.shape[2])
        torch.testing.assert_close(ring.keys, its.keys[:, :, : ring.keys.shape[2]])
        assert torch.equal(ring.positions, its.positions[:, : ring.keys.shape[2]])
    assert few.nbytes < wide.nbytes
    with pytest.raises(ValueError, match=r"10 tokens do not fit into max_context 9"):
        fast(tokens[:, :1], kv_cache=few)
    assert int(few.n_seen) == 9
