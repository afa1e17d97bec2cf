"""Gradient passes over the state grid, and how much of a change passes through each of its cells.

A gradient pass follows the log-probability of one token back to every cell. The conductance of a
swapped token is a sum of them: the token's embedding is moved to that of its replacement in small
steps, and over the steps `gradient . (d state)` is summed (trapezoid rule, so the error falls with
the square of the number of steps). A row of the grid is all there is between the tokens and the
prediction, so each row sums to the whole change; how nearly says how good the steps are.

What comes before the source does not change, so it is read once: its keys and values go into the
rings, and every pass reads on from there, up to the target. Nothing after the target is read.

Source: conductance, Dhamdhere et al. 2018 (arXiv 1805.12233).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import Cut, CutEdges
from mistral_core.hooks import Sinks, watching
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer

MAX_BYTES = 2**30
"""What one gradient pass may hold; what needs more is refused before it is begun."""
PREFIX_CHUNK = 512
"""Tokens of one pass over what comes before the source."""
FIRST_STEPS, MOST_STEPS = 4, 128
"""With which a conductance begins that may stop when it is good enough, and where it stops at the latest."""
ENOUGH_TO_JUDGE = 16
"""Steps from which on the error falls with every halving, unless it is rounding."""
GOOD_ENOUGH = 0.01
"""Share of the whole change by which a row may miss it, for the page and the command alike."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conductance:
    """What of a change passes through every cell between a source and a target.

    Attributes:
        through: nats, for the columns source to target, both included.
        log_prob_before, log_prob_after: of the explained token, at the two ends of the steps.
        steps: how many there were.
        error: by how much a row of `through` misses the whole change at most, in nats.
    """

    through: Float[np.ndarray, "rows read"]
    log_prob_before: float
    log_prob_after: float
    steps: int

    @property
    def error(self) -> float:
        return float(np.abs(self.through.sum(1) - (self.log_prob_after - self.log_prob_before)).max())


def state_names(n_layers: int) -> list[str]:
    """Hooks of the rows of the grid."""
    return ["layers.0.hook_resid_pre", *(f"layers.{layer}.hook_resid_post" for layer in range(n_layers))]


def log_probs(logits: Float[Tensor, "*pos vocab_size"]) -> Float[Tensor, "*pos vocab_size"]:
    """Log-probabilities in float64, whatever the model's dtype."""
    return logits.double().log_softmax(-1)


class _Leaves:
    """Gives every row of the grid a gradient and keeps it; `start` takes the place of the embeddings."""

    def __init__(self, n_layers: int, start: Tensor | None) -> None:
        self.names, self.start, self.states = state_names(n_layers), start, list[Tensor]()

    def wants(self, name: str) -> bool:
        return name in self.names

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        if not self.states:
            value = (value if self.start is None else self.start[None]).detach().clone().requires_grad_(True)
        self.states.append(value)
        return value


def gradient_pass(
    model: Transformer,
    token_ids: Sequence[int],
    span: range,
    token: int,
    cuts: Sequence[Cut],
    start: Tensor | None = None,
    before: KVCache | None = None,
) -> tuple[float, Float[Tensor, "rows read dim"], Float[Tensor, "rows read dim"]]:
    """Log-probability of `token` after the positions `span`, their grid, and its gradients.

    Args:
        start: embeddings of the span, in place of those of its tokens.
        before: rings that hold what comes before the span; they are written to.
    """
    leaves, edges = _Leaves(model.config.n_layers, start), CutEdges(model.config, len(token_ids), cuts)
    tokens = torch.tensor([[token_ids[position] for position in span]])
    with torch.inference_mode(False), torch.enable_grad(), watching(Sinks(edges, leaves)):
        logits = model(tokens, torch.tensor([list(span)]), before, last_only=True)
        log_prob = log_probs(logits[0, -1])[token]
        gradients = torch.stack(torch.autograd.grad(log_prob, leaves.states))[:, 0]
    return float(log_prob.detach()), torch.stack([state.detach()[0] for state in leaves.states]), gradients


def longest_pass(model: Transformer) -> int:
    """How many tokens one gradient pass may read: scores, masked, softmax and its copy, queries x keys each."""
    per_pair = 4 * model.config.n_layers * model.config.n_heads * model.dtype.itemsize
    return int((MAX_BYTES / per_pair) ** 0.5)


def _longest_span(model: Transformer, steps: int) -> int:
    """Tokens of a corridor whose pass, and whose kept states and gradients, fit."""
    per_token = 2 * (steps + 1) * (model.config.n_layers + 1) * model.config.dim * model.dtype.itemsize
    return min(longest_pass(model), MAX_BYTES // per_token)


def _check_size(model: Transformer, span: int, steps: int) -> None:
    """Refuses a corridor that would not fit."""
    if span > (longest := _longest_span(model, steps)):
        raise ValueError(
            f"the word and the prediction are {span - 1:,} tokens apart; following a change needs too much memory "
            f"beyond {longest - 1:,}, so choose them nearer to each other"
        )


def conductance(
    model: Transformer,
    token_ids: Sequence[int],
    source: int,
    target: int,
    replacement: int,
    token: int,
    *,
    cuts: Sequence[Cut] = (),
    steps: int,
    good_enough: float = 0.0,
    report: Report = silent,
) -> Conductance:
    """How much of the change of `token`'s log-probability after `target` passes through each cell.

    Cells that the change cannot reach are exactly 0: every pass has the same shape, so their states
    stay the same bit for bit.

    Args:
        source: position of the token that is swapped; not after the target. replacement: its new id.
        steps: gradient passes, less one.
        good_enough: begin with few steps and halve them, up to `steps`, only while a row is further than this
            share from the whole change, halving still helps, and memory allows. 0 = take all steps.

    Raises:
        ValueError: no step, a source after the target or too far before it, or a cut that does not exist.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least 1 leads from the original to the replacement")
    if source > target:
        raise ValueError(f"source {source} comes after target {target}; nothing travels backwards")
    taken = min(FIRST_STEPS, steps) if good_enough else steps
    _check_size(model, target - source + 1, taken)
    with torch.inference_mode(False):  # what is made inside it cannot be saved for gradients
        before = _read_before(model, token_ids, source, target, cuts)
        embeddings = model.tok_embeddings.weight[list(token_ids[source : target + 1])].to(model.dtype)
    goal = model.tok_embeddings.weight[replacement].to(model.dtype)
    passes: dict[float, tuple[float, Tensor, Tensor]] = {}
    found: list[Conductance] = []
    span = range(source, target + 1)
    while True:
        for step in range(taken + 1):
            report(step, taken + 1, "following the change through the corridor")
            if (share := step / taken) not in passes:
                start = embeddings.clone()
                start[0] = goal if step == taken else start[0] + (goal - start[0]) * share
                passes[share] = gradient_pass(model, token_ids, span, token, cuts, start, _copy(model, before))
        through = _summed([passes[step / taken] for step in range(taken + 1)])
        (before_steps, *_), (after_steps, *_) = passes[0.0], passes[1.0]
        found.append(
            Conductance(through=through, log_prob_before=before_steps, log_prob_after=after_steps, steps=taken)
        )
        if found[-1].error <= good_enough * abs(after_steps - before_steps) or _no_finer(found, span, model, steps):
            break
        taken = min(2 * taken, steps)
    report(taken + 1, taken + 1, "done")
    return min(found, key=lambda one: one.error)


def _no_finer(found: Sequence[Conductance], span: range, model: Transformer, steps: int) -> bool:
    """Whether halving the steps once more is not allowed, does not fit, or would only follow rounding."""
    taken, errors = found[-1].steps, [one.error for one in found[-2:]]
    rounding = taken >= ENOUGH_TO_JUDGE and len(errors) == 2 and errors[1] >= errors[0]
    return taken == steps or len(span) > _longest_span(model, min(2 * taken, steps)) or rounding


def _summed(passes: Sequence[tuple[float, Tensor, Tensor]]) -> Float[np.ndarray, "rows read"]:
    """Sum over the steps of (mean gradient of its two ends) . (change of the state), in float64."""
    total = torch.zeros((), dtype=torch.float64, device=passes[0][1].device)
    for (_, states, gradients), (_, next_states, next_gradients) in itertools.pairwise(passes):
        mean = (gradients.double() + next_gradients.double()) / 2
        total = total + (mean * (next_states.double() - states.double())).sum(-1)
    return total.cpu().numpy()


def _read_before(
    model: Transformer, token_ids: Sequence[int], source: int, target: int, cuts: Sequence[Cut]
) -> KVCache:
    """The rings as they are when the source is about to be read."""
    kv_cache = model.empty_kv_cache(max_context=target + 1)
    edges = CutEdges(model.config, len(token_ids), cuts)
    for start in range(0, source, PREFIX_CHUNK):
        chunk = torch.tensor([list(token_ids[start : min(start + PREFIX_CHUNK, source)])])
        with torch.no_grad(), watching(edges):
            model(chunk, kv_cache=kv_cache, last_only=True)
    return kv_cache


def _copy(model: Transformer, kv_cache: KVCache) -> KVCache:
    """Rings of their own for one pass, which writes into them."""
    with torch.inference_mode(False):
        copy = model.empty_kv_cache(max_context=kv_cache.max_context)
        for ring, known in zip(copy.rings, kv_cache.rings, strict=True):
            ring.keys, ring.values, ring.positions = known.keys.clone(), known.values.clone(), known.positions.clone()
        copy.n_seen = kv_cache.n_seen.clone()
    return copy
