"""What it does to the loss that a text is read as it was written, or as it is encoded.

    loss    sum over the tokens after the first of -ln p(token), in nats; over ln 2 and bytes of the text: bits per byte

Both readings are of the same letters, so their sums can be held against each other; a loss per token could not, since
the cuts have different numbers of tokens. The first token of a text without a begin token is predicted by nothing.

Source: bits per byte do not depend on the cut: Gao et al. 2020 (arXiv 2101.00027).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.analysis.gradients import log_probs
from mistral_core.analysis.influence import CHUNK, read
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reencoding import Place, Reencoded
from mistral_core.model import Transformer


@dataclass(frozen=True, kw_only=True, eq=False)
class CutLoss:
    """Losses of both cuts of a text, token by token.

    Attributes:
        written, again: -ln p of each token in nats; 0 for the first, which nothing predicts.
        size: bytes of the text.
    """

    written: Float[np.ndarray, " written"]
    again: Float[np.ndarray, " again"]
    size: int

    def bits_per_byte(self) -> tuple[float, float]:
        """As it was written, and as it is encoded."""
        both = (float(one.sum()) / math.log(2) / self.size for one in (self.written, self.again))
        before, after = both
        return before, after

    def at(self, place: Place) -> tuple[float, float]:
        """Nats of a place: of the written tokens, and of those in their stead."""
        return (
            float(self.written[place.start : place.stop].sum()),
            float(self.again[place.again_start : place.again_stop].sum()),
        )


def cut_loss(model: Transformer, cuts: Reencoded, report: Report = silent) -> CutLoss:
    """Reads a text in both cuts.

    Raises:
        ValueError: as `influence.read`.
    """
    return CutLoss(
        written=_losses(model, cuts.written, report),
        again=_losses(model, cuts.again, report) if cuts.places else _losses(model, cuts.written, report),
        size=cuts.size,
    )


def _losses(model: Transformer, token_ids: Sequence[int], report: Report) -> Float[np.ndarray, " pos"]:
    logits = read(model, token_ids, report=report).logits
    following = torch.tensor(token_ids[1:], device=logits.device)[:, None]
    rows = [
        -log_probs(logits[start : start + CHUNK][: len(following) - start]).gather(1, following[start : start + CHUNK])
        for start in range(0, len(following), CHUNK)
    ]
    return np.concatenate([np.zeros(1), *(row[:, 0].double().cpu().numpy() for row in rows)])
