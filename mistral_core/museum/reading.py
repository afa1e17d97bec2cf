"""One text, read and gone on with by a network and by its copy with a mistake: how far apart, from where on.

    error       largest |logit right - logit wrong| at a position
    KL          KL(right || wrong) of the next token there, nats

Both read the same chunks, so that what is equal is equal bit for bit, and the first difference is the mistake's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.analysis.mask_reading import change
from mistral_core.analysis.progress import Report, part_of, silent
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer
from mistral_core.museum.copies import Substitution, copy_with
from mistral_core.museum.exhibits import MOST, Exhibit, Plan, room

WRITTEN = 24
"""Tokens that are written on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """A text read both ways.

    Attributes:
        error: `[T]` largest absolute difference of a logit. kl: `[T]` nats, KL(right || wrong) of the next token.
        errs_from: first position with another bit; `None` = all bits are the same.
        expected: where the story says that it begins; `None` = nowhere but by rounding.
        right, wrong: ids that are written on, always the likeliest.
        largest: largest absolute right logit, to which an error can be compared.
    """

    error: Float[np.ndarray, " pos"]
    kl: Float[np.ndarray, " pos"]
    errs_from: int | None
    expected: int | None
    right: tuple[int, ...]
    wrong: tuple[int, ...]
    largest: float


def compare(
    model: Transformer,
    chosen: Exhibit,
    token_ids: Sequence[int],
    *,
    n_written: int = WRITTEN,
    stop: int | None = None,
    report: Report = silent,
) -> Compared:
    """Reads a text as the exhibit says, with the model and with a copy that has the mistake, and writes on.

    Args:
        token_ids: at most `MOST` of them are read.
        n_written: tokens that are written on, at most. stop: id that ends a text.

    Raises:
        ValueError: the mistake cannot be shown with this model and text; it says why.
    """
    ids = tuple(token_ids)[:MOST]
    if problem := chosen.problem(model.config, len(ids)):
        raise ValueError(f"{chosen.title}: {problem}")
    window, sinks = room(model.config)
    plan = chosen.plan(window, sinks, len(ids))
    runs = []
    for number, (network, given) in enumerate(
        ((model, Substitution()), (copy_with(model, chosen.substitution), chosen.substitution))
    ):
        said = part_of(report, number, 2, ("as it is: {}", "with the mistake: {}")[number])
        logits, kv_cache = read(network, ids, plan, given, said)
        runs.append((logits, write(network, ids, logits[-1], kv_cache, n_written, stop, said)))
    (right, written), (wrong, miswritten) = runs
    equal = np.asarray((right == wrong).all(-1))
    moved = change(right, wrong)
    return Compared(
        error=moved.largest,
        kl=moved.kl,
        errs_from=None if equal.all() else int(np.argmin(equal)),
        expected=chosen.errs_from(window, sinks, len(ids)),
        right=written,
        wrong=miswritten,
        largest=float(right.abs().max()),
    )


def read(
    model: Transformer, ids: Sequence[int], plan: Plan, given: Substitution, report: Report = silent
) -> tuple[Float[Tensor, "pos vocab_size"], KVCache | None]:
    """Logits of a text, and the rings after it; `None` of a dense pass.

    Where the plan goes back, the last tokens are read again, by default with rings that read the rest anew: of the ring
    itself there is no way back.
    """
    tokens = torch.tensor([ids])
    if not plan.cached:
        return _pass(model, tokens, None), None
    logits, kv_cache = _chunks(model, tokens, plan.chunks, report)
    if not plan.back:
        return logits, kv_cache
    first = len(ids) - plan.back
    if given.go_back is not None:
        given.go_back(kv_cache, first)
    else:
        sizes = [len(part) for part in torch.arange(first).split(max(plan.chunks))]
        _, kv_cache = _chunks(model, tokens[:, :first], sizes, report)
    again = _pass(model, tokens[:, first:], kv_cache)
    return torch.cat((logits[:first], again)), kv_cache


def write(
    model: Transformer,
    ids: Sequence[int],
    logits: Float[Tensor, " vocab_size"],
    kv_cache: KVCache | None,
    n_written: int,
    stop: int | None,
    report: Report = silent,
) -> tuple[int, ...]:
    """The likeliest tokens, one after another, behind a text that was read."""
    written: list[int] = []
    while len(written) < n_written and (not written or written[-1] != stop):
        report(len(written), n_written, "writing on")
        written.append(int(logits.argmax()))
        tokens = [*ids, *written] if kv_cache is None else written[-1:]
        logits = _pass(model, torch.tensor([tokens]), kv_cache)[-1]
    return tuple(written)


def _chunks(
    model: Transformer, tokens: Int[Tensor, "1 pos"], sizes: Sequence[int], report: Report
) -> tuple[Float[Tensor, "pos vocab_size"], KVCache]:
    length = tokens.shape[1]
    kv_cache = model.empty_kv_cache(max_context=MOST + WRITTEN)
    parts, done = [], 0
    for chunk in tokens.split(list(sizes), 1):
        report(done, length, "reading the text")
        parts.append(_pass(model, chunk, kv_cache))
        done += chunk.shape[1]
    return torch.cat(parts), kv_cache


def _pass(
    model: Transformer, tokens: Int[Tensor, "1 pos"], kv_cache: KVCache | None
) -> Float[Tensor, "pos vocab_size"]:
    with torch.inference_mode():
        logits: Tensor = model(tokens, kv_cache=kv_cache)[0].cpu()
    return logits
