"""How far one token is felt: the two halves of "exactly the sum of W - 1".

After k layers a state depends on the tokens up to (W1 - 1) + ... + (Wk - 1) positions back. That
it depends on **no more** is shown with bits: one token is changed, and in a run of the same
shape nothing beyond the edge moves by a single bit. That it depends on **no less** is shown with
a derivative in float64, which is not zero at the edge; the number itself can be far below what
float32 resolves.
"""

from __future__ import annotations

from itertools import accumulate, takewhile

import torch

from mistral_core.checkpoint.variants import with_windows
from mistral_core.model import Transformer
from mistral_core.verification.operations import Substitutes
from mistral_core.verification.subject import LONGEST_REACH, CheckResult, Subject, join, narrow, result, skipped, worse

CHANGED = 4
"""Position of the token that is changed; some stand before it, which must not move either."""
BEYOND = 12
"""Tokens read beyond the farthest edge."""
_BITS = "streams beyond the edge after one token changed, bit for bit"
_EDGE = "derivative at the edge, float64: not zero"


def reach(subject: Subject, operations: Substitutes) -> list[CheckResult]:
    """Every depth k = 1..L: nothing moves beyond the sum of W - 1, and something does at it."""
    model, wide, note = _within_limit(subject)
    edges = _edges(model)
    if not edges:
        reason = "the first layer has no window, so every later position is within reach"
        return [skipped("reach", compared, reason) for compared in (_BITS, _EDGE)]
    tokens = torch.arange(CHANGED + edges[-1] + BEYOND)[None] * 7919 % model.config.vocab_size
    return [_beyond(model, tokens, edges, operations, note), _at(wide, tokens, edges, operations, note)]


def _beyond(
    model: Transformer, tokens: torch.Tensor, edges: list[int], operations: Substitutes, note: str
) -> CheckResult:
    changed = tokens.clone()
    changed[0, CHANGED] = (tokens[0, CHANGED] + 1) % model.config.vocab_size
    before, after = operations.streams(model, tokens), operations.streams(model, changed)
    worst, unmoved = 0.0, 0
    for edge, a, b in zip(edges, before, after, strict=False):
        difference = (a.double() - b.double()).abs().amax(1)
        outside = torch.cat((difference[:CHANGED], difference[CHANGED + edge + 1 :]))
        worst = worse(worst, float(outside.max()))
        unmoved += float(difference[CHANGED]) == 0
    compared = f"{_BITS}, float32"
    note = join(f"depths 1 to {len(edges)}, edges {edges[0]} to {edges[-1]}", note)
    if unmoved:  # then equality elsewhere proves nothing
        return CheckResult(
            check="reach",
            compared=compared,
            max_abs_error=worst,
            bound=0.0,
            ok=False,
            note=f"the changed token does not even change its own position; {note}",
        )
    return result("reach", compared, worst, 0.0, note)


def _at(wide: Transformer, tokens: torch.Tensor, edges: list[int], operations: Substitutes, note: str) -> CheckResult:
    queries = [CHANGED + edge for edge in edges]
    gradients = operations.derivatives(wide, tokens, queries)
    at_edge = [float(gradient[CHANGED].abs().max()) for gradient in gradients]
    # Beyond the edge the derivative is an exact zero: those entries are the error of this line.
    outside = 0.0
    for query, edge, gradient in zip(queries, edges, gradients, strict=True):
        for part in (gradient[: query - edge], gradient[query + 1 :]):
            outside = worse(outside, float(part.abs().max()) if part.numel() else 0.0)
    smallest = min(at_edge)
    return CheckResult(
        check="reach",
        compared=_EDGE,
        max_abs_error=outside,
        bound=0.0,
        ok=outside <= 0 and smallest > 0,
        note=join(f"smallest at an edge {smallest:.1e}; the error is what is found beyond it", note),
    )


def _edges(model: Transformer) -> list[int]:
    """Sum of W - 1 after each layer, as far as all layers have a window."""
    windowed = takewhile(lambda window: window is not None, model.config.windows)
    return list(accumulate(window - 1 for window in windowed if window is not None))


def _within_limit(subject: Subject) -> tuple[Transformer, Transformer, str]:
    """The variants with windows so narrow that all depths fit into the longest text of this check."""
    model, wide = subject.models[torch.float32], subject.models[torch.float64]
    edges = _edges(model)
    if not edges or edges[-1] <= LONGEST_REACH:
        return model, wide, subject.note
    widest = LONGEST_REACH // len(edges) + 1
    windows = narrow(model.config.windows, widest)
    return with_windows(model, windows), with_windows(wide, windows), join(subject.note, f"here to {widest}")
