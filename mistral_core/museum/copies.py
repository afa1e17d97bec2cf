"""A copy of a network in which one function is another one: handed in from outside, nothing patched, no flag.

The copy shares the weights and runs the very code of `mistral_core`: a function of it is made once more, from the same
bytecode, with another meaning of one name (`with_names`). No module is changed, so other threads notice nothing, and
variants of the copy (another dtype, another window, as `verify` makes them) have the mistake too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from types import FunctionType
from typing import Any, Literal

from torch import Tensor

from mistral_core.attention import Attention
from mistral_core.checkpoint.changed import kind_of
from mistral_core.checkpoint.variants import as_kind
from mistral_core.config import MistralConfig
from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer

Path = Literal["cached", "dense"]
"""Whether a pass has a KVCache."""


@dataclass(frozen=True, kw_only=True)
class Substitution:
    """What takes the place of what; `None` = as it is.

    Attributes:
        rotation, hidden_keys: of `model.py`'s pass. of_window: `rotation` is also given `slots`, those of a ring.
        rotate, read_and_write: of `Attention.forward`. attend: that method.
        slots, plan: the methods `slots` and `_plan` of `KVCache`.
        go_back: what is done to a KVCache to forget its last tokens; nothing of the model does that.
        paths: where it is at work.
    """

    rotation: Callable[..., Any] | None = None
    of_window: bool = False
    hidden_keys: Callable[..., Any] | None = None
    rotate: Callable[..., Any] | None = None
    read_and_write: Callable[..., Any] | None = None
    attend: Callable[..., Any] | None = None
    slots: Callable[..., Any] | None = None
    plan: Callable[..., Any] | None = None
    go_back: Callable[..., Any] | None = None
    paths: tuple[Path, ...] = ("cached", "dense")

    @property
    def function(self) -> Callable[..., Any]:
        """The one function that is wrong.

        Raises:
            ValueError: there is none, or more than one.
        """
        given = [getattr(self, name) for name in _FUNCTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{len(given)} functions are substituted; a mistake is one function")
        chosen: Callable[..., Any] = given[0]
        return chosen


_FUNCTIONS = ("rotation", "hidden_keys", "rotate", "read_and_write", "attend", "slots", "plan", "go_back")


def with_names(function: Callable[..., Any], **names: Any) -> Callable[..., Any]:
    """The same function, in which some global names mean something else; the function itself is left alone.

    >>> with_names(with_names, FunctionType=None) is with_names
    False
    """
    plain = inspect.unwrap(function)
    if not isinstance(plain, FunctionType):
        raise ValueError(f"{function!r} is no Python function, so it cannot be made once more with other names")
    made = FunctionType(
        plain.__code__, {**plain.__globals__, **names}, plain.__name__, plain.__defaults__, plain.__closure__
    )
    made.__kwdefaults__ = plain.__kwdefaults__
    return made


def copy_with(model: Transformer, substitution: Substitution) -> Transformer:
    """A network with the model's weights, in memory once, that computes with a substituted function."""
    kind: Any = kind_of(model)  # mypy takes no class of modules for hashable
    return as_kind(model, faulty_kind(kind, substitution))


@lru_cache(maxsize=256)  # kinds of networks times mistakes: a few dozen classes
def faulty_kind(kind: type[Transformer], substitution: Substitution) -> type[Transformer]:
    """The class of such copies."""
    members = {
        "substitution": substitution,
        "kv_cache_type": _faulty_cache(kind.kv_cache_type, substitution),
        "__init__": _init,
        "forward": _forward,
        "_memories": _memories,
    }
    return type(f"Faulty{kind.__name__}", (kind,), members)


def _init(self: Any, config: MistralConfig) -> None:
    base: Any = super(_faulty_base(self), self)
    base.__init__(config)
    for module in self.modules():
        if isinstance(module, Attention):
            kind: Any = type(module)
            module.__class__ = _faulty_attention(kind, self.substitution)


def _faulty_base(self: Any) -> type:
    """The class in the method resolution order that `faulty_kind` made: a changed network has one above it."""
    return next(kind for kind in type(self).__mro__ if vars(kind).get("__init__") is _init)


def _forward(
    self: Any, tokens: Tensor, positions: Tensor | None = None, kv_cache: KVCache | None = None, last_only: bool = False
) -> Tensor:
    names = {}
    given: Substitution = self.substitution
    if given.rotation is not None and _path(kv_cache) in given.paths:
        names["rotation"] = given.rotation
        if given.of_window:
            names["rotation"] = partial(given.rotation, slots=slots_of_ring(self.config))
    forward = with_names(Transformer.forward, **names) if names else Transformer.forward
    logits: Tensor = forward(self, tokens, positions, kv_cache, last_only)
    return logits


def _memories(self: Any, positions: Tensor, kv_cache: KVCache | None, plans: Any) -> Any:
    given: Substitution = self.substitution
    if given.hidden_keys is None or _path(kv_cache) not in given.paths:
        return Transformer._memories(self, positions, kv_cache, plans)
    return with_names(Transformer._memories, hidden_keys=given.hidden_keys)(self, positions, kv_cache, plans)


def _path(kv_cache: KVCache | None) -> Path:
    return "dense" if kv_cache is None else "cached"


def slots_of_ring(config: MistralConfig) -> tuple[int, int]:
    """Slots of the smallest ring, and how many of them are kept for the first positions.

    Raises:
        ValueError: no layer has a window.
    """
    windows = [window for window in config.windows if window is not None]
    if not windows:
        raise ValueError("no layer of this model has a window, so it has no ring; choose one that has")
    return min(windows) + config.sinks, config.sinks


@lru_cache(maxsize=256)
def _faulty_attention(kind: type[Attention], substitution: Substitution) -> type[Attention]:
    names = {name: getattr(substitution, name) for name in ("rotate", "read_and_write")}
    members: dict[str, Any] = {"forward": with_names(kind.forward, **{k: v for k, v in names.items() if v is not None})}
    if substitution.attend is not None:
        members["attend"] = substitution.attend
    return type(f"Faulty{kind.__name__}", (kind,), members)


@lru_cache(maxsize=256)
def _faulty_cache(kind: type[KVCache], substitution: Substitution) -> type[KVCache]:
    given = {"slots": substitution.slots, "_plan": substitution.plan}
    members = {name: method for name, method in given.items() if method is not None}
    return type(f"Faulty{kind.__name__}", (kind,), members) if members else kind
