"""Runs written to their end, for the tests of generation and of branches."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mistral_core.compiled.reader import CompiledReader
from mistral_core.generation import GenerationStep, Run
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan, hook_shapes
from tests.conftest import TINY

PROMPT = (1, 70, 201, 33, 120, 9, 77)
FULL = RecordingPlan(hooks=tuple(name for group in hook_shapes(TINY).values() for name in group))


def asked(n_new: int = 12, **changes) -> GenerationRequest:
    return GenerationRequest(**{"prompt_ids": PROMPT, "max_new_tokens": n_new, "seed": 5, **changes})


def finish(run: Run) -> Run:
    return run.complete()


def written(model, tokenizer, request, **options) -> Run:
    return Run(model, tokenizer, request, **options).complete()


def write_together(reader: CompiledReader, runs: Sequence[Run]) -> list[GenerationStep]:
    """The next token of each run, all read at once, as the engine does it."""
    began = time.perf_counter()
    choices = [run.choose() for run in runs]
    logits = reader.read(runs, [choice.token for choice in choices])
    return [run.was_read(one, row, began) for run, one, row in zip(runs, choices, logits, strict=True)]


def same_trace(a, b) -> None:
    """All that was recorded, to the bit; the settings' forced tokens may have another history."""
    assert a.token_ids.tolist() == b.token_ids.tolist()
    assert (a.text, a.token_texts, a.token_labels, a.n_prompt) == (b.text, b.token_texts, b.token_labels, b.n_prompt)
    assert a.finish_reason == b.finish_reason
    assert a.probability.tobytes() == b.probability.tobytes()
    assert a.rank.tolist() == b.rank.tolist()
    assert a.arrays.keys() == b.arrays.keys()
    for name in a.arrays:
        assert a[name].shape == b[name].shape, name
        assert a[name].tobytes() == b[name].tobytes(), name


def spelled(text: str, start: int = len(PROMPT)) -> tuple[tuple[int, int], ...]:
    """Forces the bytes of `text`, one token each."""
    return tuple((start + i, byte + 3) for i, byte in enumerate(text.encode()))
