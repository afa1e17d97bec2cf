"""Writing text: the same however it is read, stopped exactly, branched exactly."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from mistral_core.generation import Run, generate
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings, choose, sampling_stages, uniform
from tests.conftest import TINY, TINY_STD
from tests.model import reference
from tests.model.writing import FULL, PROMPT, asked, same_trace, spelled, written

# ---- the distribution and the draw -------------------------------------------------------------


def test_every_token_is_the_one_that_the_dense_distribution_draws(tiny_model64, tokenizer):
    """Each step redone without the run: dense logits of the loops, the stages, the number of its position."""
    settings = SamplingSettings(temperature=0.8, top_k=40, top_p=0.9, repetition_penalty=1.2)
    run = Run(tiny_model64, tokenizer, asked(20, sampling=settings, chunk_size=3))
    list(run.prefill())
    steps = []
    while not run.finish_reason:
        steps.append(run.step())
    tokens = run.trace().token_ids.tolist()
    logits = reference.logits(reference.weights_of(tiny_model64), TINY, tokens)
    assert [step.position for step in steps] == list(range(7, 7 + len(steps)))
    for step in steps:
        before = logits[step.position - 1]
        probs = sampling_stages(before, settings, tokens[: step.position])[-1].probs
        assert step.token_id == tokens[step.position] == choose(probs, uniform(5, step.position))
        assert step.drawn_from == pytest.approx(probs[step.token_id], rel=1e-9)
        model_probs = np.exp(before - before.max())
        assert step.probability == pytest.approx(model_probs[step.token_id] / model_probs.sum(), rel=1e-9)
        assert step.rank == int((before > before[step.token_id]).sum())
        assert not step.forced


@pytest.mark.parametrize("chunk", [1, 2, 5, 6, 7, 256])
def test_reading_alone_gives_probability_and_rank_of_every_token(tiny_model64, tokenizer, draw_tokens, chunk):
    tokens = draw_tokens(23)
    run = written(tiny_model64, tokenizer, asked(0, prompt_ids=tuple(tokens), chunk_size=chunk))
    trace = run.trace()
    logits = reference.logits(reference.weights_of(tiny_model64), TINY, tokens)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert trace.finish_reason == "length"
    assert np.isnan(trace.probability[0])
    assert trace.rank[0] == -1
    for t in range(1, 23):
        assert trace.probability[t] == pytest.approx(np.exp(log_probs[t - 1, tokens[t]]), rel=1e-9)
        assert trace.rank[t] == int((log_probs[t - 1] > log_probs[t - 1, tokens[t]]).sum())
    with pytest.raises(ValueError, match=r"the run has ended .length"):
        run.step()


@pytest.mark.parametrize("window", [1, 5, None, (2, None, 7)])
@pytest.mark.parametrize("chunk", [1, 2, 3, 6, 7, 100])
def test_the_chunk_size_does_not_change_the_text(window, chunk, tokenizer):
    model = random_model(TINY.with_window(window), seed=11, std=TINY_STD)
    whole = written(model, tokenizer, asked(25, chunk_size=7)).trace()
    parts = written(model, tokenizer, asked(25, chunk_size=chunk)).trace()
    assert parts.token_ids.tolist() == whole.token_ids.tolist()
    np.testing.assert_allclose(parts.probability, whole.probability, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_write(dtype, tokenizer):
    model = random_model(TINY, seed=11, std=TINY_STD, dtype=dtype)
    trace = written(model, tokenizer, asked(20), plan=FULL).trace()
    assert len(trace) == 27
    assert all(array.dtype == (np.float64 if dtype == torch.float64 else np.float32) for array in trace.arrays.values())
    assert np.isfinite(trace.probability[1:]).all()


def test_the_same_request_gives_the_same_text_and_another_seed_another(tiny_model, tokenizer):
    first, again = (written(tiny_model, tokenizer, asked(30), plan=FULL).trace() for _ in range(2))
    same_trace(first, again)
    other = written(tiny_model, tokenizer, asked(30, seed=6)).trace()
    assert other.token_ids.tolist() != first.token_ids.tolist()


def test_greedy_takes_the_likeliest(tiny_model, tokenizer):
    trace = written(tiny_model, tokenizer, asked(15, sampling=SamplingSettings(temperature=0.0))).trace()
    assert (trace.rank[7:] == 0).all()


def test_generate_is_the_run(tiny_model, tokenizer):
    run = Run(tiny_model, tokenizer, asked(9))
    list(run.prefill())
    steps = list(generate(tiny_model, tokenizer, asked(9)))
    assert [run.step() for _ in steps] == steps
    assert steps[-1].finish_reason == run.finish_reason == "length"


def test_a_long_text_needs_no_more_memory(tiny_model, tokenizer):
    """80 windows: the rings have the bytes and the addresses they had at the start, and the last W positions."""
    run = Run(tiny_model, tokenizer, asked(400, seed=7))
    before = [(ring.keys.data_ptr(), ring.nbytes) for ring in run.kv_cache.rings]
    run.complete()
    assert [(ring.keys.data_ptr(), ring.nbytes) for ring in run.kv_cache.rings] == before
    assert len(run.trace()) == 407
    assert sorted(run.kv_cache.rings[0].positions[0].tolist()) == list(range(402, 407))


def test_texts_join_to_the_decoded_whole(tiny_model, tokenizer):
    """Bytes drawn at random, so that characters break off: every one is shown in the end, as U+FFFD if need be."""
    for seed in range(6):
        trace = written(tiny_model, tokenizer, asked(25, seed=seed)).trace()
        assert trace.text == "".join(trace.token_texts) == tokenizer.decode(trace.token_ids.tolist())


@pytest.mark.parametrize("n_new", [0, 3])
def test_a_character_that_the_text_breaks_off_is_shown(tiny_model, tokenizer, n_new):
    """The last byte begins a character of four; reading alone ends a text just as writing does."""
    broken = 0xF0 + 3
    prompt = PROMPT if n_new else (*PROMPT, broken)
    forced = tuple((7 + i, broken if i == n_new - 1 else 70) for i in range(n_new))
    trace = written(tiny_model, tokenizer, asked(n_new, prompt_ids=prompt, forced=forced)).trace()
    assert trace.text.endswith("\ufffd")
    assert trace.text == tokenizer.decode(trace.token_ids.tolist())


# ---- where a text ends -------------------------------------------------------------------------


def test_end_of_text_stops(tiny_model, tokenizer):
    run = written(tiny_model, tokenizer, asked(20, forced=((9, tokenizer.eos_id),)))
    assert (run.finish_reason, run.n_read) == ("eos", 10)
    assert run.trace().token_ids[-1] == tokenizer.eos_id


def test_an_end_token_in_the_prompt_does_not_stop(tiny_model, tokenizer):
    run = written(tiny_model, tokenizer, asked(4, prompt_ids=(1, 2, 70)))
    assert (run.finish_reason, run.n_read) == ("length", 7)


@pytest.mark.parametrize(
    ("stop", "length"),
    [
        (("d",), 4),
        (("bcd",), 4),
        (("abcdef",), 6),
        (("zz", "cde"), 5),
        (("é",), 8),
        (("f\u00e9",), 8),
        (("nothere",), 8),
    ],
)
def test_stop_strings_also_across_tokens(tiny_model, tokenizer, stop, length):
    """One byte a token: the text ends with the token that completes the string, also one of two bytes."""
    run = written(tiny_model, tokenizer, asked(8, stop=stop, forced=spelled("abcdefé")))
    assert run.n_read - 7 == length
    assert run.finish_reason == ("length" if stop == ("nothere",) else "stop_string")


@pytest.mark.parametrize("stop", [("aab",), ("xyz", "ba"), ("bb", "aaaaaaaa"), ("abab",), ("é",)])
def test_a_text_stops_where_a_search_of_the_whole_would(tiny_model, tokenizer, stop):
    """Every text of 6 letters a and b, with a two-byte letter in it: the first prefix that holds a stop string."""
    for number in range(0, 64, 3):
        letters = f"{number:06b}".replace("0", "a").replace("1", "b").replace("bbb", "bé")
        forced = spelled(letters)
        run = written(tiny_model, tokenizer, asked(len(forced), prompt_ids=(1, *PROMPT[1:]), stop=stop, forced=forced))
        raw = letters.encode()
        cuts = [n for n in range(1, len(raw) + 1) if any(s in raw[:n].decode(errors="ignore") for s in stop)]
        assert run.n_read - 7 == (cuts or [len(raw)])[0], letters
        assert run.finish_reason == ("stop_string" if cuts else "length")


def test_a_stop_string_in_the_prompt_does_not_stop(tiny_model, tokenizer):
    prompt = (1, *(byte + 3 for byte in b"stop st"))
    run = written(tiny_model, tokenizer, asked(5, prompt_ids=prompt, stop=("stop",), forced=spelled("opxyz", 8)))
    assert (run.finish_reason, run.n_read) == ("length", 13)


def test_a_prompt_that_is_not_read_has_no_steps(tiny_model, tokenizer):
    run = Run(tiny_model, tokenizer, asked(3, chunk_size=4))
    next(run.prefill())
    with pytest.raises(ValueError, match="the prompt is not read yet"):
        run.step()


def test_cancel_keeps_what_is_written(tiny_model, tokenizer):
    run = Run(tiny_model, tokenizer, asked(9))
    list(run.prefill())
    run.step()
    run.cancel()
    run.cancel()
    assert (run.finish_reason, len(run.trace())) == ("cancelled", 8)
    with pytest.raises(ValueError, match="cancelled"):
        run.step()
    assert Run(tiny_model, tokenizer, asked(0)).complete().finish_reason == "length"


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5])
def test_generate_asks_before_every_chunk_and_token(tiny_model, tokenizer, monkeypatch, after):
    """Seven tokens in chunks of three are three passes; from then on one pass a token."""
    passes, calls, read = [], iter([False] * after + [True]), Run._read
    monkeypatch.setattr(Run, "_read", lambda run, tokens: passes.append(len(tokens)) or read(run, tokens))
    steps = list(generate(tiny_model, tokenizer, asked(9, chunk_size=3), cancelled=lambda: next(calls)))
    assert passes == [3, 3, 1, 1, 1][:after]
    assert len(steps) == max(0, after - 3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt_ids": ()}, "the prompt has no tokens"),
        ({"max_new_tokens": -1}, "max_new_tokens is -1"),
        ({"chunk_size": 0}, "chunk_size is 0"),
        ({"stop": ("a", "")}, "a stop string is empty"),
        ({"forced": ((6, 3),)}, "position 6 cannot be forced; tokens are chosen at 7 to 18"),
        ({"forced": ((19, 3),)}, "position 19 cannot be forced"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is"),
    ],
)
def test_impossible_requests_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked(**changes)


@pytest.mark.parametrize("changes", [{"prompt_ids": (1, 300)}, {"prompt_ids": (1, -1)}, {"forced": ((8, 300),)}])
def test_tokens_outside_the_vocabulary_are_refused_before_anything_is_read(tiny_model, tokenizer, changes):
    with pytest.raises(ValueError, match="outside the vocabulary"):
        Run(tiny_model, tokenizer, asked(**changes))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_is_recorded_does_not_change_the_text(dtype, tokenizer):
    any_model = random_model(TINY, seed=11, std=TINY_STD, dtype=dtype)
    plain = written(any_model, tokenizer, asked(30)).trace()
    watched = written(any_model, tokenizer, asked(30), plan=FULL).trace()
    assert set(watched.arrays) == set(any_model.hook_names)
    assert plain.token_ids.tolist() == watched.token_ids.tolist()
    assert plain.probability.tobytes() == watched.probability.tobytes()


def test_a_request_is_a_key_and_its_settings_are_json():
    assert asked() == asked()
    assert len({asked(), asked(), asked(seed=6)}) == 2
    settings = asked(forced=((8, 3),), stop=("x",)).settings()
    assert json.loads(json.dumps(settings)) == settings
    assert {field.name for field in dataclasses.fields(SamplingSettings)} <= settings.keys()


def test_a_network_that_overflows_in_the_middle_of_a_text_says_so(tokenizer):
    """Finite at the first token, and then not: noise would be written without a word."""
    model = random_model(TINY, seed=11, std=TINY_STD)
    model.tok_embeddings.weight[70] = float("inf")
    run = Run(model, tokenizer, GenerationRequest(prompt_ids=(1, 5, 70), max_new_tokens=3, chunk_size=2))
    with pytest.raises(ValueError, match=r"logits of tokens 2 to 2 are not finite: .*float32.*wider dtype"):
        run.complete()
