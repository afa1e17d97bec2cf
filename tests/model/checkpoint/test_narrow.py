"""Weights in fewer bytes: against brute force in float64, and against float32 of the same rounded numbers."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mistral_core.analysis.accounting import kept_bytes
from mistral_core.checkpoint import load as loading
from mistral_core.checkpoint import narrow
from mistral_core.checkpoint.load import CheckpointError, load_model
from mistral_core.checkpoint.narrow import Int8Linear, int8_matrix, multiplied, product, to_int8, two_bytes
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.save import save_mistral
from mistral_core.checkpoint.tensors import from_half_split, hugging_face_name, rotary_heads
from mistral_core.checkpoint.variants import first_layers, in_dtype, with_windows
from mistral_core.hooks import recording
from mistral_core.model import random_model
from tests.model.checkpoint.folders import TINY, TOKENIZER, TOKENS

NARROW = ["bfloat16", "int8"]


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer_of(weight):
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.__class__ = Int8Linear
    del layer._parameters["weight"]
    layer.matrix = int8_matrix(weight)
    return layer


def by_hand(weight):
    """The numbers that int8 stands for, in float64, written out."""
    rows = []
    for row in weight.double().tolist():
        largest = max(map(abs, row))
        rows.append([round(number * 127 / largest) * largest / 127 if largest else 0.0 for number in row])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (96, 64), (33, 300)])
@pytest.mark.parametrize("lead", [(1, 1), (1, 9), (3, 4), (17,)])
def test_int8_product_is_brute_force_in_float64(either_way, shape, lead):
    weight, x = drawn(*shape), drawn(*lead, shape[1], seed=1)
    x[..., 0] *= 40  # one feature far larger than the others, as in trained networks
    (got,) = multiplied(x, layer_of(weight))
    expected = x.double() @ by_hand(weight).T
    bound = x.double().norm(dim=-1, keepdim=True) * by_hand(weight).norm(dim=1)
    assert got.dtype == torch.float32 and got.shape == (*lead, shape[0])
    assert float(((got - expected).abs() / bound.clamp_min(1e-12)).max()) < 1e-4


def test_eight_bits_of_the_input_alone_would_fail_that_bound():
    """The bound above separates: dropping the lower of the two numbers shows."""
    weight, x = drawn(96, 64), drawn(5, 64, seed=1)
    x[..., 0] *= 40
    rows = two_bytes(x)
    rows.numbers[len(x) :] = 128
    got = (rows.numbers.double() - 128)[: len(x)] * rows.unit @ by_hand(weight).T
    expected = x.double() @ by_hand(weight).T
    assert float(((got - expected).abs() / (x.norm(dim=-1, keepdim=True) * weight.norm(dim=1))).max()) > 1e-4


def test_two_bytes_say_a_row_to_sixteen_bits():
    x = torch.cat((drawn(4, 64), torch.zeros(1, 64), 1e-20 * drawn(1, 64), 1e20 * drawn(1, 64)))
    rows = two_bytes(x)
    upper, lower = (rows.numbers.double() - 128).chunk(2)
    assert float(upper.abs().max()) == 127 and float(lower.abs().max()) <= 127
    error = (rows.unit * (upper + lower / 254) - x).abs().amax(1)
    assert (error <= x.abs().amax(1) / 64_000 + 1e-37).all()


def test_int8_of_a_matrix_is_the_nearest_whole_number():
    weight = drawn(40, 30)
    weight[3] = 0
    numbers, scale = to_int8(weight)
    assert numbers.dtype == torch.int8 and int(numbers.abs().max()) == 127
    assert ((numbers * scale[:, None] - weight).abs() <= scale[:, None] / 2 * 1.0001).all()
    torch.testing.assert_close(int8_matrix(weight).widened().double(), by_hand(weight), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("count", [1, 6])
def test_rows_do_not_depend_on_what_is_computed_beside_them(count):
    if not narrow.int8_is_exact():
        pytest.skip("this processor sums no int8 products exactly")
    layer, x = layer_of(drawn(96, 64)), drawn(count + 5, 64)
    assert torch.equal(layer(x)[:count], layer(torch.cat((x[:count], 1e4 * x[count:])))[:count])
    assert torch.equal(layer(x)[:1], layer(x[:1]))


def test_not_a_number_stays_one(either_way):
    x = drawn(2, 64)
    x[0, 3] = torch.nan
    got = layer_of(drawn(8, 64))(x)
    assert got[0].isnan().all() and got[1].isfinite().all()


def test_bfloat16_product_is_float32_of_the_same_rounded_numbers(either_way):
    weight = drawn(96, 64).bfloat16()
    for lead in ((1, 1), (2, 9)):
        x = drawn(*lead, 64, seed=1)
        got, expected = product(x, weight), x.double() @ weight.double().T
        assert got.dtype == torch.float32
        assert float((got - expected).abs().max() / expected.abs().max()) < 2**-7


@pytest.fixture
def half_folder(tmp_path, model):
    save_mistral(model, tmp_path / "half", TOKENIZER, dtype=torch.bfloat16)
    return tmp_path / "half"


def stands_for(weights):
    """What a matrix becomes in this kind, in float64."""
    return by_hand if weights == "int8" else lambda weight: weight.bfloat16().double()


@pytest.mark.parametrize("folder", ["mistral_folder", "hf_folder", "half_folder"])
@pytest.mark.parametrize("weights", NARROW)
def test_the_network_computes_what_its_rounded_weights_say(request, either_way, folder, weights):
    """Against a plain network in float64 that is given the rounded numbers by this test."""
    folder = request.getfixturevalue(folder)
    loaded, exact = load_model(folder, weights=weights), load_model(folder)
    rounded = in_dtype(exact.model, torch.float64)
    for name, tensor in exact.model.state_dict().items():
        if tensor.ndim == 2:
            kind = "bfloat16" if name.startswith("tok") else weights
            rounded.get_parameter(name).copy_(stands_for(kind)(tensor))
    expected, got = rounded(TOKENS), loaded.model(TOKENS)
    assert got.dtype == torch.float32 == loaded.model.dtype
    assert float((got - expected).abs().max() / expected.abs().max()) < (1e-3 if weights == "int8" else 3e-2)
    assert float((exact.model(TOKENS) - got).abs().max()) > 0  # something was rounded
    assert (loaded.weights, loaded.model_hash) == (weights, exact.model_hash)
    assert weights in loaded.computes
    torch.testing.assert_close(in_dtype(loaded.model, torch.float64)(TOKENS), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", NARROW)
def test_every_named_tensor_is_there_in_the_dtype_and_shape_of_float32(mistral_folder, weights):
    seen = []
    for kind in ("float32", weights):
        model = load_model(mistral_folder, weights=kind).model
        with recording(model.hook_names) as capture:
            model(TOKENS)
        seen.append({name: (capture[name].shape, capture[name].dtype) for name in capture.values})
    assert seen[0] == seen[1]
    assert any(name.endswith("hook_result") for name in seen[0])


@pytest.mark.parametrize("weights", NARROW)
def test_token_by_token_is_the_dense_pass(mistral_folder, weights):
    model = load_model(mistral_folder, weights=weights).model
    kv_cache = model.empty_kv_cache(2)
    steps = torch.cat([model(tokens, kv_cache=kv_cache) for tokens in TOKENS.split([6, 1, 1, 1, 1, 3], 1)], 1)
    dense = model(TOKENS)
    assert float((steps - dense).abs().max() / dense.abs().max()) < (1e-4 if weights == "int8" else 3e-2)


@pytest.mark.parametrize("weights", NARROW)
def test_variants_and_copies_share_and_compute_the_same(mistral_folder, weights):
    model = load_model(mistral_folder, weights=weights).model
    same = [with_windows(model, TINY.sliding_window), first_layers(model, 2), in_dtype(model, torch.float32)]
    for variant in (*same, copy.deepcopy(model)):
        assert type(variant) is type(model)
        assert torch.equal(variant(TOKENS), model(TOKENS))
    if weights == "int8":
        assert same[0].layers[0].attention.wq.matrix is model.layers[0].attention.wq.matrix


@pytest.mark.parametrize("weights", NARROW)
def test_gradients_reach_the_stream(mistral_folder, weights):
    model = load_model(mistral_folder, weights=weights).model
    x = drawn(1, 3, TINY.dim).requires_grad_(True)
    part = model.layers[0].feed_forward
    (got,) = torch.autograd.grad(part(x).sum(), x)
    plain = in_dtype(model, torch.float32) if weights == "bfloat16" else model
    wide = in_dtype(plain, torch.float64).layers[0].feed_forward
    y = x.detach().double().requires_grad_(True)
    (expected,) = torch.autograd.grad(wide(y).sum(), y)
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)


def test_an_embedding_that_is_the_output_too(tmp_path):
    tied = random_model(replace(TINY, tied_embeddings=True), seed=1, std=0.4)
    save_mistral(tied, tmp_path / "m", TOKENIZER)
    expected = load_model(tmp_path / "m").model(TOKENS)
    for weights in NARROW:
        got = load_model(tmp_path / "m", weights=weights).model(TOKENS)
        assert 0 < float((got - expected).abs().max() / expected.abs().max()) < 0.2


def test_bfloat16_of_the_file_is_mapped_and_not_copied(half_folder):
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("which memory is mapped is read from /proc")
    model = load_model(half_folder, weights="bfloat16").model
    spans = [line.split()[0] for line in maps.read_text().splitlines() if "consolidated" in line]
    bounds = [tuple(int(end, 16) for end in span.split("-")) for span in spans]
    for parameter in model.parameters():
        if parameter.ndim == 2:
            assert any(low <= parameter.data_ptr() < high for low, high in bounds)
    stored = load_file(half_folder / "consolidated.safetensors")
    assert all(
        torch.equal(parameter, stored[name]) for name, parameter in model.named_parameters() if parameter.ndim == 2
    )


@pytest.mark.parametrize("weights", NARROW)
def test_bytes_that_are_announced_are_those_that_are_taken(mistral_folder, weights):
    model = load_model(mistral_folder, weights=weights).model
    taken = sum(parameter.nbytes for parameter in model.parameters())
    for module in model.modules():
        if isinstance(module, Int8Linear):
            matrix = module.matrix
            taken += matrix.numbers.nbytes + matrix.scale.nbytes + matrix.zero.nbytes
    assert kept_bytes(model.config)[weights] == taken


def test_float32_is_not_touched_by_the_choice():
    folder = bundled_root() / "storyteller"
    before, after = load_model(folder), load_model(folder, weights="float32")
    assert type(before.model) is type(after.model)
    stored = load_file(folder / "model.safetensors")
    for name, tensor in before.model.state_dict().items():
        assert torch.equal(tensor, after.model.state_dict()[name])
        heads = rotary_heads(before.config, name)
        expected = stored[hugging_face_name(name)].float()
        assert torch.equal(tensor, expected if heads is None else from_half_split(expected, heads))
    assert torch.equal(before.model(TOKENS), after.model(TOKENS))


@pytest.mark.parametrize("weights", NARROW)
def test_infinite_weights_are_refused_all_the_same(tmp_path, weights):
    broken = random_model(TINY)
    broken.layers[1].feed_forward.w2.weight[3, 4] = torch.inf
    save_mistral(broken, tmp_path / "m", TOKENIZER)
    with pytest.raises(CheckpointError, match=r"layers\.1\.feed_forward\.w2\.weight holds NaN or infinite"):
        load_model(tmp_path / "m", weights=weights)


def test_a_kind_that_there_is_not_is_refused(mistral_folder):
    with pytest.raises(ValueError, match="weights is 'int4'; it must be float32, bfloat16 or int8"):
        loading._refuse_kind.__wrapped__("int4", torch.float32, torch.device("cpu"))
    with pytest.raises(ValueError, match="int8 compute in float32 on the cpu, not in float64"):
        load_model(mistral_folder, weights="int8", dtype=torch.float64)


@pytest.mark.parametrize("remedy", NARROW)
def test_what_does_not_fit_is_told_what_would(mistral_folder, monkeypatch, remedy, asked="float32"):
    sizes = kept_bytes(TINY)
    one = 4 * TINY.vocab_size * TINY.dim
    monkeypatch.setattr(loading, "free_bytes", lambda: sizes[remedy] + one)
    with pytest.raises(CheckpointError, match=f"as {asked}, but .* load it as {remedy}, which needs"):
        load_model(mistral_folder, weights=asked)
    load_model(mistral_folder, weights=remedy)
    monkeypatch.setattr(loading, "free_bytes", lambda: sizes[remedy] + one - 1)
    with pytest.raises(CheckpointError, match=f"as {remedy}, but"):
        load_model(mistral_folder, weights=remedy)


def test_int8_is_not_saved_as_if_it_were_the_model(mistral_folder, tmp_path):
    with pytest.raises(ValueError, match=r"rounded to int8.*load it with float32 weights"):
        save_mistral(load_model(mistral_folder, weights="int8").model, tmp_path / "again", TOKENIZER)
