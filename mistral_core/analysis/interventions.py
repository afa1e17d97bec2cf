"""What can be changed in a running network, as values that can be written down.

    KnockOut   a head, a KV group, an MLP or a whole attention adds nothing, or its mean over a text
    Shorten    attention further back than a distance
    Edge       one query does not see one key of the state grid
    Column     no later query sees a position
    Slot       what a slot of the ring holds is not seen, or is zero, from a step on
    Patch      activations of another text, put in the place of this one's
    Add        a vector on the residual stream

Each is frozen, checked, and goes to JSON and back (`intervention_json`). `intervening.intervene` makes a sink of them,
which belongs to a call like every sink: the network stays as it is. `intervening.touched` says by theory which cells
they can change.

Attention that is taken away is `renormalised` (its scores are -inf before the softmax, so the weights that are left
grow and sum to 1, as if the keys had never been there) or not (its weights are 0 after the softmax, so that less is
fetched in all). A query never loses its own key: with `Slot` and `Column` too, since it is at hand before it is stored.

Source: ablation and patching: Vig et al. 2020 (arXiv 2004.12265), Meng et al. 2022 (arXiv 2202.05262); blocked
attention edges: Geva et al. 2023 (arXiv 2304.14767); added vectors: Turner et al. 2023 (arXiv 2308.10248).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from mistral_core.config import MistralConfig, Window, brief
from mistral_core.ring import slots_of

Part = Literal["head", "group", "mlp", "attention"]
Span = tuple[int, int]
"""Positions from the first up to but without the second."""

PATCHABLE = (
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_attn_out",
    "hook_mlp_out",
    "attention.hook_q",
    "attention.hook_k",
    "attention.hook_v",
    "attention.hook_rot_q",
    "attention.hook_rot_k",
    "attention.hook_z",
    "feed_forward.hook_post",
)
"""Hooks of a layer with one row a position and no key axis, through which everything passes that is made there."""


@dataclass(frozen=True, kw_only=True)
class KnockOut:
    """A part of a layer adds nothing, or the same everywhere.

    Attributes:
        part: a query head, the query heads that share a KV head, the MLP, or all of the attention.
        layer: from 0. index: of the head or group; `None` for the MLP and the attention.
        to: "zero", or "mean": its mean over the positions of the text that `intervene` is given, in the network
            as it is.
        positions: where; `None` = everywhere.

    Raises:
        ValueError: a part, number or range that cannot be.
    """

    kind: ClassVar[str] = "knock_out"
    part: Part
    layer: int
    index: int | None = None
    to: Literal["zero", "mean"] = "zero"
    positions: Span | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.index is None) == (self.part in ("head", "group")):
            raise ValueError(f"index is {self.index} for {self.part}; heads and groups have one, other parts have none")

    @property
    def hook(self) -> str:
        """Of the tensor that is changed, below its layer."""
        return {"mlp": "hook_mlp_out", "attention": "hook_attn_out"}.get(self.part, "attention.hook_z")

    def heads(self, config: MistralConfig) -> slice:
        """The query heads that it silences; all for parts that are no heads."""
        if self.index is None:
            return slice(0, config.n_heads)
        wide = config.n_heads // config.n_kv_heads if self.part == "group" else 1
        return slice(self.index * wide, (self.index + 1) * wide)

    def check(self, config: MistralConfig) -> None:
        """Refuses what this model does not have.

        Raises:
            ValueError: no such layer, head or group.
        """
        _layer(config, self.layer)
        count = config.n_heads if self.part == "head" else config.n_kv_heads
        if self.index is not None and self.index >= count:
            raise ValueError(f"{self.part} {self.index} is not in this model; each layer has 0 to {count - 1}")


@dataclass(frozen=True, kw_only=True)
class Severing(ABC):
    """What takes attention away; the classes below say which.

    Attributes:
        layers: in these; `None` = in all.

    Raises:
        ValueError: a number that cannot be.
    """

    kind: ClassVar[str] = ""
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def before_softmax(self) -> bool:
        """Whether scores become -inf; else weights become 0."""
        return bool(getattr(self, "renormalise", True))

    @abstractmethod
    def severs(self, queries: Any, keys: Any, window: Window, sinks: int) -> Any:
        """True for what a query loses, for arrays of positions (numpy or torch) that broadcast."""

    def check(self, config: MistralConfig) -> None:
        """Refuses layers that this model does not have.

        Raises:
            ValueError: no such layer.
        """
        _layer(config, *(self.layers or ()))


@dataclass(frozen=True, kw_only=True)
class Shorten(Severing):
    """No query sees a key more than `distance` positions back; 0 leaves it its own."""

    kind: ClassVar[str] = "shorten"
    distance: int
    renormalise: bool = True

    def severs(self, queries: Any, keys: Any, window: Window, sinks: int) -> Any:
        """As `Severing.severs`."""
        return queries - keys > self.distance


@dataclass(frozen=True, kw_only=True)
class Edge(Severing):
    """The query at `target` does not see the key at `source`.

    Raises:
        ValueError: a source that is not before the target.
    """

    kind: ClassVar[str] = "edge"
    source: int
    target: int
    renormalise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source >= self.target:
            raise ValueError(
                f"the edge from {self.source} to {self.target} cannot be cut; a query keeps its own key and sees no "
                f"later one, so the source must be before the target"
            )

    def severs(self, queries: Any, keys: Any, window: Window, sinks: int) -> Any:
        """As `Severing.severs`."""
        return (queries == self.target) & (keys == self.source)


@dataclass(frozen=True, kw_only=True)
class Column(Severing):
    """No later query sees the position: what was read there stays there."""

    kind: ClassVar[str] = "column"
    position: int
    renormalise: bool = True

    def severs(self, queries: Any, keys: Any, window: Window, sinks: int) -> Any:
        """As `Severing.severs`."""
        return (keys == self.position) & (queries > self.position)


@dataclass(frozen=True, kw_only=True)
class Slot(Severing):
    """A slot of the ring is broken from a step on, whatever it holds then and later.

    It means the same in a dense pass as in decoding token by token, where the slot of every key is known.

    Attributes:
        slot: see `ring.slots_of`. step: the first position whose query is affected.
        to: "unseen" = hidden before the softmax; "zero" = key and value are 0, so that it still takes the weight that a
            score of 0 gets, and gives nothing.
    """

    kind: ClassVar[str] = "slot"
    slot: int
    step: int = 0
    to: Literal["unseen", "zero"] = "unseen"

    def severs(self, queries: Any, keys: Any, window: Window, sinks: int) -> Any:
        """As `Severing.severs`."""
        slots = keys if window is None else slots_of(keys, window + sinks, sinks)
        return (slots == self.slot) & (queries >= self.step) & (queries != keys)

    def check(self, config: MistralConfig) -> None:
        """Refuses layers and slots that this model does not have.

        Raises:
            ValueError: no such layer or slot.
        """
        super().check(config)
        for layer in self.layers or range(config.n_layers):
            window = config.windows[layer]
            if window is not None and self.slot >= window + config.sinks:
                raise ValueError(
                    f"slot {self.slot} is not in the ring of layer {layer}; it has slots 0 to "
                    f"{window + config.sinks - 1}"
                )


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Activations of another text take the place of this one's, position for position.

    Attributes:
        hook: one of `PATCHABLE`. layers: whose.
        positions: which.
        token_ids: the other text; it is read in the network as it is, when the sink is made.
        heads: of a hook with an axis for heads, only these; `None` = all.

    Raises:
        ValueError: a hook that cannot be patched, or a range that is not in the other text.
    """

    kind: ClassVar[str] = "patch"
    hook: str
    layers: tuple[int, ...]
    positions: Span
    token_ids: tuple[int, ...]
    heads: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.positions[1] > len(self.token_ids):
            raise ValueError(
                f"positions up to {self.positions[1] - 1} are not in the other text; it has 0 to "
                f"{len(self.token_ids) - 1}"
            )
        if self.heads is not None and not self.hook.startswith("attention."):
            raise ValueError(f"{self.hook} has no heads; leave heads out")

    def check(self, config: MistralConfig) -> None:
        """Refuses what this model does not have.

        Raises:
            ValueError: no such layer, head or token.
        """
        _layer(config, *self.layers)
        count = config.n_heads if self.hook.endswith(("q", "z")) else config.n_kv_heads
        if self.heads is not None and max(self.heads, default=0) >= count:
            raise ValueError(f"head {max(self.heads)} is not in {self.hook}; it has 0 to {count - 1}")
        if max(self.token_ids) >= config.vocab_size:
            raise ValueError(f"token {max(self.token_ids)} is outside the vocabulary of {config.vocab_size}")


@dataclass(frozen=True, kw_only=True)
class Add:
    """A vector is added to the stream.

    Attributes:
        row: of the state grid: 0 = embedding, `l` = after `l` layers.
        positions: where.
        vector: `dim` numbers.

    Raises:
        ValueError: a row or range that cannot be, or a number that is not finite.
    """

    kind: ClassVar[str] = "add"
    row: int
    positions: Span
    vector: tuple[float | int, ...]

    def __post_init__(self) -> None:
        check_fields(self)

    def check(self, config: MistralConfig) -> None:
        """Refuses what does not fit this model.

        Raises:
            ValueError: no such row, or a vector of another length.
        """
        if self.row > config.n_layers:
            raise ValueError(f"row {self.row} is not in the grid; rows are 0 (embedding) to {config.n_layers}")
        if len(self.vector) != config.dim:
            raise ValueError(f"the vector has {len(self.vector)} numbers; the stream of this model has {config.dim}")


Intervention = KnockOut | Shorten | Edge | Column | Slot | Patch | Add
KINDS: Mapping[str, type[Intervention]] = {one.kind: one for one in (KnockOut, Shorten, Edge, Column, Slot, Patch, Add)}


def check_fields(one: Any) -> None:
    """Refuses a value of the wrong kind, field by field.

    Raises:
        ValueError: it names the field, the value and what would do.
    """
    for field in fields(one):
        check_field(type(one), field.name, getattr(one, field.name))


def check_field(kind: type[Intervention], name: str, value: Any) -> None:
    """The same for one field of a kind, before there is one.

    Raises:
        ValueError: as `check_fields`.
    """
    choices = {
        "part": get_args(Part),
        "hook": PATCHABLE,
        "to": ("unseen", "zero") if kind is Slot else ("zero", "mean"),
    }
    if name in choices:
        if value not in choices[name]:
            raise ValueError(f"{name} is {brief(value)}; it must be one of {', '.join(choices[name])}")
    elif name == "renormalise":
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {brief(value)}; it must be true or false")
    elif name == "vector":
        _finite(name, value)
    elif name in ("layers", "heads", "positions", "token_ids"):
        if value is not None or (kind is Patch and name != "heads"):
            _numbers(name, value)
    elif value is not None or name != "index":
        _whole(name, value)


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {brief(value)}; it must be a whole number from 0 on")


def _numbers(name: str, values: Any) -> None:
    """A list of whole numbers that is not empty; for positions the ends of a range."""
    if not isinstance(values, tuple) or not values:
        raise ValueError(f"{name} are {brief(values)}; they must be whole numbers, at least one")
    for value in values:
        _whole(f"one of {name}", value)
    if name == "positions" and (len(values) != 2 or values[0] >= values[1]):
        raise ValueError(
            f"positions are {brief(values)}; they must be a first position and a later one, which is not among them"
        )


def _finite(name: str, values: Any) -> None:
    if not isinstance(values, tuple):
        raise ValueError(f"{name} is {brief(values)}; it must be numbers")
    for number in values:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise ValueError(f"the {name} holds {brief(number)}; it must hold finite numbers alone")


def _layer(config: MistralConfig, *layers: int) -> None:
    if bad := [layer for layer in layers if layer >= config.n_layers]:
        raise ValueError(f"layer {bad[0]} is not in this model; it has layers 0 to {config.n_layers - 1}")
