"""Which parts matter for one prediction: every head, KV group and MLP is knocked out alone.

For a prediction after position `t`, of the actual next token or another one,

    change   ln p(token) with the part knocked out  -  ln p(token) as it is      nats; below 0: the part helped
    kl       KL(as it is || knocked out) of the whole next-token distribution    nats

Nothing after `t` is read, nor what lies beyond the exact reach. The knock-outs of a layer are rows of one batch, each
with a sink of its own. What one part does alone is no share: parts can stand in for each other, so neither do the
changes add up, nor does a change of 0 say that a part does nothing.

Source: head ablation: Michel et al. 2019 (arXiv 1905.10650); parts that stand in for others: Wang et al. 2022
(arXiv 2211.00593), McGrath et al. 2023 (arXiv 2307.15771).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.gradients import log_probs
from mistral_core.analysis.influence import kl_divergence
from mistral_core.analysis.intervening import intervene
from mistral_core.analysis.interventions import KnockOut
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import check_position
from mistral_core.config import MistralConfig
from mistral_core.hooks import RowSinks, watching
from mistral_core.model import Transformer

BATCH_BYTES = 2**28
"""What the scores and features of one batch may take: as many rows are read at once as fit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PartChanges:
    """What knocking out does to one prediction, part by part: change of the log-probability and KL, in nats.

    Attributes:
        change, kl: a row a layer, a column for each head or group; one column for MLPs.
    """

    change: Float[np.ndarray, "n_layers parts"]
    kl: Float[np.ndarray, "n_layers parts"]


@dataclass(frozen=True, kw_only=True, eq=False)
class KnockOutMap:
    """The whole map of one prediction; see the module's docstring.

    Attributes:
        target: position of the prediction. token: whose log-probability changes. log_prob: as it is, in nats.
        to: what parts are knocked out to. first_read: position from which the text was read.
    """

    target: int
    token: int
    log_prob: float
    to: Literal["zero", "mean"]
    heads: PartChanges
    groups: PartChanges
    mlps: PartChanges
    first_read: int


def knock_out_map(
    model: Transformer,
    token_ids: Sequence[int],
    target: int,
    token: int | None = None,
    *,
    to: Literal["zero", "mean"] = "zero",
    report: Report = silent,
) -> KnockOutMap:
    """Knocks out every part of the model in turn.

    Args:
        token: default: the one that follows in the text.
        to: what each part gives instead. Means are taken over the positions that are read.

    Raises:
        ValueError: no such position or token, or no token follows and none is named.
    """
    check_position("target", target, len(token_ids))
    if token is None:
        if target == len(token_ids) - 1:
            raise ValueError(f"no token follows position {target}; name the one whose probability is meant")
        token = token_ids[target + 1]
    if not 0 <= token < model.config.vocab_size:
        raise ValueError(f"token {token} is outside the vocabulary; ids are 0 to {model.config.vocab_size - 1}")
    reach = None if model.config.sinks else model.config.exact_reach()
    first = 0 if reach is None else max(0, target - reach)
    span = list(token_ids[first : target + 1])
    parts = list(all_parts(model.config, to))
    original = _predictions(model, span, first, [None])[0]
    change, kl = np.zeros(len(parts)), np.zeros(len(parts))
    at_once = rows_at_once(model, len(span))
    for start in range(0, len(parts), at_once):
        batch = parts[start : start + at_once]
        report(start, len(parts), f"knocking out parts of layer {batch[0].layer + 1} of {model.config.n_layers}")
        changed = _predictions(model, span, first, batch)
        change[start : start + len(batch)] = (changed[:, token] - original[token]).cpu().numpy()
        kl[start : start + len(batch)] = kl_divergence(original.expand_as(changed), changed).cpu().numpy()
    report(len(parts), len(parts), "done")
    by_part = {
        name: PartChanges(change=_rows(change, parts, name), kl=_rows(kl, parts, name))
        for name in ("head", "group", "mlp")
    }
    return KnockOutMap(
        target=target,
        token=token,
        log_prob=float(original[token]),
        to=to,
        heads=by_part["head"],
        groups=by_part["group"],
        mlps=by_part["mlp"],
        first_read=first,
    )


def all_parts(config: MistralConfig, to: Literal["zero", "mean"] = "zero") -> Iterator[KnockOut]:
    """Every head, group and MLP, layer by layer."""
    for layer in range(config.n_layers):
        for head in range(config.n_heads):
            yield KnockOut(part="head", layer=layer, index=head, to=to)
        for group in range(config.n_kv_heads):
            yield KnockOut(part="group", layer=layer, index=group, to=to)
        yield KnockOut(part="mlp", layer=layer, to=to)


def rows_at_once(model: Transformer, length: int) -> int:
    """How many rows of a batch of this length fit: scores, their copy and the softmax, and the features of an MLP."""
    config = model.config
    per_row = 3 * length * (length * config.n_heads + config.hidden_dim) * model.dtype.itemsize
    return max(1, min(config.n_heads + config.n_kv_heads + 1, BATCH_BYTES // per_row))


def _predictions(
    model: Transformer, span: Sequence[int], first: int, parts: Sequence[KnockOut | None]
) -> Float[Tensor, "parts vocab_size"]:
    """Log-probabilities after the span, in float64, with one part knocked out in each row."""
    sinks = RowSinks([None if part is None else intervene(model, [part], span) for part in parts])
    tokens = torch.tensor([list(span)] * len(parts))
    positions = torch.arange(first, first + len(span)).expand(tokens.shape)
    with watching(sinks), torch.inference_mode():
        return log_probs(model(tokens, positions, last_only=True)[:, -1])


def _rows(values: np.ndarray, parts: Sequence[KnockOut], name: str) -> Float[np.ndarray, "n_layers parts"]:
    own = values[[part.part == name for part in parts]]
    return own.reshape(parts[-1].layer + 1, -1)
