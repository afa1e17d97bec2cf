"""First positions that a layer with a window keeps in sight: the mask, the ring, the reach, the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mistral_core.analysis.accounting import kv_cache_bytes
from mistral_core.analysis.disagreement import removals
from mistral_core.analysis.evaluation import document_losses, evaluate
from mistral_core.analysis.flow import max_attention, mean_attention, rollout, square
from mistral_core.analysis.heads import hide_sink, per_query
from mistral_core.analysis.reach import backward_cone, forward_cone, reachable, reaching
from mistral_core.checkpoint.fast import FastTransformer
from mistral_core.checkpoint.variants import with_windows
from mistral_core.cli.main import main
from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.hooks import Capture, watching
from mistral_core.mask import allowed
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import PATTERN, RecordingPlan, Trace, layer_hook
from tests.conftest import TINY, TINY_STD, ByteTokenizer

T = 23
CONFIGS = [replace(TINY, sliding_window=window, sinks=sinks) for window in (1, 4, (3, None, 6)) for sinks in (1, 2, 4)]
TOKENS = torch.randint(3, TINY.vocab_size, (1, T), generator=torch.Generator().manual_seed(3))


def sees(query: int, key: int, window: int | None, sinks: int) -> bool:
    """The rule once more, for one pair."""
    return 0 <= key <= query and (window is None or query - key < window or key < sinks)


class Brute:
    """Masks the scores of a network without any window, pair by pair."""

    def __init__(self, config: MistralConfig) -> None:
        self.config = config

    def wants(self, name: str) -> bool:
        return name.endswith("hook_attn_scores")

    def visit(self, name, value, queries, keys):
        window = self.config.windows[int(name.split(".")[1])]
        for i in range(queries.shape[1]):
            for j in range(keys.shape[1]):
                if not sees(int(queries[0, i]), int(keys[0, j]), window, self.config.sinks):
                    value[:, :, i, j] = float("-inf")
        return value


def test_the_mask_is_the_rule_pair_by_pair():
    positions = torch.arange(-1, 12)[None]
    for window in (None, 1, 3, 20):
        for sinks in range(5):
            found = allowed(positions, positions, window, sinks)[0]
            for i, query in enumerate(positions[0].tolist()):
                for j, key in enumerate(positions[0].tolist()):
                    assert bool(found[i, j]) == sees(query, key, window, sinks)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.sliding_window}-{config.sinks}")
def test_dense_chunked_and_cached_are_a_network_masked_by_hand(config):
    full = random_model(replace(config, sliding_window=None, sinks=0), seed=2, std=TINY_STD)
    with torch.inference_mode(), watching(Brute(config)):
        wanted = full(TOKENS)
    plain = with_windows(full, config.sliding_window, config.sinks)
    fast = FastTransformer(config)
    fast.load_state_dict(full.state_dict())
    fast.eval().requires_grad_(False)
    with torch.inference_mode():
        for model in (plain, fast):
            assert torch.allclose(model(TOKENS), wanted, atol=1e-4)
            for size in (1, 2, 3, 5, 9, T):
                cache = model.empty_kv_cache(max_context=T)
                parts = [model(chunk, kv_cache=cache) for chunk in TOKENS.split(size, 1)]
                assert torch.allclose(torch.cat(parts, 1), wanted, atol=1e-4), size


@pytest.mark.parametrize("size", [1, 3, 11])
def test_slots_hold_the_first_positions_and_the_last_window_of_each_row(size):
    config = replace(TINY, sliding_window=4, sinks=2)
    model = random_model(config, seed=2, std=TINY_STD)
    cache = model.empty_kv_cache(2)
    lengths = [0, 0]
    for step in range(4):
        positions = torch.full((2, size), -1)
        for row in range(2):
            count = size if row == 0 else max(0, size - step)  # rows of different lengths
            positions[row, :count] = torch.arange(lengths[row], lengths[row] + count)
            lengths[row] += count
        model(torch.ones_like(positions), positions, kv_cache=cache)
        for row, length in enumerate(lengths):
            held = sorted(p for p in cache.rings[0].positions[row].tolist() if p >= 0)
            assert held == sorted({*range(min(2, length)), *range(max(0, length - 4), length)})
    assert cache.rings[0].keys.shape[2] == 6
    for row, length in enumerate(lengths):
        kept = cache.rings[0].held_positions(length).tolist()
        assert kept == sorted(p for p in cache.rings[0].positions[row].tolist() if p >= 0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.sliding_window}-{config.sinks}")
def test_the_cones_are_what_walking_along_every_edge_reaches(config):
    for place in range(T):
        assert np.array_equal(forward_cone(config, place, T), reachable(config, T, place))
        assert np.array_equal(backward_cone(config, place, T), reaching(config, T, place))


def test_a_sink_is_felt_everywhere_and_another_token_not_beyond_the_edge():
    config = replace(TINY, sliding_window=3, sinks=1)  # three layers: 6 positions
    model = random_model(config, seed=2, std=TINY_STD)
    with torch.inference_mode():
        before = model(TOKENS)[0]
        for place, reach in ((0, T), (1, config.exact_reach()), (5, config.exact_reach())):
            changed = TOKENS.clone()
            changed[0, place] = (changed[0, place] + 1) % TINY.vocab_size
            differs = (model(changed)[0] != before).any(-1).tolist()
            assert differs == [place <= p <= place + reach for p in range(T)]


def test_the_loss_with_sinks_is_that_of_the_dense_pass_and_memory_counts_them():
    full = random_model(replace(TINY, sliding_window=None), seed=2, std=TINY_STD)
    tokenizer, text = ByteTokenizer(), "a text that is longer than its window"
    model = with_windows(full, 5, 2)
    ids = torch.tensor([tokenizer.encode(text, eos=True)])
    with torch.inference_mode():
        wanted = torch.nn.functional.cross_entropy(model(ids[:, :-1])[0].double(), ids[0, 1:], reduction="none")
    for chunk in (1, 4, 7, 64):
        assert torch.allclose(document_losses(model, tokenizer, text, chunk), wanted, atol=1e-4)
    measured = evaluate(full, tokenizer, text, windows=5, sinks=2)
    assert measured.loss == pytest.approx(float(wanted.mean()), abs=1e-4)
    assert measured.loss != pytest.approx(evaluate(full, tokenizer, text, windows=5).loss, abs=1e-6)
    with pytest.raises(ValueError, match="2 sinks are kept beside a window that is imposed; name one"):
        evaluate(full, tokenizer, text, sinks=2)
    plain, kept = replace(TINY, sliding_window=5), replace(TINY, sliding_window=5, sinks=2)
    assert kv_cache_bytes(kept, 100) * 5 == kv_cache_bytes(plain, 100) * 7


def dense_patterns(model, ids) -> list[np.ndarray]:
    """`[n_heads, pos, pos]` of each layer, from a pass without a cache."""
    names = [layer_hook(layer, PATTERN) for layer in range(model.config.n_layers)]
    capture = Capture(names)
    with torch.inference_mode(), watching(capture):
        model(torch.tensor([ids]))
    return [capture[name][0].numpy() for name in names]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.sliding_window}-{config.sinks}")
def test_what_is_recorded_is_the_dense_pass_and_a_branch_goes_on_from_it(config, tmp_path):
    model = random_model(config, seed=2, std=TINY_STD)
    asked = GenerationRequest(prompt_ids=tuple(TOKENS[0, :9].tolist()), max_new_tokens=14, chunk_size=5)
    plan = RecordingPlan()
    run = Run(model, ByteTokenizer(), asked, plan=plan).complete()
    trace = run.trace()
    trace.save(tmp_path / "kept.safetensors")
    trace = Trace.load(tmp_path / "kept.safetensors")
    dense = dense_patterns(model, trace.token_ids.tolist())
    for layer, window in enumerate(config.windows):
        squared = square(trace.pattern(layer), window)
        assert np.allclose(squared, dense[layer], atol=1e-5)
        assert np.allclose(trace.pattern(layer).sum(-1), 1, atol=1e-5)
    branch = asked.branch(17, 7)
    again = Run(model, ByteTokenizer(), branch, plan=plan, parent=run.trace())
    assert again.n_read == 17, "the shared part is restored, not read"
    fresh = Run(model, ByteTokenizer(), branch, plan=plan).complete().trace()
    restored = again.complete().trace()
    assert restored.token_ids.tolist() == fresh.token_ids.tolist()
    for name, array in fresh.arrays.items():
        assert np.array_equal(restored[name], array), name


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.sliding_window}-{config.sinks}")
def test_what_heads_look_at_is_counted_key_by_key(config):
    model = random_model(config, seed=2, std=TINY_STD)
    ids = [1, *TOKENS[0, :9].tolist(), *TOKENS[0, :9].tolist()]
    asked = GenerationRequest(prompt_ids=tuple(ids), max_new_tokens=0, chunk_size=6)
    trace = Run(model, ByteTokenizer(), asked, plan=RecordingPlan()).complete().trace()
    dense = dense_patterns(model, ids)
    length, residual = len(ids), np.eye(len(ids))
    mean, largest, rolled = np.zeros((length, length)), np.zeros((length, length)), np.eye(length)
    for layer, window in enumerate(config.windows):
        measures = per_query(trace.pattern(layer), trace.token_ids, window)
        without = hide_sink(trace.pattern(layer), 0, window)
        for query in range(length):
            weights = dense[layer][:, query]
            keys = [key for key in range(query + 1) if sees(query, key, window, config.sinks)]
            wanted = {"distance": sum(weights[:, key] * (query - key) for key in keys)}
            wanted["oldest"] = weights[:, min(keys)] if min(keys) < query else np.full(len(weights), np.nan)
            wanted["first"] = weights[:, 0] if query and 0 in keys else np.full(len(weights), np.nan)
            wanted["previous"] = weights[:, query - 1] if query - 1 in keys else np.full(len(weights), np.nan)
            follows = [key for key in keys if 1 <= key < query and ids[key - 1] == ids[query]]
            wanted["induction"] = weights[:, follows].sum(1) if follows else np.full(len(weights), np.nan)
            for name, value in wanted.items():
                assert np.allclose(measures[name][query], value, atol=1e-5, equal_nan=True), (name, layer, query)
            if query:
                assert np.allclose(square(without, window)[:, query, 0], 0)
                left = weights[:, 1:].sum(1)
                assert np.allclose(square(without, window)[:, query, 1:] * left[:, None], weights[:, 1:], atol=1e-5)
        mean += dense[layer].mean(0) / config.n_layers
        largest = np.maximum(largest, dense[layer].max(0))
        rolled = (dense[layer].mean(0) + residual) / 2 @ rolled
    wide = max(window or length for window in config.windows)
    for band, wanted in ((mean_attention(trace), mean), (max_attention(trace), largest)):
        kept = square(band[:, None], wide if None not in config.windows else None)[0]
        assert np.allclose(kept, wanted, atol=1e-5)
    assert np.allclose(square(rollout(trace)[-1][:, None])[0], rolled, atol=1e-5)


@pytest.mark.parametrize("window", [1, 3])
def test_a_kept_token_is_removed_as_any_other(window):
    config = replace(TINY, sliding_window=window, sinks=2)
    model = random_model(config, seed=2, std=TINY_STD)
    measured = next(removals(model, TOKENS[0].tolist(), [12]))
    assert measured.keys.tolist() == [0, 1, *range(13 - window, 12)]
    dense = dense_patterns(model, TOKENS[0].tolist())
    wanted = np.mean([pattern[:, 12].mean(0) for pattern in dense], axis=0)
    assert np.allclose(measured.attention, wanted[measured.keys], atol=1e-5) and (measured.kl > 0).all()


def test_what_cannot_be_configured_is_said():
    model = random_model(replace(TINY, sinks=2), seed=2, std=TINY_STD)
    for sinks in (-1, 2**13, True):
        with pytest.raises(ValueError, match="sinks is"):
            replace(TINY, sinks=sinks)
    assert MistralConfig.from_params(replace(TINY, sinks=3).to_params()).sinks == 3
    assert "sinks" not in TINY.to_params()
    with pytest.raises(ValueError, match="and 2 sinks"):
        random_model(TINY, seed=0)(TOKENS, kv_cache=model.empty_kv_cache())


def test_the_command_imposes_a_window_and_keeps_the_first_tokens(tmp_path, capsys):
    text = tmp_path / "a.txt"
    text.write_text("Once upon a time there was a king who had two sons, and one of them was wise. " * 3)
    losses = []
    for more in (["--window", "4"], ["--window", "3", "--sinks", "1"]):
        assert main(["evaluate", "--text", str(text), "--model", "full-attention", *more]) == 0
        losses.append(capsys.readouterr().out)
    assert losses[0] != losses[1]
    assert main(["evaluate", "--text", str(text), "--sinks", "1"]) == 2
    assert "name one" in capsys.readouterr().err
