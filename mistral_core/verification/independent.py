"""The checks that need no stored numbers: the whole model against `reference.py`, and the order of its rows.

    independent forward   the model's logits                       = a forward written from the papers, from the files
    rounded weights       weights in int8 or bfloat16              predict what those in the files predict
    rotary order          text in the order that the layout says   is predicted better than in the other order

Both models see their own windows, never narrowed ones, and a text longer than each of them. Where that would
take minutes, fewer layers are read; where even that is not enough, the window is not proven, and the line says so.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from mistral_core.analysis.accounting import parameter_count
from mistral_core.analysis.rounding import CHUNK, between
from mistral_core.checkpoint.golden import TEXT
from mistral_core.checkpoint.narrow import stands_for
from mistral_core.checkpoint.variants import first_layers, in_dtype
from mistral_core.model import Transformer
from mistral_core.verification.operations import Substitutes
from mistral_core.verification.reference import Reference
from mistral_core.verification.rotary_order import rotary_order
from mistral_core.verification.subject import (
    FLOAT64_BOUND,
    CheckResult,
    Subject,
    join,
    name_of,
    result,
    skipped,
    undecided,
)

LEAST_TEXT, BEYOND = 96, 16
"""Tokens read at least, and beyond the widest window."""
FIXED_TEXT, LEAST_READ = 160, 16
"""Tokens on which rounded weights are compared, and how many a large model reads at least."""
KL_BOUND = 0.02
"""Nats a token. Measured in int8: 0.0003 on the bundled model, 0.004 on SmolLM2; in bfloat16 a tenth of it."""
DENSE = 512
"""Tokens of the longest text that is read in one pass; a longer one goes through the ring in chunks."""
MOST_WORK = 1e12
"""Parameters times tokens: a minute or two of float64."""


def independent_forward(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """The model in float32 and float64 against the reference; bounds relative to the largest logit.

    It is float64 that separates: on the bundled models 1e-14 is measured there, and the least of the faults that
    tests plant, theta x 1.001 behind windows of 4, gives 2e-6. In float32 (1.6e-6 measured) sound models that are
    read long, or have large weights, round by more than such a fault changes.
    """
    loaded, narrow = subject.loaded, subject.loaded.weights != "float32"
    reference = Reference(loaded.folder, weights=loaded.model.dtype)
    n_layers, length, widest = _extent(subject, reference)
    tokens = _text(subject, length)
    expected = torch.empty(0) if narrow else reference.logits(tokens.tolist(), n_layers)
    source = f"from the weights as they are kept in {loaded.weights}" if narrow else "from the files"
    cut = "" if n_layers == len(reference.windows) else f"first {n_layers} of {len(reference.windows)} layers"
    results = []
    for dtype, share in ((torch.float32, subject.share), (torch.float64, FLOAT64_BOUND)):
        compared = f"logits with a forward written from the papers, {source}, {name_of(dtype)}"
        model = _as_loaded(loaded.model, dtype, n_layers)
        logits = _read(model, tokens, operations)
        if narrow:  # the numbers that this model multiplies with; the files' are compared by "rounded weights"
            given = partial(stands_for, model.state_dict())
            expected = Reference(loaded.folder, instead=given).logits(tokens.tolist(), n_layers)
        error = float((logits.double() - expected).abs().max())
        note = join(f"{length} tokens", cut)
        results.append(result("independent forward", compared, error, share * float(expected.abs().max()), note))
    if widest >= length:
        why = f"a window is {widest} keys wide and {length} tokens are read, so its edge is not reached"
        results.append(undecided("independent forward", "the window with the one that the files state", why))
    return results


def rounded_weights(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """What the rounding changes: KL of the predictions of a fixed text, from the weights in the files, in float64.

    Nothing is compared where the weights are as they are in the files.
    """
    loaded = subject.loaded
    if loaded.weights == "float32":
        return []
    tokens = _text(subject, FIXED_TEXT)
    tokens = tokens[: max(LEAST_READ, int(MOST_WORK / parameter_count(loaded.config)["total"]))]
    exact = Reference(loaded.folder).logits(tokens.tolist())
    apart = between(exact, operations.prefill(loaded.model, tokens[None], CHUNK)[0])
    compared = f"mean KL of the next token's distribution, nats: weights as in the files, and kept in {loaded.weights}"
    same = f"the likeliest token is the same after {apart.same_first:.0%} of {apart.tokens} tokens of a fixed text"
    return [result("rounded weights", compared, apart.mean_kl, KL_BOUND, f"largest {apart.max_kl:.2g} nats; {same}")]


def order_of_rows(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """Whether the text is predicted better in the order that the layout says."""
    loaded = subject.loaded
    compared = (
        "nats a token by which a text is predicted worse with the rows of wq and wk as the layout says than in the "
        "other order; below 0 = better, as it should be"
    )
    evidence = rotary_order(loaded.folder, loaded.tokenizer, int(MOST_WORK / parameter_count(loaded.config)["total"]))
    if evidence is None:
        return [skipped("rotary order", compared, "a head has one pair, so there is one order")]
    if evidence.verdict is None:
        why = f"{evidence}. A model that does not predict this text cannot be judged by it"
        return [undecided("rotary order", compared, why)]
    error = evidence.stated - evidence.other
    return [result("rotary order", compared, error, 0.0, str(evidence))]


def _extent(subject: Subject, reference: Reference) -> tuple[int, int, int]:
    """Layers and tokens that are read, and the widest window among those layers."""
    widest = max((window for window in reference.windows if window is not None), default=0)
    length = max(LEAST_TEXT, widest + BEYOND)
    per_layer = parameter_count(subject.loaded.config)["total"] // len(reference.windows)
    n_layers = max(1, min(len(reference.windows), int(MOST_WORK / length / per_layer)))
    return n_layers, max(LEAST_TEXT, min(length, int(MOST_WORK / per_layer))), widest


def _text(subject: Subject, length: int) -> Tensor:
    tokenizer = subject.loaded.tokenizer
    ids = tokenizer.encode(TEXT)
    ids += tokenizer.encode(TEXT, bos=False) * (length // max(len(ids) - 1, 1))
    return torch.tensor(ids[:length])


def _as_loaded(model: Transformer, dtype: torch.dtype, n_layers: int) -> Transformer:
    """The model itself where it has that dtype and is read whole: a variant would be made anew from its numbers."""
    if n_layers < len(model.layers):
        model = first_layers(model, n_layers)
    return model if model.dtype == dtype else in_dtype(model, dtype)


def _read(model: Transformer, tokens: Tensor, operations: Substitutes) -> Tensor:
    if len(tokens) <= DENSE:
        return operations.dense(model, tokens[None])[0]
    return operations.prefill(model, tokens[None], DENSE)[0]
