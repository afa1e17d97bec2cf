"""Everything that decides a training, in one frozen value that is stored beside the run.

Two runs of equal settings on the same corpus and machine are the same run. What may differ between
two starts of one run (how often it saves, when it pauses) is not in here.

The defaults are the recipe of the model that the bundled one was begun from, with dropout, scaled to a shorter run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from mistral_core.config import MistralConfig

Mix = tuple[tuple[str, float], ...]
"""Weights of sources by name; empty = each by its size."""

_UNITS = {"k": 10**3, "m": 10**6, "b": 10**9}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A training. Counts of tokens are of all sequences together.

    Attributes:
        dim, n_layers, n_heads, n_kv_heads: of the network; head_dim is dim / n_heads, hidden_dim 3.5 dim.
        window: keys visible to a query, itself included; `None` = full attention.
        vocab_size: pieces to learn, where a vocabulary is learned; else that of the given one.
        tied_embeddings: whether the output projection is the embedding.
        context: tokens of one training sequence.
        batch: sequences computed at once. accumulation: batches per step of the optimiser.
        tokens: how many to train on.
        phases: (from this many tokens on, mix) in order; the first begins at 0.
        schedule: (tokens, factor) knots of the learning rate, joined by straight lines.
        warmup: steps over which the rate rises from 0.
        optimiser: "muon" = Muon for the matrices of the blocks and AdamW for the rest; "adamw" = AdamW for all.
        muon_rate, adamw_rate: learning rates at factor 1.
        weight_decay: of the matrices of the blocks. other_decay: of embedding and output.
        momentum: of Muon. beta1, beta2: of AdamW.
        clip: largest norm of all gradients together.
        dropout: share of features dropped after the embedding, each attention and each feed-forward.
        validations: how often the held-out text is read during the run.
        patience: validations without a gain before the run stops early; 0 = never.
        seed: of the initial weights, the order of the text and the dropout.
    """

    dim: int = 256
    n_layers: int = 8
    n_heads: int = 8
    n_kv_heads: int = 2
    window: int | None = 16
    vocab_size: int = 4096
    tied_embeddings: bool = False
    context: int = 512
    batch: int = 16
    accumulation: int = 1
    tokens: int = 20_000_000
    phases: tuple[tuple[int, Mix], ...] = ((0, ()),)
    schedule: tuple[tuple[int, float], ...] = ()
    warmup: int = 200
    optimiser: Literal["muon", "adamw"] = "muon"
    muon_rate: float = 0.006
    adamw_rate: float = 0.004
    weight_decay: float = 0.05
    other_decay: float = 0.0
    momentum: float = 0.95
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    dropout: float = 0.05
    validations: int = 40
    patience: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("context", "batch", "accumulation", "tokens", "validations"):
            _bound(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("warmup", "patience", "seed"):
            _bound(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        for name in ("muon_rate", "adamw_rate", "clip"):
            _bound(name, getattr(self, name), 0 < getattr(self, name) < math.inf, "a finite number above 0")
        for name in ("weight_decay", "other_decay"):
            _bound(name, getattr(self, name), 0 <= getattr(self, name) < math.inf, "0 or more")
        for name in ("dropout", "momentum", "beta1", "beta2"):
            _bound(name, getattr(self, name), 0 <= getattr(self, name) < 1, "0 or more and below 1")
        _bound("context", self.context, self.context >= 2, "at least 2: a token, and one that follows it")
        _bound("optimiser", self.optimiser, self.optimiser in ("muon", "adamw"), "muon or adamw")
        if self.dim % self.n_heads:
            raise ValueError(f"dim is {self.dim}; it must be a multiple of the {self.n_heads} heads")
        _check_phases(self.phases)
        _check_knots(self.schedule)
        self.network(self.vocab_size)

    def network(self, vocab_size: int) -> MistralConfig:
        """The shape of the network, for a vocabulary of this size, in the ratios of Mistral 7B."""
        return MistralConfig(
            dim=self.dim,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.n_kv_heads,
            head_dim=self.dim // self.n_heads,
            hidden_dim=self.dim * 7 // 2,
            vocab_size=vocab_size,
            norm_eps=1e-5,
            rope_theta=10_000.0,
            sliding_window=self.window,
            tied_embeddings=self.tied_embeddings,
        )

    @property
    def step_tokens(self) -> int:
        """Tokens of one step of the optimiser."""
        return self.context * self.batch * self.accumulation

    @property
    def steps(self) -> int:
        """Steps of the whole run; the last one may go past `tokens`."""
        return math.ceil(self.tokens / self.step_tokens)

    @property
    def validate_every(self) -> int:
        """Steps between two validations, so that there are at most `validations`."""
        return math.ceil(self.steps / self.validations)

    def knots(self) -> tuple[tuple[int, float], ...]:
        """The schedule; where none is given: constant for 40 % of the run, then straight to 0."""
        return self.schedule or ((self.tokens * 2 // 5, 1.0), (self.tokens, 0.0))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Settings:
        """Reads `to_json` back.

        Raises:
            ValueError: unknown keys, or values refused by the class.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(content) - known):
            raise ValueError(f"the settings have unknown keys: {', '.join(unknown)}; known are {', '.join(known)}")
        given = dict(content)
        if "phases" in given:
            given["phases"] = tuple(
                (int(start), tuple((str(name), float(weight)) for name, weight in mix))
                for start, mix in given["phases"]
            )
        if "schedule" in given:
            given["schedule"] = tuple((int(tokens), float(factor)) for tokens, factor in given["schedule"])
        return cls(**given)

    def not_default(self) -> dict[str, Any]:
        """The settings that differ from their defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


def parse_count(text: str, total: int | None = None) -> int:
    """A number of tokens: "22.8M", "150k", "8192", or with a total "40%".

    >>> parse_count("22.8M"), parse_count("40%", 1000)
    (22800000, 400)

    Raises:
        ValueError: something else, or a negative number.
    """
    given = text.strip().lower().replace("_", "").replace(",", "")
    try:
        if given.endswith("%") and total is not None:
            count = float(given[:-1]) / 100 * total
        else:
            count = float(given[:-1]) * _UNITS[given[-1]] if given[-1:] in _UNITS else float(given)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a number of tokens; write it as 150M, 500k or 8192") from error
    if not 0 <= count < math.inf:
        raise ValueError(f"{text!r} is not a number of tokens; it must be 0 or more")
    return round(count)


def parse_phase(text: str, total: int) -> tuple[int, Mix]:
    """A mix of sources and when it begins: "wide=60,core=40", or "27M:core=3,simple=1".

    >>> parse_phase("50%:core=3,simple=1", 1000)
    (500, (('core', 3.0), ('simple', 1.0)))

    Raises:
        ValueError: something else.
    """
    start, colon, rest = text.rpartition(":")
    mix = []
    for part in rest.split(","):
        name, _, weight = part.strip().partition("=")
        try:
            mix.append((name.strip(), float(weight)))
        except ValueError as error:
            raise ValueError(f"{text!r} is not a mix; write it as wide=60,core=40 or 27M:core=3,simple=1") from error
    return (parse_count(start, total) if colon else 0), tuple(mix)


def parse_schedule(text: str, total: int) -> tuple[tuple[int, float], ...]:
    """Knots of the learning rate: "22.8M:1,45.5M:0.33,100%:0".

    >>> parse_schedule("40%:1,100%:0", 1000)
    ((400, 1.0), (1000, 0.0))

    Raises:
        ValueError: something else.
    """
    knots = []
    for part in text.split(","):
        tokens, _, factor = part.strip().partition(":")
        try:
            knots.append((parse_count(tokens, total), float(factor)))
        except ValueError as error:
            raise ValueError(f"{text!r} is not a schedule; write it as 22.8M:1,45.5M:0.33,100%:0") from error
    return tuple(knots)


def _check_phases(phases: tuple[tuple[int, Mix], ...]) -> None:
    starts = [start for start, _ in phases]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise ValueError(f"the mixes begin at {starts} tokens; the first must begin at 0 and each one after the last")
    for _, mix in phases:
        names = [name for name, _ in mix]
        if len(names) != len(set(names)):
            raise ValueError(f"a mix names {', '.join(names)}; each source can be named once")
        if any(not 0 <= weight < math.inf for _, weight in mix) or (mix and not sum(weight for _, weight in mix)):
            raise ValueError(f"a mix has weights {[weight for _, weight in mix]}; they must be 0 or more, one above 0")


def _check_knots(knots: tuple[tuple[int, float], ...]) -> None:
    places = [tokens for tokens, _ in knots]
    if places != sorted(set(places)):
        raise ValueError(f"the schedule has knots at {places} tokens; each must come after the one before")
    if any(not 0 <= factor < math.inf for _, factor in knots):
        raise ValueError(f"the schedule has factors {[factor for _, factor in knots]}; they must be 0 or more")


def _bound(name: str, value: object, fine: bool, bound: str) -> None:
    if not fine:
        raise ValueError(f"{name} is {value!r}; it must be {bound}")
