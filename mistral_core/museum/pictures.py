"""What the mistakes do, measured where it can be seen: on a network that says which key it read.

Its text has another token at every position, its values are that position (1 in one feature, 0 elsewhere), and all its
scores are equal. So what a query's `z` holds at feature p is the share of position p in what it read: 1/n for each of n
keys; what is missing from 1 went to empty slots. It runs the same code, with the same wrong function, as the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.config import MistralConfig
from mistral_core.hooks import watching
from mistral_core.model import Transformer
from mistral_core.museum.copies import Substitution, copy_with
from mistral_core.museum.exhibits import MOST, Exhibit, Picture, Plan, room
from mistral_core.museum.reading import read
from mistral_core.rope import inverse_frequencies, rotate, rotation

EXACT = 1e-9
"""What is less is 0: float64 rounds at 1e-16."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """What is drawn, right and wrong.

    Attributes:
        kind: says which arrays there are:
            reads       `read` [T, T], the share of each position in what a query reads
            order       `order` [n], positions of the keys in the order in which the last query met them
            distance    `turned` [T], the position by which each key was turned
            dials       `pairs` [P, 2], features that are turned together; `angle` [P], radians a position
            heads       `reader` [n_heads], the key head that each query head reads, from 0
        right, wrong: the arrays.
    """

    kind: Picture
    right: Mapping[str, np.ndarray]
    wrong: Mapping[str, np.ndarray]


def draw(config: MistralConfig, chosen: Exhibit, length: int) -> Drawn:
    """What is drawn of a mistake, for a text of so many tokens (at most `MOST`) in a model of this shape.

    Raises:
        ValueError: the mistake cannot be shown with this model and length.
    """
    length = min(length, MOST)
    if problem := chosen.problem(config, length):
        raise ValueError(f"{chosen.title}: {problem}")
    right, wrong = (_draw(config, chosen, length, given) for given in (Substitution(), chosen.substitution))
    return Drawn(kind=chosen.picture, right=right, wrong=wrong)


def _draw(config: MistralConfig, chosen: Exhibit, length: int, given: Substitution) -> dict[str, np.ndarray]:
    if chosen.picture == "heads":
        return {"reader": _readers(config, given)}
    if chosen.picture == "dials":
        return _dials(config, given)
    network = copy_with(telling_network(config, length), given)
    window, sinks = room(config)
    plan = chosen.plan(window, sinks, length)
    if chosen.picture == "order":
        return {"order": _order(network, length, given)}
    if chosen.picture == "distance":
        return {"turned": _turned(network, length, plan, given)}
    return {"read": reads(network, length, plan, given)}


def telling_network(config: MistralConfig, length: int) -> Transformer:
    """One layer with the model's smallest window, whose values are positions and whose scores are all equal."""
    windows = [window for window in config.windows if window is not None]
    size = length + length % 2  # features go in pairs
    network = Transformer(
        MistralConfig(
            dim=size,
            n_layers=1,
            n_heads=1,
            n_kv_heads=1,
            head_dim=size,
            hidden_dim=1,
            vocab_size=size,
            norm_eps=1e-12,
            rope_theta=1e4,
            sliding_window=min(windows) if windows else None,
            sinks=config.sinks,
        )
    ).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.tok_embeddings.weight.copy_(torch.eye(size))
        block: Any = network.layers[0]
        attention = block.attention
        block.attention_norm.weight.fill_(size**-0.5)  # the norm makes of 1 in n features sqrt(n)
        attention.wv.weight.copy_(torch.eye(size))
        attention.wk.weight.copy_(torch.tensor([[1.0], [0.0]]).repeat(size // 2, 1).expand(size, size))
    return network.eval().requires_grad_(False)


class Watch:
    """Keeps a tensor of every pass, and the positions of its keys, as they pass."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: list[Tensor] = []
        self.keys: list[Tensor | None] = []

    def wants(self, name: str) -> bool:
        return name == self.name

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        self.values.append(value[0].clone())
        self.keys.append(key_positions)
        return value


def reads(network: Transformer, length: int, plan: Plan, given: Substitution) -> Float[np.ndarray, "pos pos"]:
    """The share of each position in what each query reads; what is read twice counts as it is read last."""
    rows = _rows(network, "hook_z", length, plan, given)[:, 0, :length]
    return np.where(rows > EXACT, rows, 0.0)


def _rows(network: Transformer, hook: str, length: int, plan: Plan, given: Substitution) -> np.ndarray:
    watch = Watch(f"layers.0.attention.{hook}")
    with watching(watch):
        read(network, range(length), plan, given)
    passed = torch.cat(watch.values)
    rows = passed[:length].clone()
    if plan.back:
        rows[length - plan.back :] = passed[-plan.back :]
    return rows.numpy()


def _turned(network: Transformer, length: int, plan: Plan, given: Substitution) -> np.ndarray:
    """By which position each key was turned: the angle of its slowest pair, over that pair's frequency."""
    keys = _rows(network, "hook_rot_k", length, plan, given)[:, 0]
    size = keys.shape[-1]
    slowest = float(inverse_frequencies(size, network.config.rope_theta)[-1])
    return np.round(np.arctan2(keys[:, -1], keys[:, -2]) / slowest, 6)


def _order(network: Transformer, length: int, given: Substitution) -> np.ndarray:
    watch = Watch("layers.0.attention.hook_pattern")
    with watching(watch):
        read(network, range(length), Plan(chunks=(length - 1, 1)), given)
    keys = watch.keys[-1]
    if keys is None:
        raise ValueError("attention came without the positions of its keys; hand them to its HookPoint")
    return keys[0][keys[0] >= 0].numpy()


def _dials(config: MistralConfig, given: Substitution) -> dict[str, np.ndarray]:
    """Which features are turned together, and by how much from one position to the next: unit vectors at position 1."""
    size = config.head_dim
    turn = (given.rotation or rotation)(torch.ones(1, 1, dtype=torch.long), size, config.rope_theta, torch.float64)
    turned = (given.rotate or rotate)(torch.eye(size, dtype=torch.float64)[None, None], turn)[0, 0]
    first, second = (turned - torch.diag(turned.diag()) > 0).nonzero(as_tuple=True)
    angle = torch.atan2(turned[first, second], turned[first, first])
    return {"pairs": torch.stack((first, second), 1).numpy(), "angle": angle.numpy()}


def _readers(config: MistralConfig, given: Substitution) -> np.ndarray:
    """Values that are the number of their key head, read by every query head at one position."""
    heads, shared = config.n_heads, config.n_kv_heads
    size = shared + shared % 2
    network = Transformer(
        MistralConfig(
            dim=size,
            n_layers=1,
            n_heads=heads,
            n_kv_heads=shared,
            head_dim=size,
            hidden_dim=1,
            vocab_size=1,
            norm_eps=1e-5,
            rope_theta=1e4,
        )
    ).double()
    block: Any = copy_with(network, given).layers[0]
    one = torch.zeros(1, 1, dtype=torch.long)
    values = torch.eye(shared, size, dtype=torch.float64)[None, :, None]
    nothing = torch.zeros(1, 1, heads, size, dtype=torch.float64)
    z = block.attention.attend(
        nothing, torch.zeros_like(values), values, one, one, torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    )
    return z[0, 0].argmax(-1).numpy()
