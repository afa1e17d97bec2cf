"""A Trace small enough to travel with the program, and still rich enough to be played.

Logits are most of a trace, and a player shows twenty of them. `distil` keeps the likeliest tokens of
every step with their probability after each sampling stage, and the attention as float16;
logits, keys and values stay behind, and `omitted` says so. It is an ordinary Trace: the same
file format, the same reader, no torch.

    top/ids          [T, K] int32      likeliest tokens of step t, by the model's own probability
    top/stage_probs  [T, S, K] float32 their probability after each sampling stage; 0 = cut
    top/kept         [T, S] int32      tokens that each stage leaves, of the whole vocabulary
    top/entropy      [T] float32       of the model's own distribution, in bits
    settings         top_stages: the S names; top_labels: printable form of each id (as a string)

The float16 numbers are off by at most 2^-12 for a weight of at most 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from mistral_core.sampling import Held, SamplingSettings, entropy_bits, sampling_stages
from mistral_core.trace.arrays import TOP_ENTROPY, TOP_IDS, TOP_KEPT, TOP_PROBS
from mistral_core.trace.header import TOP_LABELS, TOP_STAGES
from mistral_core.trace.trace import PATTERN, Trace, layer_hook


def distil(
    trace: Trace, label_of: Callable[[int], str], k: int = 20, held_back: Callable[[np.ndarray], Held] | None = None
) -> Trace:
    """The trace with its logits reduced to the `k` likeliest tokens of each step, and attention in float16.

    The stages are those of the run's own sampling settings.

    Args:
        trace: a run with logits and attention recorded.
        label_of: printable form of a token id, `tokenizer.label`.
        k: alternatives to keep, 1 to the vocabulary's size.
        held_back: of the ids so far, `Unsaid.held_back`; needed by a run that left words unsaid.

    Raises:
        ValueError: `k` is out of bounds, or `held_back` is missing.
        KeyError: logits or attention were not recorded.
    """
    if not 1 <= k <= trace.config.vocab_size:
        raise ValueError(f"k is {k}; the vocabulary has 1 to {trace.config.vocab_size} tokens to keep")
    names = [field.name for field in dataclasses.fields(SamplingSettings)]
    settings = SamplingSettings(**{name: trace.settings[name] for name in names})
    unsaid = trace.settings.get("unsaid", False)
    if unsaid and held_back is None:
        raise ValueError("this run left words unsaid, and held_back is None; give that of its tokenizer's Unsaid")
    ids, probs, choices, entropy = [], [], [], []
    stage_names: tuple[str, ...] = ()
    for step, row in enumerate(trace.logits):
        history = trace.token_ids[: step + 1]
        held = held_back(history) if unsaid and held_back is not None else None
        stages = sampling_stages(row, settings, history, held)
        stage_names = tuple(stage.name for stage in stages)
        top = np.argsort(-stages[0].logits, kind="stable")[:k]  # the lower id first on ties
        ids.append(top)
        probs.append([stage.probs[top] for stage in stages])
        choices.append([stage.n_choices for stage in stages])
        entropy.append(entropy_bits(stages[0].probs))
    arrays = {
        layer_hook(layer, PATTERN): trace.pattern(layer).astype(np.float16) for layer in range(trace.config.n_layers)
    }
    dropped = [name for name in trace.arrays if name not in arrays]
    arrays |= {
        TOP_IDS: np.array(ids, np.int32),
        TOP_PROBS: np.array(probs, np.float32),
        TOP_KEPT: np.array(choices, np.int32),
        TOP_ENTROPY: np.array(entropy, np.float32),
    }
    labels = {str(token): label_of(int(token)) for token in np.unique(arrays[TOP_IDS])}
    return dataclasses.replace(
        trace,
        arrays=arrays,
        settings={**trace.settings, TOP_STAGES: list(stage_names), TOP_LABELS: labels},
        omitted=(*trace.omitted, *(f"{name}: not kept in a compact trace" for name in dropped)),
    )
