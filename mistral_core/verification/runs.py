"""The checks of what is done with the network: batches, files, sampling.

    ragged batch      texts of many lengths together   = each alone
    save and load     what is loaded                   = what was saved, in both layouts, and a Trace
    seeded sampling   the same request                 = the same text; another seed, another text

Sampling is checked at a high temperature, where chance matters.
"""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mistral_core.checkpoint.tensors import hash_tensors
from mistral_core.checkpoint.tokenizers import tokenizer_model_of
from mistral_core.generation import Run
from mistral_core.model import Transformer
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.trace import RecordingPlan, Trace
from mistral_core.verification.operations import HUGGING_FACE_LAYOUT, MISTRAL_LAYOUT, Substitutes
from mistral_core.verification.subject import (
    CheckResult,
    Subject,
    dense_reference,
    difference,
    join,
    name_of,
    result,
    skipped,
    worse,
    worst_of,
)

N_SAMPLED = 24
"""Tokens drawn by the sampling check; by chance two seeds agree on all of them almost never."""


def ragged_batch(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """Rows of different lengths in one batch, read padded and then decoded, against each alone."""
    text, widest = subject.tokens[0], subject.widest
    rows = [text, text[7 : 7 + widest + 9].flip(0), text[3 : 5 + widest], text[:3]]
    results = []
    for dtype, model in subject.models.items():
        batch = operations.ragged(model, rows, widest + 5)
        alone = [dense_reference(model, row[None])[0] for row in rows]
        errors = [difference(logits, one, subject.share) for logits, one in zip(batch, alone, strict=True)]
        compared = f"logits of {len(rows)} padded rows with each row alone, {name_of(dtype)}"
        note = join(f"lengths {', '.join(str(len(row)) for row in rows)}", subject.note)
        results.append(result("ragged batch", compared, *worst_of(errors), note))
    return results


def save_and_load(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """A model in both layouts, and a Trace: bit for bit what was saved."""
    return [
        _layout_round_trip(subject, operations, MISTRAL_LAYOUT),
        _layout_round_trip(subject, operations, HUGGING_FACE_LAYOUT),
        _trace_round_trip(subject, operations),
    ]


def _layout_round_trip(subject: Subject, operations: Substitutes, layout: str) -> CheckResult:
    model, tokenizer = subject.models[torch.float32], subject.loaded.tokenizer
    compared = f"weights saved in {layout}'s layout with those loaded, bit for bit"
    if layout == HUGGING_FACE_LAYOUT and len(set(model.config.windows)) > 1:
        return skipped("save and load", compared, "that layout cannot say windows that differ by layer")
    if subject.loaded.weights != "float32":
        return skipped("save and load", compared, f"weights kept in {subject.loaded.weights} are not saved")
    tokenizer_model = tokenizer_model_of(tokenizer)
    if tokenizer_model is None:
        return skipped(
            "save and load", compared, "its tokenizer is no tokenizer.model, and others are not written here"
        )
    with tempfile.TemporaryDirectory() as folder:
        loaded = operations.checkpoint_round_trip(model, Path(folder), layout, tokenizer_model)
        saved, reloaded = model.state_dict(), loaded.model.state_dict()
        worst = 0.0
        for name, tensor in saved.items():
            worst = worse(worst, difference(reloaded[name], tensor)[0])
        same_file = loaded.model_hash == hash_tensors((name, saved[name]) for name in sorted(saved))
        same_config = loaded.config.windows == model.config.windows and loaded.config == replace(
            model.config, sliding_window=loaded.config.sliding_window
        )
    differs = join("" if same_file else "the file holds other numbers", "" if same_config else "another configuration")
    return CheckResult(
        check="save and load",
        compared=compared,
        max_abs_error=worst,
        bound=0.0,
        ok=worst <= 0 and not differs,
        note=join(differs, subject.note),
    )


def _trace_round_trip(subject: Subject, operations: Substitutes) -> CheckResult:
    run = Run(_model(subject), subject.loaded.tokenizer, _request(subject, seed=1), plan=RecordingPlan())
    trace = run.complete().trace()
    with tempfile.TemporaryDirectory() as folder:
        reloaded = operations.trace_round_trip(trace, Path(folder) / "run.trace.safetensors")
    compared = "a Trace saved with the one loaded, bit for bit"
    names = [field.name for field in fields(Trace)]
    differs = [name for name in names if not _same(getattr(trace, name), getattr(reloaded, name))]
    worst = max((_difference_of(array, reloaded.arrays.get(name)) for name, array in trace.arrays.items()), default=0.0)
    return CheckResult(
        check="save and load",
        compared=compared,
        max_abs_error=worst,
        bound=0.0,
        ok=worst <= 0 and not differs,
        note=join(f"differs in {', '.join(differs)}" if differs else "", f"{len(trace)} tokens", subject.note),
    )


def _difference_of(saved: np.ndarray, reloaded: np.ndarray | None) -> float:
    if reloaded is None or saved.shape != reloaded.shape:
        return float("inf")
    return float(np.abs(saved.astype(np.float64) - reloaded).max(initial=0.0))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if hasattr(a, "keys") and any(isinstance(value, np.ndarray) for value in a.values()):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b)


def seeded_sampling(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """One request twice, and the same with another seed; the error counts tokens that are wrong."""
    first, again, other = (
        operations.sample(_model(subject), subject.loaded.tokenizer, _request(subject, seed)) for seed in (1, 1, 2)
    )
    differing = sum(a != b for a, b in zip(first, again, strict=False)) + abs(len(first) - len(again))
    depends = first != other
    note = f"{len(first)} tokens" if depends else "another seed gives the same text, so the seed is ignored"
    return [
        CheckResult(
            check="seeded sampling",
            compared="tokens of one request drawn twice; and another seed must differ",
            max_abs_error=float(differing),
            bound=0.0,
            ok=differing == 0 and depends,
            note=join(note, subject.note),
        )
    ]


def _model(subject: Subject) -> Transformer:
    return subject.models[torch.float32]


def _request(subject: Subject, seed: int) -> GenerationRequest:
    """Hot enough that no model is too sure of itself for two seeds to differ."""
    prompt = (subject.loaded.tokenizer.bos_id, *subject.loaded.tokenizer.encode("Once upon a time", bos=False))
    return GenerationRequest(
        prompt_ids=prompt, max_new_tokens=N_SAMPLED, sampling=SamplingSettings(temperature=2.0), seed=seed
    )
