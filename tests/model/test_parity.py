"""The network against two others: transformers' Mistral and the loops of `reference.py`."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import transformers

from mistral_core.config import MistralConfig
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer, random_model
from tests.conftest import TINY, TINY_STD
from tests.model import reference

LENGTH = 23  # more than 4 windows of 5
SHAPES = {
    "grouped": TINY,
    "one key head": dataclasses.replace(TINY, n_kv_heads=1, head_dim=10, rope_theta=1e6),
    "no groups": dataclasses.replace(TINY, n_kv_heads=6, head_dim=2),
    "tied": dataclasses.replace(TINY, tied_embeddings=True),
}


def theirs(model: Transformer) -> transformers.MistralForCausalLM:
    """transformers' model with the same weights, rotary pairs moved to its half-split layout."""
    c = model.config
    window = c.sliding_window
    assert window is None or isinstance(window, int)
    config = transformers.MistralConfig(
        vocab_size=c.vocab_size,
        hidden_size=c.dim,
        intermediate_size=c.hidden_dim,
        num_hidden_layers=c.n_layers,
        num_attention_heads=c.n_heads,
        num_key_value_heads=c.n_kv_heads,
        head_dim=c.head_dim,
        rms_norm_eps=c.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta},
        sliding_window=window,
        tie_word_embeddings=c.tied_embeddings,
        attn_implementation="eager",
        max_position_embeddings=4096,
        pad_token_id=None,
        bos_token_id=1,
        eos_token_id=2,
    )
    other = transformers.MistralForCausalLM(config).to(model.tok_embeddings.weight.dtype).eval()
    ours = model.state_dict()
    state = {"model.embed_tokens.weight": ours["tok_embeddings.weight"], "model.norm.weight": ours["norm.weight"]}
    state["lm_head.weight"] = ours["tok_embeddings.weight" if c.tied_embeddings else "output.weight"]
    names = {
        "self_attn.v_proj": "attention.wv",
        "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1",
        "mlp.down_proj": "feed_forward.w2",
        "mlp.up_proj": "feed_forward.w3",
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    for layer in range(c.n_layers):
        for hf, name in names.items():
            state[f"model.layers.{layer}.{hf}.weight"] = ours[f"layers.{layer}.{name}.weight"]
        for hf, name in (("q_proj", "wq"), ("k_proj", "wk")):
            rows = ours[f"layers.{layer}.attention.{name}.weight"].unflatten(0, (-1, c.head_dim))
            halves = torch.cat((rows[:, 0::2], rows[:, 1::2]), dim=1).flatten(0, 1)
            state[f"model.layers.{layer}.self_attn.{hf}.weight"] = halves
    other.load_state_dict(state, strict=True)
    return other


def drawn(length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, TINY.vocab_size, length).tolist()


def built(config: MistralConfig, dtype: torch.dtype = torch.float64, std: float = TINY_STD) -> Transformer:
    return random_model(config, seed=5, std=std, dtype=dtype)


def far_apart(logits: np.ndarray) -> None:
    """A comparison of flat distributions would show nothing."""
    assert np.median(np.ptp(logits, axis=-1)) > 1


@pytest.mark.parametrize("window", [1, 2, 5, LENGTH, LENGTH + 1, None])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_logits_equal_transformers(shape, window, dtype, bound):
    """The float64 bound is theirs: their norm, rotary angles and eager softmax stay float32 in a float64 model."""
    model = built(SHAPES[shape].with_window(window), dtype, std=0.25)
    tokens = torch.tensor([drawn(LENGTH, 1), drawn(LENGTH, 2)])
    with torch.no_grad():
        expected = theirs(model)(input_ids=tokens, use_cache=False).logits.double().numpy()
    got = model(tokens).double().numpy()
    far_apart(expected)
    assert np.abs(got - expected).max() <= bound * np.abs(expected).max()


@pytest.mark.parametrize("window", [1, 2, 5, LENGTH, None, (1, 4, None), (3, 7)])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_the_loops(shape, window):
    model = built(SHAPES[shape].with_window(window))
    expected = reference.logits(reference.weights_of(model), model.config, drawn(LENGTH))
    far_apart(expected)
    assert np.abs(model(torch.tensor([drawn(LENGTH)]))[0].numpy() - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("window", [1, 2, 5, None])
def test_decoding_past_three_windows_equals_transformers_dense(window):
    """Against its dense path: its own cached decode is wrong at W = 1."""
    model = built(TINY.with_window(window), torch.float32)
    tokens = drawn(LENGTH, 3)
    with torch.no_grad():
        expected = theirs(model)(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
    kv_cache = KVCache(model.config, max_context=LENGTH)
    for position, token in enumerate(tokens):
        got = model(torch.tensor([[token]]), kv_cache=kv_cache)[0, 0]
        assert (got - expected[position]).abs().max() <= 1e-4 * expected.abs().max(), position


@pytest.mark.parametrize("window", [1, 2, 5, LENGTH, None, (1, 4, None), (2, 9)])
@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 6, 13, LENGTH])
def test_chunks_and_decode_equal_the_loops(window, chunk):
    """Chunks below, at and above the window, most of them not dividing the length; then three tokens."""
    model = built(TINY.with_window(window))
    tokens = drawn(LENGTH, 4)
    expected = reference.logits(reference.weights_of(model), model.config, tokens)
    kv_cache = KVCache(model.config, max_context=LENGTH, dtype=torch.float64)
    prompt, parts = LENGTH - 3, []
    for start in range(0, prompt, chunk):
        parts.append(model(torch.tensor([tokens[start : min(start + chunk, prompt)]]), kv_cache=kv_cache)[0])
    parts += [model(torch.tensor([[token]]), kv_cache=kv_cache)[0] for token in tokens[prompt:]]
    assert np.abs(torch.cat(parts).numpy() - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("window", [1, 4, None, (2, None, 6)])
@pytest.mark.parametrize("side", ["left", "right", "mixed"])
def test_ragged_batch_equals_each_row_alone(window, side):
    """Chunks with padding on either side, and decode steps in which some rows have nothing."""
    model = built(TINY.with_window(window))
    texts = [drawn(n, n) for n in (19, 3, 11)]
    expected = [reference.logits(reference.weights_of(model), model.config, text) for text in texts]
    kv_cache = KVCache(model.config, batch=3, max_context=LENGTH, dtype=torch.float64)
    got: list[list[np.ndarray]] = [[], [], []]
    fed = [0, 0, 0]
    for step, sizes in enumerate([(5, 1, 7), (1, 0, 1), (9, 1, 2), (1, 1, 0), (1, 0, 1), (2, 0, 0)]):
        width = max(sizes)
        tokens, positions = torch.zeros(3, width, dtype=torch.long), torch.full((3, width), -1)
        columns = {}
        for row, size in enumerate(sizes):
            at = {"left": width - size, "right": 0, "mixed": (width - size) if (row + step) % 2 else 0}[side]
            columns[row] = slice(at, at + size)
            tokens[row, columns[row]] = torch.tensor(texts[row][fed[row] : fed[row] + size], dtype=torch.long)
            positions[row, columns[row]] = torch.arange(fed[row], fed[row] + size)
            fed[row] += size
        logits = model(tokens, positions=positions, kv_cache=kv_cache)
        assert torch.isfinite(logits).all()
        for row in range(3):
            got[row] += list(logits[row, columns[row]].numpy())
    assert fed == [19, 3, 11]
    for row in range(3):
        assert np.abs(np.array(got[row]) - expected[row]).max() <= 1e-12 * np.abs(expected[row]).max()


@pytest.mark.parametrize("side", ["left", "right"])
def test_ragged_batch_without_a_ring(side):
    model = built(TINY)
    texts = [drawn(n, n) for n in (17, 6)]
    tokens, positions = torch.zeros(2, 17, dtype=torch.long), torch.full((2, 17), -1)
    for row, text in enumerate(texts):
        columns = slice(17 - len(text), 17) if side == "left" else slice(0, len(text))
        tokens[row, columns], positions[row, columns] = torch.tensor(text), torch.arange(len(text))
    got = model(tokens, positions=positions)
    for row, text in enumerate(texts):
        expected = reference.logits(reference.weights_of(model), model.config, text)
        assert np.abs(got[row][positions[row] >= 0].numpy() - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("chunk", [1, 4, 23])
def test_bfloat16_stays_near_float64(chunk):
    """8 bits of mantissa: within 10 % of the largest logit everywhere, within 2 % in the mean."""
    config = TINY.with_window(6)
    model = random_model(config, seed=5, std=0.2, dtype=torch.bfloat16)
    exact = reference.logits(reference.weights_of(model), config, drawn(LENGTH))
    kv_cache = KVCache(config, dtype=torch.bfloat16)
    parts = [model(part, kv_cache=kv_cache)[0] for part in torch.tensor([drawn(LENGTH)]).split(chunk, dim=1)]
    got = torch.cat(parts)
    assert got.dtype == torch.bfloat16
    error = np.abs(got.double().numpy() - exact) / np.abs(exact).max()
    assert error.max() <= 0.10
    assert error.mean() <= 0.02


def test_the_comparison_sees_a_wrong_rotary_layout():
    """Proof that parity can fail: the same weights without the change of layout differ by more than a tenth."""
    model = built(TINY)
    other = theirs(model)
    state = other.state_dict()
    state["model.layers.0.self_attn.q_proj.weight"] = model.state_dict()["layers.0.attention.wq.weight"]
    state["model.layers.0.self_attn.k_proj.weight"] = model.state_dict()["layers.0.attention.wk.weight"]
    other.load_state_dict(state)
    tokens = torch.tensor([drawn(LENGTH)])
    with torch.no_grad():
        wrong = other(input_ids=tokens, use_cache=False).logits
    assert (wrong - model(tokens)).abs().max() > 0.1
