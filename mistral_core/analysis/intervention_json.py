"""Interventions as JSON values, and back: for files, addresses and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields
from typing import Any, cast

from mistral_core.analysis.interventions import KINDS, Intervention, KnockOut, check_field  # noqa: F401 (KnockOut: for the example)
from mistral_core.config import brief


def to_json(interventions: Sequence[Intervention]) -> list[dict[str, Any]]:
    """As JSON values; what has its default is left out.

    >>> to_json([KnockOut(part="head", layer=3, index=1)])
    [{'kind': 'knock_out', 'part': 'head', 'layer': 3, 'index': 1}]
    """
    out = []
    for one in interventions:
        values = asdict(one)
        given = {f.name: values[f.name] for f in fields(one) if values[f.name] != f.default}
        out.append(
            {
                "kind": one.kind,
                **{k: list(v) if isinstance(v, tuple) else v for k, v in given.items()},
            }  # as JSON has it
        )
    return out


def from_json(values: Any) -> tuple[Intervention, ...]:
    """What `to_json` wrote, or somebody by hand.

    Raises:
        ValueError: it is no list of objects, a kind or key that does not exist, or a value that cannot be.
    """
    if not isinstance(values, list):
        raise ValueError(f"interventions are {type(values).__name__}; they must be a list of objects")
    return tuple(_one_from_json(value) for value in values)


def _one_from_json(value: Any) -> Intervention:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ValueError(f"{brief(value)} is no intervention; it must be an object with a kind")
    if value["kind"] not in KINDS:
        raise ValueError(f"no intervention is called {brief(value['kind'])}; kinds are {', '.join(KINDS)}")
    kind: Any = KINDS[value["kind"]]
    known = {field.name for field in fields(kind)}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items() if name != "kind"}
    if unknown := sorted(map(str, given.keys() - known)):
        raise ValueError(f"{kind.kind} has no {brief(unknown[0])}; it has {', '.join(sorted(known))}")
    missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in given]
    if missing:
        raise ValueError(f"{kind.kind} is not complete: {', '.join(missing)} must be given")
    for name, of in given.items():
        check_field(kind, name, of)
    return cast("Intervention", kind(**given))
