"""The address of what is shown: the run, and the place in it, as parameters of a URL, read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.session import state
from app.session.actions import choose, write
from app.session.desk import Desk
from app.session.files import open_recording
from app.session.numbers import number, short, whole
from app.session.runs import DEFAULT_NEW_TOKENS, DEFAULT_SAMPLING, MAX_NEW_TOKENS, MAX_SEED_ON_SCREEN, SHORT, RunSpec
from app.session.sentence import sentence
from app.shared.messages import Place
from mistral_core.checkpoint import registry
from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.sampling import MAX_SEED

MOST_SAID = 2**17
"""Characters of a conversation in an address."""
FORCED = re.compile(r"[0-9]{1,9}:[0-9]{1,9}")


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
        choose_model(desk, asked.get("model", desk.model))
        return
    if spec.name in desk.records:
        choose(desk, spec.name)
    elif write(desk, spec):
        desk.model = registry.unchanged(spec.model)  # what is written next is written by the whole network
        desk.length, desk.chat = spec.new_tokens, spec.turns is not None
        desk.prompt = "" if desk.chat else spec.text
        desk.seed = spec.seed if spec.seed <= MAX_SEED_ON_SCREEN else desk.seed
        widgets = {state.CHAT: desk.chat, state.PROMPT: desk.prompt, state.LENGTH: desk.length, state.SEED: desk.seed}
        for key, said in widgets.items():
            state.put(key, said)
        desk.sampling = spec.sampling
    if at is not None:
        desk.at[spec.name] = at


def choose_model(desk: Desk, name: str) -> None:
    """Makes new runs be written by the model that a URL names; a name that is none changes nothing."""
    models = registry.browser_models()
    if registry.offered(name):
        desk.model = registry.unchanged(name)
    else:
        desk.notice = (
            f"The address says model={short(name)}, but there is no such model; there are {', '.join(models)}."
        )


def keep_address(desk: Desk, query: Any, **more: str) -> None:
    """Writes the address of what is shown, and what else a page names, into the URL, if it says something else."""
    where = address(desk) | more
    now = query.to_dict()
    if where != now and (where or set(now) == {"model"}):
        query.from_dict(where)
        desk.opened = where


def address(desk: Desk) -> dict[str, str]:
    """The URL of what is shown: the run, and the place in it; for a recording only which model would write."""
    record = desk.record
    if record is None or record.spec is None:
        return {} if desk.model == DEFAULT_MODEL else {"model": desk.model}
    query = record.spec.query()
    if at := desk.at.get(record.name):
        query |= place_query(at["t"], at["layer"])
        if at["head"] >= 0:
            query["head"] = str(at["head"] + 1)
    return query


def place_query(t: int, layer: int) -> dict[str, str]:
    """A place as an address spells it: positions from 0, layers and heads from 1, all as the screen counts them."""
    return {"t": str(t), "layer": str(layer + 1)}


def spec_from_query(query: Mapping[str, str], default_model: str) -> RunSpec | None:
    """Reads what `RunSpec.query` wrote; `None` where the URL names no text.

    Raises:
        ValueError: a value that is no number or out of bounds, in a sentence that names it.
    """
    if not query.get("text"):
        return None
    sampling: dict[str, Any] = {
        name: whole(query, key) if name == "top_k" else number(query, key)
        for name, key in SHORT.items()
        if key in query
    }
    return RunSpec(
        model=query.get("model") or default_model,
        text=query["text"],
        sampling=replace(DEFAULT_SAMPLING, **sampling),
        seed=whole(query, "seed", MAX_SEED) if "seed" in query else 0,
        new_tokens=whole(query, "n", MAX_NEW_TOKENS) if "n" in query else DEFAULT_NEW_TOKENS,
        forced=_forced(query.get("forced", "")),
        turns=_turns(query["chat"]) if "chat" in query else None,
    )


def position_from_query(query: Mapping[str, str]) -> Place | None:
    """Token, layer and head of a deep link, counted from 0; `None` where the URL names none.

    What is too large stops at the last one in the picture, and a layer or head 0 at the first.

    Raises:
        ValueError: a value that is no whole number, or none that a run could have.
    """
    if "t" not in query:
        return None
    return {
        "t": whole(query, "t"),
        "layer": max(whole(query, "layer") - 1, 0) if "layer" in query else 0,
        "head": max(whole(query, "head") - 1, 0) if query.get("head", "mean") != "mean" else -1,
    }


def _turns(text: str) -> tuple[str, ...]:
    try:
        turns = json.loads(text) if len(text) <= MOST_SAID else None
    except (ValueError, RecursionError):
        turns = None
    if not isinstance(turns, list) or len(turns) % 2 or not all(isinstance(turn, str) for turn in turns):
        raise ValueError(
            f'The address says chat={short(text)}; write what was said before by turns, as in [] or ["Hi","Hello!"].'
        )
    return tuple(turns)


def _forced(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [pair for pair in text.split(",") if pair]
    if not all(FORCED.fullmatch(pair) for pair in pairs):
        raise ValueError(f"The address says forced={short(text)}; write position:token pairs, as in 37:412.")
    return tuple(sorted((int(position), int(token)) for position, token in (pair.split(":") for pair in pairs)))
