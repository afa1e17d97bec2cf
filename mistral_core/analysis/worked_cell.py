"""A number of a block and what it was worked out from: the boxes, their cells, and how a sum is judged by rounding.

`worked.py` has the formula of each box; this file has what they share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.analysis.inside import Inside
from mistral_core.block import Block
from mistral_core.model import Transformer
from mistral_core.trace.shapes import KEYS, PATTERN, VALUES

SCORES = "attention.hook_attn_scores"
Cell = tuple[int, ...]
Vector = Float[np.ndarray, " terms"]

STORED = {
    "resid_pre": "hook_resid_pre",
    "attention_norm": "attention_norm.hook_normalized",
    "q": "attention.hook_q",
    "k": "attention.hook_k",
    "v": VALUES,
    "rot_q": "attention.hook_rot_q",
    "rot_k": KEYS,
    "ring": KEYS,
    "scores": SCORES,
    "mask": SCORES,
    "pattern": PATTERN,
    "z": "attention.hook_z",
    "attn_out": "hook_attn_out",
    "resid_mid": "hook_resid_mid",
    "ffn_norm": "ffn_norm.hook_normalized",
    "pre": "feed_forward.hook_pre",
    "pre_linear": "feed_forward.hook_pre_linear",
    "post": "feed_forward.hook_post",
    "mlp_out": "hook_mlp_out",
    "resid_post": "hook_resid_post",
    "final_norm": "norm.hook_normalized",
    "logits": "hook_logits",
}
"""The boxes of the diagram in the order of the data, and the hook whose tensor each one holds."""
OF_MODEL = ("final_norm", "logits")
"""Boxes behind the last layer."""
BY_KEY = ("scores", "mask", "pattern")
"""Boxes whose cells are (head, position of the key); the mask is the same for all heads."""


class Step(NamedTuple):
    """What is done with the sum, and what comes of it."""

    text: str
    value: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Worked:
    """One cell: `sum(left * right)`, then the steps.

    Attributes:
        cell: (feature), (head, feature), (head, position of the key), or (token id).
        left, right: float64, the factors of each term; `right` is 1 where terms are only added.
        left_name, right_name: what they are; "" = 1. labels: of the terms; empty = they are counted.
        steps: after the sum; empty = the sum is the result.
        result: what the inputs make. stored: what the model stored.
        size: sum of the absolute terms, by which rounding is judged, after the steps.
    """

    box: str
    cell: Cell
    left: Vector
    right: Vector
    left_name: str
    right_name: str = ""
    labels: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    result: float
    stored: float
    size: float
    rounding: float

    @property
    def error(self) -> float:
        """How far the two are apart; 0 where both are minus infinity."""
        return 0.0 if self.result == self.stored else abs(self.result - self.stored)

    @property
    def agrees(self) -> bool:
        """Whether that is no more than rounding."""
        return self.error <= self.rounding * max(self.size, 1e-6)


def stored_in(inside: Inside, layer: int, position: int, box: str) -> np.ndarray:
    """What a box holds of one token in one layer, as the model stored it."""
    name = STORED[box]
    return inside.at(name, position) if box in OF_MODEL else inside.of(layer, name, position)


@dataclass(frozen=True)
class Place:
    """One token in one layer, and what is read of it."""

    model: Transformer
    inside: Inside
    layer: int
    position: int

    @property
    def block(self) -> Block:
        return cast(Block, self.model.layers[self.layer])

    @property
    def repeats(self) -> int:
        """Query heads that share a key/value head."""
        return self.inside.config.n_heads // self.inside.config.n_kv_heads

    def of(self, box: str) -> np.ndarray:
        """What a box holds, as float64."""
        return stored_in(self.inside, self.layer, self.position, box).astype(np.float64)

    def by_key(self, box: str) -> np.ndarray:
        return self.inside.by_key(self.layer, STORED[box], self.position).astype(np.float64)

    def column(self, key: int) -> int:
        """Where a key stands among those that are seen; -1 = it is not seen."""
        places = np.flatnonzero(self.inside.seen(self.layer, self.position) == key)
        return int(places[0]) if len(places) else -1

    def check(self, box: str, cell: Cell) -> None:
        config = self.inside.config
        if not 0 <= self.layer < config.n_layers:
            raise ValueError(f"layer {self.layer} is not in this model; it has layers 0 to {config.n_layers - 1}")
        if box == "mask":
            shape: tuple[int, ...] = (self.position + 1,)
        elif box in BY_KEY:
            shape = (config.n_heads, self.position + 1)
        else:
            shape = stored_in(self.inside, self.layer, self.position, box).shape
        inside = len(cell) == len(shape) and all(0 <= i < size for i, size in zip(cell, shape, strict=True))
        if not inside:
            raise ValueError(f"cell {cell} is not in {box}, which has {' x '.join(map(str, shape))} numbers")
        if box in BY_KEY and box != "mask" and self.column(cell[1]) < 0:
            raise ValueError(f"position {cell[1]} is not seen from {self.position} in layer {self.layer}: it is masked")

    def make(
        self,
        box: str,
        cell: Cell,
        left: np.ndarray | Sequence[float],
        right: np.ndarray | Sequence[float] | None = None,
        *,
        names: tuple[str, str] = ("", ""),
        labels: tuple[str, ...] = (),
        steps: tuple[Step, ...] = (),
        stored: float | None = None,
        scale: float = 1.0,
    ) -> Worked:
        """The cell with its terms.

        Args:
            stored: default: what the box holds there. scale: by what the steps multiply the terms, about.
        """
        one = np.asarray(left, np.float64)
        other = np.ones_like(one) if right is None else np.asarray(right, np.float64)
        total = math.fsum(one * other)
        return Worked(
            box=box,
            cell=cell,
            left=one,
            right=other,
            left_name=names[0],
            right_name=names[1],
            labels=labels,
            steps=steps,
            result=steps[-1].value if steps else total,
            stored=float(self.of(box)[cell]) if stored is None else stored,
            size=float(np.abs(one * other).sum()) * scale,
            rounding=rounding_of(self.model),
        )


def rounding_of(model: Transformer) -> float:
    """How far a sum may be off for each unit of its terms, by how the network multiplies."""
    if model.dtype == torch.float64:
        return 1e-12
    whole = getattr(model, "weights", "float32") == "float32" and model.dtype == torch.float32
    return 2e-6 if whole else 1e-2
