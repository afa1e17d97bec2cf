"""The address of what is shown: the run, and the place in it, as parameters of a URL, read and written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.session.actions import write
from app.session.desk import Desk
from app.session.files import open_recording
from app.session.runs import DEFAULT_NEW_TOKENS, DEFAULT_SAMPLING, SHORT, RunSpec
from app.session.sentence import sentence
from app.shared.messages import Place


def arrive(desk: Desk, query: Mapping[str, str]) -> bool:
    """Opens what a URL names, and the recording where nothing is shown yet; says whether the URL is a new one."""
    new = dict(query) != desk.opened
    if new:
        _open_address(desk, query)
    if desk.record is None:
        open_recording(desk)
    return new


def _open_address(desk: Desk, query: Mapping[str, str]) -> None:
    """Makes the run that a URL names, unless it is here already; a bad URL changes nothing."""
    desk.opened = asked = dict(query)
    try:
        spec = spec_from_query(asked, desk.model)
        at = position_from_query(asked)
    except ValueError as error:
        desk.notice = sentence(error)
        return
    if spec is None:
        return
    if spec.name in desk.records:
        desk.current = spec.name
    elif write(desk, spec):
        desk.model, desk.prompt, desk.seed, desk.length = spec.model, spec.text, spec.seed, spec.new_tokens
        desk.sampling = spec.sampling
    if at is not None:
        desk.at[spec.name] = at


def keep_address(desk: Desk, query: Any, **more: str) -> None:
    """Writes the address of what is shown, and what else a page names, into the URL, if it says something else."""
    where = address(desk) | more
    if where and where != query.to_dict():
        query.from_dict(where)
        desk.opened = where


def address(desk: Desk) -> dict[str, str]:
    """The URL of what is shown: the run, and the place in it. Empty for a recording."""
    record = desk.record
    if record is None or record.spec is None:
        return {}
    query = record.spec.query()
    if at := desk.at.get(record.name):
        query |= {"t": str(at["t"]), "layer": str(at["layer"])}
        if at["head"] >= 0:
            query["head"] = str(at["head"])
    return query


def spec_from_query(query: Mapping[str, str], default_model: str) -> RunSpec | None:
    """Reads what `RunSpec.query` wrote; `None` where the URL names no text.

    Raises:
        ValueError: a value that is no number or out of bounds, in a sentence that names it.
    """
    if not query.get("text"):
        return None
    sampling = {name: _number(query, short, float) for name, short in SHORT.items() if short in query}
    if "top_k" in sampling:
        sampling["top_k"] = _number(query, SHORT["top_k"], int)
    return RunSpec(
        model=query.get("model") or default_model,
        text=query["text"],
        sampling=replace(DEFAULT_SAMPLING, **sampling),
        seed=_number(query, "seed", int) if "seed" in query else 0,
        new_tokens=_number(query, "n", int) if "n" in query else DEFAULT_NEW_TOKENS,
        forced=_forced(query.get("forced", "")),
    )


def position_from_query(query: Mapping[str, str]) -> Place | None:
    """Token, layer and head of a deep link; `None` where the URL names none.

    Raises:
        ValueError: a value that is no whole number.
    """
    if "t" not in query:
        return None
    return {
        "t": _number(query, "t", int),
        "layer": _number(query, "layer", int) if "layer" in query else 0,
        "head": _number(query, "head", int) if query.get("head", "mean") != "mean" else -1,
    }


def _number(query: Mapping[str, str], name: str, kind: type) -> Any:
    try:
        value = kind(query[name])
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"The address says {name}={query[name][:40]}, but that must be {what}.") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"The address says {name}={query[name][:40]}, but that must be 0 or more.")
    return value


def _forced(text: str) -> tuple[tuple[int, int], ...]:
    try:
        pairs = [tuple(int(part) for part in pair.split(":")) for pair in text.split(",") if pair]
        return tuple(sorted((position, token) for position, token in pairs))
    except ValueError:
        raise ValueError(f"The address says forced={text[:40]}; write position:token pairs, as in 37:412.") from None
