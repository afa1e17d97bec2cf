"""A saved trace that anybody may have written: every item of it is what it must be, or the file is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mistral_core.generation import Run
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.compact import distil
from mistral_core.trace.trace import LOGITS, PATTERN, RecordingPlan, Trace, TraceError
from tests.model.trace.mutations import opened_file, reread

PLAN = RecordingPlan(hooks=(LOGITS, PATTERN, "attention.hook_attn_scores", "attention.hook_rot_k"), budget_bytes=22_000)


@pytest.fixture(scope="module")
def traces(tiny_model, tokenizer):
    """A whole trace and a compact one, with every setting there is."""
    request = GenerationRequest(
        prompt_ids=(1, 70, 201, 232, 9), max_new_tokens=6, seed=3, forced=((6, 40),), stop=("zzzz",),
        sampling=SamplingSettings(temperature=0.7, top_k=9, top_p=0.9, min_p=0.01, repetition_penalty=1.1),
    )  # fmt: skip
    whole = Run(tiny_model, tokenizer, request, plan=PLAN).complete().trace()
    assert whole.omitted
    whole = _with(whole, settings={**whole.settings, "command": "python -m mistral_core trace"}, model_hash="ab" * 32)
    everything = Run(tiny_model, tokenizer, request, plan=RecordingPlan(hooks=(LOGITS, PATTERN))).complete().trace()
    return {"whole": whole, "compact": distil(everything, tokenizer.label, k=3)}


def _with(trace, **changes):
    return Trace(**{**{name: getattr(trace, name) for name in trace.__dataclass_fields__}, **changes})


@pytest.mark.parametrize("which", ["whole", "compact"])
def test_every_item_of_the_header_is_what_it_must_be_or_the_file_is_refused(traces, which, tmp_path):
    """In a process of its own: the tests' type checks would otherwise speak before the reader does."""
    traces[which].save(tmp_path / "good")
    command = [sys.executable, "-m", "tests.model.trace.mutations", str(tmp_path / "good")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    *wrong, counts = done.stdout.splitlines()
    assert wrong == []
    refused, opened = map(int, counts.split())
    assert refused > 600
    assert opened > 30  # a reader that refuses all would prove less


def _set(name, *, at=3, to=None, of=None):
    """A change of one array: an element, or the whole."""

    def change(tensors):
        tensors[name] = of(tensors[name]) if of else tensors[name].copy()
        if to is not None:
            tensors[name].reshape(-1)[at] = to

    return change


TOP = "arrays/top/"
LAYER = "arrays/layers.0.attention."
ARRAYS = {
    "a token outside the vocabulary": ("whole", _set("token_ids", to=300), "token_ids holds numbers from 1 to 300"),
    "a negative token": ("whole", _set("token_ids", to=-1), "token_ids holds numbers from -1"),
    "tokens as 32 bits": ("whole", _set("token_ids", of=lambda a: a.astype(np.int32)), "token_ids is of type I32"),
    "tokens as fractions": ("whole", _set("token_ids", of=lambda a: a.astype(float)), "token_ids is of type F64"),
    "positions that jump": ("whole", _set("positions", to=7), "positions do not count from 0"),
    "a rank below none": ("whole", _set("rank", to=-2), "rank holds numbers from -2"),
    "a rank beyond the vocabulary": ("whole", _set("rank", to=300), "rank holds numbers from -1 to 300"),
    "a probability of 2": ("whole", _set("probability", to=2), "probability holds numbers from"),
    "an infinite probability": ("whole", _set("probability", to=np.inf), "probability holds numbers from"),
    "another forced token": ("whole", _set("token_ids", at=6, to=41), "forced sets token 40 at 6, but 41"),
    "a logit that is none": ("whole", _set("arrays/hook_logits", to=np.nan), "hook_logits holds numbers from nan"),
    "an infinite logit": ("whole", _set("arrays/hook_logits", to=-np.inf), "hook_logits holds numbers from -inf"),
    "whole numbers for logits": (
        "whole", _set("arrays/hook_logits", of=lambda a: a.astype(np.int32)), "hook_logits is of type I32"),
    "a negative weight": ("whole", _set(LAYER + "hook_pattern", to=-0.5), "hook_pattern holds numbers from -0.5"),
    "a weight above 1": ("whole", _set(LAYER + "hook_pattern", to=1.5), "hook_pattern holds numbers from .* to 1.5"),
    "a weight that is none": ("whole", _set(LAYER + "hook_pattern", to=np.nan), "hook_pattern holds numbers from nan"),
    "a score of infinity": ("whole", _set(LAYER + "hook_attn_scores", to=np.inf), "hook_attn_scores holds .* to inf"),
    "attention narrower than its window": (
        "whole", _set(LAYER + "hook_pattern", of=lambda a: a[..., :4].copy()), "4.* keys wide; one width that holds all 11"),
    "a foreign array": ("whole", lambda t: t.update(x=np.zeros(3)), "x belongs to no trace"),
    "an array without a hook": ("whole", lambda t: t.update({"arrays/top/x": np.zeros(11)}), "damaged"),
    "a likeliest token outside": ("compact", _set(TOP + "ids", to=300), "top/ids holds numbers from"),
    "a likeliest token without a label": ("compact", _set(TOP + "ids", to=1), "top_labels has no label for token 1"),
    "a share of a stage above 1": ("compact", _set(TOP + "stage_probs", to=2), "top/stage_probs holds numbers"),
    "a stage that leaves nothing": ("compact", _set(TOP + "kept", to=0), "top/kept holds numbers from 0"),
    "no entropy": ("compact", _set(TOP + "entropy", to=np.nan), "top/entropy holds numbers from nan"),
    "stages that are not named": ("compact", _set(TOP + "kept", of=lambda a: a[:, :-1].copy()), "top/kept is .11, 5.*11, 6"),
    "too few of the likeliest": ("compact", _set(TOP + "stage_probs", of=lambda a: a[..., 1:].copy()), "stage_probs is"),
    "one of the compact arrays missing": ("compact", lambda t: t.pop(TOP + "kept"), "but no top/kept"),
    "the likeliest as fractions": ("compact", _set(TOP + "ids", of=lambda a: a.astype(np.float32)), "top/ids is of type F32"),
}  # fmt: skip


@pytest.mark.parametrize("damage", ARRAYS)
def test_numbers_that_no_run_has_are_refused_when_the_file_is_opened(traces, tmp_path, damage):
    which, change, sentence = ARRAYS[damage]
    header, tensors = opened_file(traces[which], tmp_path / "good")
    change(tensors)
    with pytest.raises(TraceError, match=sentence):
        reread(header, tensors, tmp_path / "bad")


def test_what_was_saved_opens_whole_cut_and_compact(traces, tmp_path):
    for trace in traces.values():
        for length in (1, 3, 5, 8, len(trace)):
            cut = trace.truncated(length)
            cut.save(tmp_path / "cut")
            assert Trace.load(tmp_path / "cut").settings == cut.settings
            assert Trace.load(tmp_path / "cut").token_ids.tolist() == cut.token_ids.tolist()
