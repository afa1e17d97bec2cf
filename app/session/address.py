"""The address of what is shown: the run, and the place in it, as parameters of a URL, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.session.actions import choose, write
from app.session.beside import spelled, want
from app.session.desk import Desk
from app.session.files import open_recording
from app.session.numbers import short
from app.session.runs import MAX_SEED_ON_SCREEN
from app.session.sentence import sentence
from app.session.spelled_run import position_from_query, spec_from_query
from mistral_core.checkpoint import registry
from mistral_core.checkpoint.registry import DEFAULT_MODEL


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
    desk.filled += 1
    want(desk, asked)
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
    """The URL of what is shown: the run, the place in it, and what is laid beside it; for a recording only which model
    would write.
    """
    record = desk.record
    beside = desk.wanted or spelled(desk)
    more = {"beside": beside} if beside else {}
    if record is None or record.spec is None:
        return more if desk.model == DEFAULT_MODEL else {"model": desk.model} | more
    query = record.spec.query() | more
    if at := desk.at.get(record.name):
        query |= place_query(at["t"], at["layer"])
        if at["head"] >= 0:
            query["head"] = str(at["head"] + 1)
    return query


def place_query(t: int, layer: int) -> dict[str, str]:
    """A place as an address spells it: positions from 0, layers and heads from 1, all as the screen counts them."""
    return {"t": str(t), "layer": str(layer + 1)}
