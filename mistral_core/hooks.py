"""Hooks that belong to a call, not to the model.

Every tensor that has a name passes through a `HookPoint`, which returns it unchanged unless the
call is being watched. Who watches is held in a `ContextVar`, so it is private to the thread and
to the context that made the call: one model serves many sessions, and none sees another's
tensors. Nothing is ever registered on the shared module.

The sink is entered around one forward pass and left again; it is never held across a `yield`,
because a suspended generator would leak it into whoever runs next.

Source: names and the identity module follow TransformerLens (`hook_points.py`); the ContextVar
is this project's answer to its "global hooks" footgun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

Replace = Callable[[Tensor], Tensor]
"""Gives the tensor that takes the place of a hook's tensor, in the same shape and dtype."""


@runtime_checkable
class Sink(Protocol):
    """What can watch a call."""

    def wants(self, name: str) -> bool:
        """Whether `visit` should be called for this name (costly tensors are made only if so)."""

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        """Receives a tensor and returns it, or another one of the same shape and dtype."""


_SINK: ContextVar[Sink | None] = ContextVar("mistral_core_sink", default=None)


class HookPoint(nn.Module):
    """The identity, with a name. `name` is the module path, given by the Transformer that owns it."""

    name: str = ""

    def forward(
        self,
        value: Tensor,
        query_positions: Int[Tensor, "batch query_pos"] | None = None,
        key_positions: Int[Tensor, "batch key_pos"] | None = None,
    ) -> Tensor:
        """Returns `value`, or what the sink of this call puts in its place.

        Args:
            value: the tensor made at this point.
            query_positions: absolute positions of its query axis, where it has a key axis too; and of the tokens,
                where a pass begins (`hook_embed`).
            key_positions: absolute positions of its key axis; -1 = empty slot.
        """
        sink = _SINK.get()
        if sink is None or not sink.wants(self.name):
            return value
        return sink.visit(self.name, value, query_positions, key_positions)

    __call__ = forward  # nothing is ever registered on a HookPoint, so torch's own hook machinery is skipped

    def wanted(self) -> bool:
        """Whether this call's sink asks for this tensor; for tensors that are off by default."""
        sink = _SINK.get()
        return sink is not None and sink.wants(self.name)


def name_hook_points(model: nn.Module) -> tuple[str, ...]:
    """Gives every HookPoint its module path as name and returns the names in order of definition."""
    names = []
    for path, module in model.named_modules():
        if isinstance(module, HookPoint):
            module.name = path
            names.append(path)
    return tuple(names)


@contextmanager
def watching(sink: Sink | None) -> Iterator[None]:
    """Sends the tensors of the calls inside the block to `sink`; `None` shields them from any.

    A sink that watches around the block sees nothing of it meanwhile; `Sinks` joins several.
    """
    token = _SINK.set(sink)
    try:
        yield
    finally:
        _SINK.reset(token)


class Capture:
    """Keeps the tensors with the given names, as they pass (detached clones).

    Attributes:
        values: name -> the tensors of each call, in order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)
        self.values: dict[str, list[Tensor]] = {}

    def wants(self, name: str) -> bool:
        return name in self.names

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        self.values.setdefault(name, []).append(value.detach().clone())
        return value

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of the latest call."""
        return self.values[name][-1]


class Replacing:
    """Puts other tensors in the place of the named ones.

    Raises:
        ValueError: during the call, when a replacement has another shape or dtype.
    """

    def __init__(self, replacements: Mapping[str, Replace]) -> None:
        self.replacements = dict(replacements)

    def wants(self, name: str) -> bool:
        return name in self.replacements

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        new = self.replacements[name](value)
        if new.shape != value.shape or new.dtype != value.dtype:
            raise ValueError(
                f"the replacement for {name} is {tuple(new.shape)} {new.dtype}; "
                f"it must be {tuple(value.shape)} {value.dtype} like the tensor it replaces"
            )
        return new


class Sinks:
    """Several sinks on one call, asked in order: what an earlier one replaces, a later one sees."""

    def __init__(self, *sinks: Sink) -> None:
        self.sinks = sinks

    def wants(self, name: str) -> bool:
        return any(sink.wants(name) for sink in self.sinks)

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        for sink in self.sinks:
            if sink.wants(name):
                value = sink.visit(name, value, query_positions, key_positions)
        return value


@contextmanager
def watching_first(sink: Sink) -> Iterator[None]:
    """Sends the tensors of the calls inside to `sink`, and on to whoever watches already: that one sees the changes."""
    others = _SINK.get()
    with watching(sink if others is None else Sinks(sink, others)):
        yield


class RowSinks:
    """One sink for each row of a batch: a row's tensors reach its own sink and no other."""

    def __init__(self, rows: Sequence[Sink | None]) -> None:
        self.rows = tuple(rows)

    def wants(self, name: str) -> bool:
        return any(sink is not None and sink.wants(name) for sink in self.rows)

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        if len(value) != len(self.rows):
            raise ValueError(f"{name} has {len(value)} rows but {len(self.rows)} sinks were given; give one per row")
        rows, replaced = [], False
        for row, sink in enumerate(self.rows):
            part = new = value[row : row + 1]
            if sink is not None and sink.wants(name):
                new = sink.visit(name, part, _row(query_positions, row), _row(key_positions, row))
            rows.append(new)
            replaced |= new is not part
        return torch.cat(rows) if replaced else value


def _row(positions: Tensor | None, row: int) -> Tensor | None:
    return None if positions is None else positions[row : row + 1]


@contextmanager
def recording(names: Sequence[str]) -> Iterator[Capture]:
    """Captures the named tensors of the forward passes inside the block.

    Use it around a forward pass, not around a `yield`.
    """
    capture = Capture(names)
    with watching(capture):
        yield capture


@contextmanager
def replacing(replacements: Mapping[str, Replace]) -> Iterator[None]:
    """Replaces the named tensors of the forward passes inside the block."""
    with watching(Replacing(replacements)):
        yield
