"""How far a change really travels: influence, measured on the model, in three readings.

forward   One input token is replaced, everything after it is held fixed, and both texts are read
          in passes of the same shape. Each cell of the grid shows `norm(d resid) / norm(resid)`,
          each position the change of its next-token distribution. Beyond the exact reach the two
          passes are equal bit for bit, so the map is exactly 0 there.
backward  One gradient pass from the log-probability of a token at a target. Each cell shows
          `norm(gradient) x norm(state)`: what a relative change of the state does, to first order.
corridor  Both for a pair: how much of the change of the log-probability passes through each cell.
          The source's embedding is moved to that of the replacement in small steps, and over them
          `gradient . (d state)` is summed. A row of the grid is all there is between the tokens and
          the prediction, so each row sums to the whole change, up to the error of the steps.

Attention edges can be cut (`reach.Cut`): the reading is then that of the network without them.

Rows of the grid: 0 = embedding, `l` = `layers.{l-1}.hook_resid_post`. Left out: changes of more
than one token, and effects through which tokens would be written (the continuation is fixed).

Source: activation patching: Vig et al. 2020 (arXiv 2004.12265), Meng et al. 2022 (arXiv
2202.05262). The corridor's sum: conductance, Dhamdhere et al. 2018 (arXiv 1805.12233).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.gradients import (
    GOOD_ENOUGH,
    MOST_STEPS,
    conductance,
    gradient_pass,
    log_probs,
    longest_pass,
    state_names,
)
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import Cut, CutEdges, check_cuts, check_position, corridor
from mistral_core.hooks import Capture, Sink, Sinks, watching
from mistral_core.model import Transformer
from mistral_core.sampling import uniform

CHUNK = 512
"""Tokens of one pass. A longer text goes through the ring in chunks of this, so scores never grow with it."""
MAX_BYTES = 2**30
"""What one reading may hold; a longer text is refused before it is read."""
STREAM = 1
"""Of random numbers: with that of the tokens, original and replacement would be drawn by the same number."""
NEVER_DRAWN = (0, 1, 2)
"""Ids that replace nothing: unknown, begin and end."""
REPLACEMENT_RULE = "the token at a place of the same text drawn by (seed, position), never the original one"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """One reading of a text.

    Attributes:
        states: the grid, in the model's dtype. logits: row `p` is the prediction for token `p + 1`.
        cuts: edges the network did without.
    """

    token_ids: tuple[int, ...]
    states: Float[Tensor, "rows pos dim"]
    logits: Float[Tensor, "pos vocab_size"]
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ForwardInfluence:
    """Where the change of one token is felt.

    Attributes:
        source: its position. original, replacement: token ids.
        change: relative change of every cell's state, `norm(d resid) / norm(resid)`.
        kl: KL(original || replaced) of each position's next-token distribution, in nats.
        before, after: probability of the actual next token; NaN at the last position, which has none.
        cuts: edges the network did without, in both passes.
    """

    source: int
    original: int
    replacement: int
    change: Float[np.ndarray, "rows pos"]
    kl: Float[np.ndarray, " pos"]
    before: Float[np.ndarray, " pos"]
    after: Float[np.ndarray, " pos"]
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class BackwardInfluence:
    """What one prediction depends on.

    Attributes:
        target: position of the prediction. token: whose log-probability it is. log_prob: in nats.
        influence: `norm(gradient) x norm(state)` of every cell, in nats; 0 after the target, which is not read.
        first_read: position from which the text was read: beyond the reach nothing can matter, and
            a long text is cut there.
    """

    target: int
    token: int
    log_prob: float
    influence: Float[np.ndarray, "rows pos"]
    first_read: int
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class CorridorInfluence:
    """How the change of one token gets to one prediction.

    Attributes:
        theory: cells of the corridor, by formula, without cuts.
        through: what passes through every cell, in nats; each row sums to nearly
            `log_prob_after - log_prob_before`.
        error: by how much a row misses that at most, in nats; the error left of the steps.
        steps: how many were taken; 0 where nothing can pass.
        log_prob_before, log_prob_after: of the target's token, measured in full passes.
    """

    forward: ForwardInfluence
    backward: BackwardInfluence
    theory: np.ndarray
    through: Float[np.ndarray, "rows pos"]
    log_prob_before: float
    log_prob_after: float
    steps: int

    @property
    def error(self) -> float:
        return float(np.abs(self.through.sum(1) - (self.log_prob_after - self.log_prob_before)).max())


def captured(model: Transformer, token_ids: Sequence[int], names: Sequence[str]) -> Capture:
    """Named tensors of a text, each joined to one of all its positions; a long one is read through the rings."""
    capture, length = Capture(names), len(token_ids)
    kv_cache = model.empty_kv_cache(max_context=length) if length > CHUNK else None
    with watching(capture), torch.inference_mode():
        for chunk in torch.tensor([list(token_ids)]).split(CHUNK, 1):
            model(chunk, kv_cache=kv_cache, last_only=True)
    capture.values = {name: [torch.cat(parts, 1)] for name, parts in capture.values.items()}
    return capture


def read(
    model: Transformer,
    token_ids: Sequence[int],
    cuts: Sequence[Cut] = (),
    report: Report = silent,
    sink: Sink | None = None,
) -> Pass:
    """Reads a text and keeps its grid and its predictions: one dense pass, or chunks if it is long.

    Args:
        sink: what else watches or changes the passes (`intervening`), before anything is kept of them.

    Raises:
        ValueError: no tokens, a token or a cut that does not exist, or a text that needs too much memory.
    """
    config, length = model.config, len(token_ids)
    needed = length * ((config.n_layers + 1) * config.dim + config.vocab_size) * model.dtype.itemsize
    if needed > MAX_BYTES:
        raise ValueError(
            f"{length:,} tokens need {needed:,} bytes for states and predictions; at most {MAX_BYTES:,} are used, "
            f"so give at most {length * MAX_BYTES // needed:,} tokens"
        )
    capture, edges = Capture(state_names(config.n_layers)), CutEdges(config, length, cuts)
    sinks = Sinks(edges, capture) if sink is None else Sinks(sink, edges, capture)
    kv_cache = model.empty_kv_cache(max_context=length) if length > CHUNK else None
    chunks, logits = torch.tensor([list(token_ids)], dtype=torch.long).split(CHUNK, 1), []
    for done, chunk in enumerate(chunks):
        report(done, len(chunks), "reading the text")
        with watching(sinks), torch.inference_mode():
            logits.append(model(chunk, kv_cache=kv_cache)[0])
    report(len(chunks), len(chunks), "reading the text")
    states = torch.stack([torch.cat(capture.values[name], 1)[0] for name in capture.values])
    return Pass(token_ids=tuple(token_ids), states=states, logits=torch.cat(logits), cuts=tuple(cuts))


def default_replacement(
    token_ids: Sequence[int], position: int, seed: int = 0, avoid: Collection[int] = NEVER_DRAWN
) -> int:
    """A token to put in the place of another one, from the text's own unigram: see `REPLACEMENT_RULE`.

    Args:
        avoid: ids that are not drawn.

    Raises:
        ValueError: no such position, or the text holds no other token.
    """
    check_position("source", position, len(token_ids))
    others = [token for token in token_ids if token != token_ids[position] and token not in avoid]
    if not others:
        raise ValueError(f"this text holds no token but {token_ids[position]}; name the replacement yourself")
    return others[int(uniform(seed, position, STREAM) * len(others))]


def forward_influence(
    model: Transformer,
    token_ids: Sequence[int],
    source: int,
    replacement: int,
    *,
    cuts: Sequence[Cut] = (),
    original: Pass | None = None,
    report: Report = silent,
) -> ForwardInfluence:
    """Replaces one token and shows where that is felt, and how much.

    Args:
        replacement: the id that takes the place of the token at `source`.
        cuts: edges that both passes do without.
        original: `read` of the same text and cuts, if it is already there.

    Raises:
        ValueError: a position, token or cut that does not exist, a replacement that changes
            nothing, or an `original` of something else.
    """
    _check_replacement(token_ids, source, replacement)
    if original is None:
        original = read(model, token_ids, cuts, lambda done, total, what: report(done, 2 * total, what))
    elif (original.token_ids, original.cuts) != (tuple(token_ids), tuple(cuts)):
        raise ValueError("the pass handed in is of another text or with other cuts; read this one, or hand in none")
    changed = _replaced(token_ids, source, replacement)
    patched = read(model, changed, cuts, lambda done, total, what: report(total + done, 2 * total, what))
    return compare(original, patched, source)


def compare(original: Pass, patched: Pass, source: int) -> ForwardInfluence:
    """What differs between two readings of equal length whose tokens differ at `source`."""
    length = len(original.token_ids)
    following = torch.tensor([*original.token_ids[1:], 0], device=original.logits.device)[:, None]
    kl, chosen = [], []
    for start in range(0, length, CHUNK):  # float64 copies of all logits at once could be large
        rows = slice(start, start + CHUNK)
        p, q = log_probs(original.logits[rows]), log_probs(patched.logits[rows])
        kl.append(kl_divergence(p, q))
        chosen.append(torch.cat((p.gather(1, following[rows]), q.gather(1, following[rows])), 1).exp())
    probability = torch.cat(chosen).cpu().numpy()
    probability[-1] = np.nan
    return ForwardInfluence(
        source=source,
        original=original.token_ids[source],
        replacement=patched.token_ids[source],
        change=_relative_change(original.states, patched.states),
        kl=torch.cat(kl).cpu().numpy(),
        before=probability[:, 0],
        after=probability[:, 1],
        cuts=original.cuts,
    )


def backward_influence(
    model: Transformer, token_ids: Sequence[int], target: int, token: int | None = None, *, cuts: Sequence[Cut] = ()
) -> BackwardInfluence:
    """Follows the log-probability of a token at `target` back through the grid, in one gradient pass.

    Args:
        target: position of the prediction.
        token: whose log-probability; default: the token that really follows.

    Raises:
        ValueError: a position, token or cut that does not exist, nothing follows the target and no
            token is named, or a text that needs too much memory.
    """
    config, length = model.config, len(token_ids)
    check_position("target", target, length)
    check_cuts(config, length, cuts)
    if token is None and target == length - 1:
        raise ValueError(f"nothing follows the target {target}, the last position; name the token to explain")
    token = token_ids[target + 1] if token is None else token
    if not 0 <= token < config.vocab_size:
        raise ValueError(f"token {token} is outside the vocabulary; ids are 0 to {config.vocab_size - 1}")
    first = _first_needed(model, target)
    log_prob, states, gradients = gradient_pass(model, token_ids, range(first, target + 1), token, cuts)
    influence = np.zeros((config.n_layers + 1, length))
    sizes = gradients.double().norm(dim=-1) * states.double().norm(dim=-1)
    influence[:, first : target + 1] = sizes.cpu().numpy()
    return BackwardInfluence(
        target=target, token=token, log_prob=log_prob, influence=influence, first_read=first, cuts=tuple(cuts)
    )


def corridor_influence(
    model: Transformer,
    token_ids: Sequence[int],
    source: int,
    target: int,
    replacement: int,
    token: int | None = None,
    *,
    cuts: Sequence[Cut] = (),
    steps: int = MOST_STEPS,
    good_enough: float = GOOD_ENOUGH,
    report: Report = silent,
) -> CorridorInfluence:
    """All three readings for a pair; see the module's docstring.

    Args:
        steps: from the original embedding to the replacement's, at most; at least 1.
        good_enough: share of the change that a row may miss; with 0 all steps are taken (see `conductance`).

    Raises:
        ValueError: as `forward_influence` and `backward_influence`.
    """
    _check_replacement(token_ids, source, replacement)
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least 1 leads from the original to the replacement")
    backward = backward_influence(model, token_ids, target, token, cuts=cuts)
    original, patched = read(model, token_ids, cuts), read(model, _replaced(token_ids, source, replacement), cuts)
    through, taken = np.zeros((model.config.n_layers + 1, len(token_ids))), 0
    reach = model.config.exact_reach()
    if source <= target and (reach is None or target - source <= reach):  # else nothing can pass
        passed = conductance(
            model,
            token_ids,
            source,
            target,
            replacement,
            backward.token,
            cuts=cuts,
            steps=steps,
            good_enough=good_enough,
            report=report,
        )
        through[:, source : target + 1], taken = passed.through, passed.steps
    return CorridorInfluence(
        forward=compare(original, patched, source),
        backward=backward,
        through=through,
        theory=corridor(model.config, source, target, len(token_ids)),
        log_prob_before=float(log_probs(original.logits[target])[backward.token]),
        log_prob_after=float(log_probs(patched.logits[target])[backward.token]),
        steps=taken,
    )


def kl_divergence(p: Float[Tensor, "*pos vocab_size"], q: Float[Tensor, "*pos vocab_size"]) -> Float[Tensor, "*pos"]:
    """KL(p || q) in nats, of log-probabilities; exactly 0 for equal ones and never below.

    Summed as `p (q/p - 1 - ln q/p)`, which is the same since both sum to 1: every term is
    positive, so a change of 1e-14 is not lost among rounded terms of both signs.
    """
    r = q - p
    small = r * r * (0.5 + r / 6 + r * r / 24)
    return (p.exp() * torch.where(r.abs() < 1e-3, small, r.expm1() - r)).sum(-1)


def _first_needed(model: Transformer, target: int) -> int:
    """Where reading must start: at 0 if the graph fits into memory, else at the edge of the reach.

    The states of the backward cone depend on nothing before that edge either, so they are the same.
    """
    longest, reach = longest_pass(model), model.config.exact_reach()
    if target < longest:
        return 0
    if reach is not None and reach < longest:
        return target - reach
    raise ValueError(
        f"a gradient pass over {target + 1:,} tokens needs too much memory; choose a target before {longest:,}"
    )


def _relative_change(
    original: Float[Tensor, "rows pos dim"], patched: Float[Tensor, "rows pos dim"]
) -> Float[np.ndarray, "rows pos"]:
    """`norm(patched - original) / norm(original)`, exactly 0 where nothing changed, in float64."""
    moved = (patched.double() - original.double()).norm(dim=-1).cpu().numpy()
    size = original.double().norm(dim=-1).cpu().numpy()
    with np.errstate(divide="ignore"):  # a state of length 0 that moves has changed by inf, and says so
        return np.divide(moved, size, out=np.zeros_like(moved), where=moved != 0)


def _check_replacement(token_ids: Sequence[int], source: int, replacement: int) -> None:
    check_position("source", source, len(token_ids))
    if replacement == token_ids[source]:
        raise ValueError(f"the replacement is the token {replacement} that stands there already; name another one")


def _replaced(token_ids: Sequence[int], source: int, replacement: int) -> list[int]:
    return [*token_ids[:source], replacement, *token_ids[source + 1 :]]
