"""The logit lens: what the network would say if it stopped after a layer.

Every row of the stream is read as if it were the last: final norm, then the output matrix.

    lens(x) = softmax(output . norm(x))        norm with the scale of this x, as in the model

At the last row that is the model's own prediction, by the same operations. Earlier rows were never trained to be read
so: that a token is likely there says that the stream points its way already, not that the layer "thinks" it.

For each cell: the likeliest token and its probability; log-probability and rank of the final token, which is the
likeliest at the last row of the same position; entropy in bits; KL(last row || this row) in nats, 0 at the last row.

Source: nostalgebraist 2020 ("interpreting GPT: the logit lens"); KL to the final distribution as in Belrose et al. 2023
(arXiv 2303.08112), section 2, which also shows where the lens is biased.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.stream import Stream
from mistral_core.hooks import watching
from mistral_core.model import Transformer

LOGIT_BYTES = 2**26
"""What the logits of all rows at the positions of one step may take."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lens:
    """What every cell would say, in the model's own precision. Ranks count from 0, the likeliest.

    Attributes:
        top, probability: the likeliest token of each cell.
        entropy: bits. kl: KL(last row || this row), nats.
        tokens: for each position tokens that are worth following: the final one (likeliest at the last row), the one
            that really comes next, the second likeliest at the end, those that some row finds likeliest, and more.
        log_prob, rank: of these in every row; nats. The first ones are those of the final token.
    """

    top: Int[np.ndarray, "rows pos"]
    probability: Float[np.ndarray, "rows pos"]
    entropy: Float[np.ndarray, "rows pos"]
    kl: Float[np.ndarray, "rows pos"]
    tokens: Int[np.ndarray, "pos followed"]
    log_prob: Float[np.ndarray, "rows pos followed"]
    rank: Int[np.ndarray, "rows pos followed"]


def lens_logits(model: Transformer, states: Float[Tensor, "rows pos dim"]) -> Float[Tensor, "rows pos vocab_size"]:
    """`output . norm(x)`: what the model makes of its last row, made of any, in at least float32. Nobody watches."""
    with watching(None), torch.inference_mode():
        return widened(model.unembed(model.norm(states)))


def widened(values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """In float32, unless they are float64."""
    return values if values.dtype == torch.float64 else values.float()


def logit_lens(model: Transformer, stream: Stream, *, n_tokens: int = 12, report: Report = silent) -> Lens:
    """Reads every cell of a stream.

    Args:
        n_tokens: how many tokens are followed at each position, 1 to the size of the vocabulary.

    Raises:
        ValueError: `n_tokens` is out of bounds.
    """
    _check_count(model, n_tokens)
    parts = []
    for at, logits in _by_position(model, stream, report):
        following = [_following(stream, position) for position in range(at.start, at.stop)]
        parts.append(_cells(logits, following, n_tokens))
    joined = {name: np.concatenate([part[name] for part in parts], int(name != "tokens")) for name in parts[0]}
    return Lens(**joined)


@dataclass(frozen=True, kw_only=True, eq=False)
class Followed:
    """Some tokens in every cell: log-probability in nats, and rank from 0."""

    log_prob: Float[np.ndarray, "rows pos tokens"]
    rank: Int[np.ndarray, "rows pos tokens"]


def follow(model: Transformer, stream: Stream, tokens: Sequence[int], report: Report = silent) -> Followed:
    """The same tokens in every cell.

    Raises:
        ValueError: a token that does not exist.
    """
    check_tokens(model, tokens)
    parts = []
    for _, logits in _by_position(model, stream, report):
        ids = torch.tensor(list(tokens), device=logits.device).expand(*logits.shape[:2], -1)
        parts.append((logits.log_softmax(-1).gather(-1, ids), ranks(logits, ids)))
    return Followed(
        log_prob=np.concatenate([log_prob.cpu().numpy() for log_prob, _ in parts], 1),
        rank=np.concatenate([rank.cpu().numpy() for _, rank in parts], 1),
    )


def check_tokens(model: Transformer, tokens: Sequence[int]) -> None:
    """Refuses tokens that do not exist.

    Raises:
        ValueError: it names the first of them.
    """
    if bad := [token for token in tokens if not 0 <= token < model.config.vocab_size]:
        raise ValueError(f"token {bad[0]} is outside the vocabulary; ids are 0 to {model.config.vocab_size - 1}")


def ranks(values: Float[Tensor, "*any vocab_size"], ids: Int[Tensor, "*any tokens"]) -> Int[Tensor, "*any tokens"]:
    """How many tokens of the vocabulary have a larger value than each of these."""
    chosen, ordered = values.gather(-1, ids).cpu(), torch.from_numpy(np.sort(values.cpu().numpy(), -1))
    return values.shape[-1] - torch.searchsorted(ordered, chosen, right=True)


def _by_position(
    model: Transformer, stream: Stream, report: Report
) -> Iterator[tuple[range, Float[Tensor, "rows pos vocab_size"]]]:
    """Logits of all rows, a few positions at a time; at the last row they are what the model said itself."""
    rows, length = len(stream.states), len(stream)
    at_once = max(1, LOGIT_BYTES // (stream.logits.itemsize * rows * model.config.vocab_size))
    for start in range(0, length, at_once):
        report(start, length, "reading every layer's stream")
        stop = min(start + at_once, length)
        early = lens_logits(model, stream.states[:-1, start:stop])
        yield range(start, stop), torch.cat((early, widened(stream.logits[None, start:stop])))
    report(length, length, "reading every layer's stream")


def _following(stream: Stream, index: int) -> int | None:
    after = stream.first + index + 1
    return stream.token_ids[after] if after < len(stream.token_ids) else None


def _cells(
    logits: Float[Tensor, "rows pos vocab_size"], following: Sequence[int | None], n_tokens: int
) -> dict[str, np.ndarray]:
    """The fields of `Lens` for some positions."""
    logs = logits.log_softmax(-1)
    best, top = logits[-1].topk(n_tokens).indices.tolist(), logits.argmax(-1)
    tokens = [
        _worth(choices, after, rows[::-1], n_tokens)
        for choices, after, rows in zip(best, following, top.T.tolist(), strict=True)
    ]
    ids = torch.tensor(tokens, device=logits.device)
    everywhere = ids.expand(len(logits), *ids.shape)
    out = {
        "top": top,
        "probability": logs.gather(-1, top[..., None])[..., 0].exp(),
        "entropy": -(logs.exp() * logs).sum(-1) / math.log(2),
        "kl": (logs[-1:].exp() * (logs[-1:] - logs)).sum(-1).clamp_min(0),
        "tokens": ids,
        "log_prob": logs.gather(-1, everywhere),
        "rank": ranks(logits, everywhere),
    }
    return {name: value.cpu().numpy() for name, value in out.items()}


def _worth(best: Sequence[int], after: int | None, tops: Sequence[int], n_tokens: int) -> list[int]:
    """Tokens to follow, each once: the final one, the one that comes, then what rows find likeliest, from the last."""
    wanted = [best[0], *([after] if after is not None else []), best[1 % len(best)], *tops, *best]
    return list(dict.fromkeys(wanted))[:n_tokens]


def _check_count(model: Transformer, n_tokens: int) -> None:
    if not 1 <= n_tokens <= model.config.vocab_size:
        raise ValueError(f"n_tokens is {n_tokens}; the vocabulary has 1 to {model.config.vocab_size} tokens to follow")
