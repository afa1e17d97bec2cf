"""Which run is laid beside the shown one: how it follows from that, how an address names it, what it is called.

The same text is read by another model, by the same one with another window, or with a part broken, token for token:
then the two differ in nothing but the network. Or another prompt is written on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import numpy as np

from app import compute
from app.session.actions import write_beside
from app.session.desk import Desk
from app.session.files import spec_of
from app.session.numbers import short
from app.session.progress import trace_of, writing
from app.session.prompts import prompt_ids
from app.session.runs import Record, RunSpec
from app.session.sentence import sentence
from app.session.spelled_run import spec_from_query
from mistral_core.analysis.spelled_changes import change_in_words
from mistral_core.checkpoint import registry
from mistral_core.trace.trace import Trace


def same_text(record: Record, trace: Trace, model: str) -> RunSpec:
    """The request in which another model reads a text, token for token.

    Raises:
        ValueError: no such model, one with other tokens, or a text that nobody can type.
    """
    spec = spec_of(record)
    if spec is None:
        raise ValueError(
            "This text begins with tokens that no typed text becomes, or its model is not here, so no other one can "
            "read it; write a prompt of your own beside it."
        )
    if not registry.offered(model):
        raise ValueError(f"There is no model {short(model)}; there are {', '.join(registry.browser_models())}.")
    other = _token_for_token(spec, trace, model)
    mine, theirs = (compute.tokenizer(one).vocab_size for one in (spec.model, model))
    if mine != theirs or prompt_ids(other) != tuple(trace.token_ids[: trace.n_prompt].tolist()):
        raise ValueError(
            f"{model} cuts texts into other tokens than {spec.model}, so it cannot read this one token for token; let "
            f"it write the prompt."
        )
    return other


def _token_for_token(spec: RunSpec, trace: Trace, model: str) -> RunSpec:
    """The request for the tokens of a run, by another model."""
    first = trace.n_prompt
    forced = tuple(enumerate(trace.token_ids[first:].tolist(), start=first))
    return replace(spec, model=model, forced=forced, new_tokens=len(forced))


def read_beside(desk: Desk, model: str) -> None:
    """Has another model read the shown text, beside it."""
    record, trace = desk.record, trace_of(desk.record)
    if record is None or trace is None or not len(trace):
        desk.notice = "There is no text yet that another model could read."
        return
    try:
        write_beside(desk, same_text(record, trace, model))
    except ValueError as error:
        desk.notice = sentence(error)


def spelled(desk: Desk) -> str:
    """What stands beside the shown run, for an address; "" = nothing, or what has none.

    The same text is spelled by its model alone: the rest is that of the shown run.
    """
    other = desk.beside
    record = other.record if other is not None else None
    if record is None or record.spec is None:
        return ""
    mine, trace = None if desk.record is None else spec_of(desk.record), trace_of(desk.record)
    same = mine is not None and trace is not None and _token_for_token(mine, trace, record.spec.model) == record.spec
    return urlencode({"model": record.spec.model} if same else record.spec.query())


def want(desk: Desk, query: Mapping[str, str]) -> None:
    """An address names what is to be beside the shown run: it comes when that is written (`lay_wanted`)."""
    if query.get("beside", "") != spelled(desk):
        desk.lay_beside(None)
        desk.wanted = query.get("beside", "")


def lay_wanted(desk: Desk) -> None:
    """Lays beside the shown run what its address wants, once there is all of it."""
    if not desk.wanted or writing(desk):
        return
    asked, desk.wanted = dict(parse_qsl(desk.wanted)), ""
    try:
        spec = spec_from_query(asked, desk.model)
    except ValueError as error:
        desk.notice = sentence(error)
        return
    if spec is not None:
        write_beside(desk, spec)
    elif "model" in asked:
        read_beside(desk, asked["model"])


def called(record: Record, whole: Record | None = None) -> str:
    """What a run is called over its picture, in plain words: who read what.

    Args:
        whole: the run that it is compared with; where it is of the same text, that is said.
    """
    model, window, sinks, changes = registry.parts_of(record.model)
    said = [f"a window of {window:,}{f' and the first {sinks} kept' if sinks else ''}"] if window is not None else []
    said += [change_in_words(change) for change in changes]
    who = f"**{model}**" + (f", {', '.join(said)}" if said else ", as trained")
    return f"{who}: {'the same text' if _one_text(trace_of(record), trace_of(whole)) else record.label}"


def _one_text(one: Trace | None, other: Trace | None) -> bool:
    """Whether two runs are of one text; either may still be on its way."""
    if one is None or other is None:
        return False
    length = min(len(one), len(other))
    return np.array_equal(one.token_ids[:length], other.token_ids[:length])
