"""One cell of another text's stream, put in the place of the same cell of this one: what changes, and where.

By theory the change can be in the cell itself and in those above it that see it, layer by layer: the forward cone of
the windows (`intervening.touched`). Both readings are passes of one shape, so a cell outside is the same bit for bit.

Source: activation patching: Vig et al. 2020 (arXiv 2004.12265), Meng et al. 2022 (arXiv 2202.05262); a state of one
prompt read in another: Ghandeharioun et al. 2024 (arXiv 2401.06102), Patchscopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mistral_core.analysis.influence import Pass, read
from mistral_core.analysis.intervening import effect, touched
from mistral_core.analysis.logit_lens import lens_logits
from mistral_core.analysis.other_word import patch_row
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import check_position
from mistral_core.model import Transformer


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchedCell:
    """What the borrowed state does.

    Attributes:
        row, position: of the cell; row 0 is the embedding.
        cone: cells that can change by theory.
        change: `norm(d resid) / norm(resid)` of every cell; exactly 0 where no bit changed.
        outside: cells outside the cone in which a bit changed.
        top, probability: the likeliest token of every cell by the lens, in the changed run.
        kl: KL(as it is || changed) of every prediction, nats. original, changed: both readings.
    """

    row: int
    position: int
    cone: Bool[np.ndarray, "rows pos"]
    change: Float[np.ndarray, "rows pos"]
    outside: int
    top: Int[np.ndarray, "rows pos"]
    probability: Float[np.ndarray, "rows pos"]
    kl: Float[np.ndarray, " pos"]
    original: Pass
    changed: Pass


def patch_cell(
    model: Transformer,
    token_ids: Sequence[int],
    lender_ids: Sequence[int],
    row: int,
    position: int,
    *,
    original: Pass | None = None,
    report: Report = silent,
) -> PatchedCell:
    """Reads a text with one state of another text in it.

    Args:
        lender_ids: the other text; it is read in the network as it is.
        original: `influence.read` of the text, if it is already there.

    Raises:
        ValueError: a cell that is not in the grids of both texts, or a text that is too long to be kept.
    """
    config = model.config
    if not 0 <= row <= config.n_layers:
        raise ValueError(f"row {row} is not in the grid; rows are 0 (embedding) to {config.n_layers}")
    check_position("position", position, min(len(token_ids), len(lender_ids)))
    patch = [patch_row(row, (position, position + 1), lender_ids)]
    measured = effect(model, token_ids, patch, original=original or read(model, token_ids), report=report)
    cone = touched(config, patch, len(token_ids))
    top, probability = likeliest(model, measured.changed.states)
    differs = (measured.changed.states != measured.original.states).any(-1).cpu().numpy()
    return PatchedCell(
        row=row,
        position=position,
        cone=cone,
        change=measured.state,
        outside=int((differs & ~cone).sum()),
        top=top,
        probability=probability,
        kl=measured.kl,
        original=measured.original,
        changed=measured.changed,
    )


def likeliest(
    model: Transformer, states: Float[Tensor, "rows pos dim"]
) -> tuple[Int[np.ndarray, "rows pos"], Float[np.ndarray, "rows pos"]]:
    """The likeliest token of every cell by the lens, and its probability; one row at a time, since logits are wide."""
    tops, chances = [], []
    for row in states:
        best = lens_logits(model, row[None])[0].softmax(-1).max(-1)
        tops.append(best.indices.cpu().numpy())
        chances.append(best.values.cpu().numpy())
    return np.stack(tops), np.stack(chances)
