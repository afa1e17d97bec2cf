"""What the page `reach` does: takes a question about the state grid, has it measured, packs the answer.

A question that cannot be answered leaves the last picture and puts one sentence beside it. Maps are
kept in `compute`; a growing text is read only as far as a change can travel, so that an answer that
is complete stays valid while the text goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from app import compute
from app import desk as actions
from app.figures.reach_payload import Choice, Measured, choice_from_query, first_choice, pack_reach
from app.runs import Record
from app.state import Desk
from mistral_core.config import MistralConfig
from mistral_core.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.reach import Cut

STEPS = 8
"""Of the corridor: an answer in about a second; how far the rows are from the measured change is said."""
WHOLE = 512
"""Tokens up to which a finished text is read as a whole; of a longer one, as far as the change can travel."""
DRAWN_FROM = 32
"""The default replacement comes from the prompt, or from so many first tokens: so it stays while a text grows."""
OPTIONS = 24
Shown = tuple[Choice, Measured | None, str]


def opening(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes over the reading that a URL names, once."""
    record = desk.record
    if record is None or record.name in desk.reach or "reading" not in query:
        return
    try:
        desk.reach[record.name] = {"choice": choice_from_query(query), "asked": 0}
    except ValueError as error:
        desk.notice = str(error)


def address(desk: Desk) -> dict[str, str]:
    """The URL of what is shown: run, place and reading."""
    record = desk.record
    kept = desk.reach.get(record.name) if record is not None else None
    choice = kept.get("choice") if kept else None
    return actions.address(desk) | (choice.query() if choice is not None else {})


def keep_address(desk: Desk, query: Any) -> None:
    """Writes it into the URL, if it says something else."""
    where = address(desk)
    if where and where != query.to_dict():
        query.from_dict(where)
        desk.opened = where


def ask(desk: Desk, event: Mapping[str, Any]) -> None:
    """Takes a question of the browser; one that makes no sense changes nothing but the sentence."""
    record = desk.records.get(str(event.get("run")))
    trace = actions.trace_of(record)
    if record is None or trace is None:
        return
    kept = desk.reach.setdefault(record.name, {})
    kept["asked"], kept["message"] = int(event.get("n") or 0), ""
    try:
        choice = Choice(
            reading=str(event["reading"]), source=int(event["source"]), target=int(event["target"]),
            replacement=None if event.get("replacement") is None else int(event["replacement"]),
            cut=str(event.get("cut") or ""),
        ).inside(trace.config, len(trace))  # fmt: skip
        if event.get("word"):
            choice = replace(choice, replacement=_token_of(trace, str(event["word"])))
    except (KeyError, TypeError, ValueError) as error:
        kept["message"] = _sentence(error)
        return
    kept["choice"] = choice
    place = desk.at.get(record.name, {})
    layer = min(int(event.get("layer") or 0), trace.config.n_layers - 1)
    desk.at[record.name] = {**place, "t": choice.anchor, "layer": layer, "head": place.get("head", -1)}


def payload(desk: Desk) -> tuple[bytes, str]:
    """The shown run with its reading, and a sentence while there is nothing to show yet."""
    record = desk.record
    found = actions.progress(record)
    trace = actions.trace_of(record)
    waiting = ""
    if record is None or trace is None or len(trace) < 2:
        waiting = found.message if found is not None and found.message else "Loading the model and reading the prompt …"
        record = next((other for other in reversed(desk.records.values()) if actions.trace_of(other) is not None), None)
        trace = actions.trace_of(record)
        if record is None or trace is None:
            trace = compute.recording()
            record = Record(name=actions.RECORDING_NAME, label="recorded", trace=trace)
    growing = record.job is not None and record.job.status in actions.ACTIVE
    kept = desk.reach.setdefault(record.name, {})
    choice, measured, label = _answer(desk, record, trace, kept, growing)
    place = desk.at.get(record.name, {})
    problem = refusal(trace)
    packed = pack_reach(
        trace, choice, measured, run=record.name, asked=kept.get("asked", 0), status="running" if growing else "done",
        message=kept.get("message", "") or problem, layer=place.get("layer"), replacement=label,
        options=options(trace, choice.source) if not problem else (), can_measure=not problem,
    )  # fmt: skip
    return packed, waiting


def _answer(desk: Desk, record: Record, trace: Trace, kept: dict[str, Any], growing: bool) -> Shown:
    """What was asked, else what was shown before, else where a visitor starts."""
    place = desk.at.get(record.name, {})
    start = first_choice(trace.config, len(trace), trace.n_prompt, place.get("t"))
    for choice in (kept.get("choice"), kept.get("shown"), start):
        if choice is None:
            continue
        try:
            choice.inside(trace.config, len(trace))
            measured, label = measure(trace, choice, growing=growing) if not refusal(trace) else (None, "")
        except ValueError as error:
            kept["message"] = kept.get("message") or _sentence(error)
            continue
        kept["choice"] = kept["shown"] = choice
        return choice, measured, label
    return start, None, ""


def refusal(trace: Trace) -> str:
    """Why nothing can be measured on this run; "" if it can."""
    name = trace.model_name
    if name not in compute.registry.browser_models():
        return f"The model that wrote this text ({name}) is not here: only theory is shown."
    try:
        loaded = compute.engine().model(name)
    except (ImportError, ValueError) as error:
        return _sentence(error)
    if trace.model_hash != loaded.model_hash:
        return f"This text was written by other weights than those of {name} here: only theory is shown."
    return ""


def measure(trace: Trace, choice: Choice, *, growing: bool = False) -> tuple[Measured, str]:
    """Has the model answer a choice; also the printable replacement.

    Raises:
        ValueError: a replacement that changes nothing, or a text that is too long.
    """
    from mistral_core.analysis.influence import default_replacement

    ids = tuple(int(token) for token in trace.token_ids)
    ids = ids[: needed(trace.config, choice, len(ids), whole=not growing)]
    cuts = cuts_within(trace.config, choice, len(ids))
    if choice.reading == "backward":
        return _backward(trace, choice, ids, cuts), ""
    put = choice.replacement
    if put is None:
        put = default_replacement(ids[: max(trace.n_prompt, choice.source + 1, DRAWN_FROM)], choice.source)
    reading = _forward if choice.reading == "forward" else _corridor
    return reading(trace, choice, ids, cuts, put), _label(trace, put)


def needed(config: MistralConfig, choice: Choice, length: int, *, whole: bool) -> int:
    """How many tokens are read for a choice: with nothing beyond the edge there is nothing to find."""
    if choice.reading != "forward":
        return min(length, choice.target + 2)
    reach = config.exact_reach()
    if reach is None or (whole and length <= WHOLE):
        return length
    widest = max(window for window in config.windows if window is not None)
    return min(length, choice.source + reach + 1 + widest)


def cuts_within(config: MistralConfig, choice: Choice, length: int) -> tuple[Cut, ...]:
    """The cuts, for the part of the text that is read; a wall behind it cuts nothing there."""
    if choice.cut.startswith("wall:") and int(choice.cut[5:]) > length - 2:
        return ()
    return choice.cuts(config, length)


def _forward(trace: Trace, choice: Choice, ids: tuple[int, ...], cuts: tuple[Cut, ...], put: int) -> Measured:
    name, source = trace.model_name, choice.source
    found = compute.forward_map(name, ids, source, put, cuts)
    beyond = min(source + _widest(trace.config), len(ids) - 1)
    facts = _spread(found.kl[source:], len(trace) - 1 - source)
    facts |= {"kl_top": None, "kl_top_at": None}
    if beyond < len(ids) - 1:
        top = beyond + int(np.argmax(found.kl[beyond:]))
        facts |= {"kl_top": float(found.kl[top]), "kl_top_at": top}
    uncut = np.empty(0)
    if cuts:
        uncut = compute.forward_map(name, ids, source, put, ()).kl
        facts["left"] = _share(found.kl[source + 1 :], uncut[source + 1 :])
    return Measured(grid=found.change, kl=found.kl, before=found.before, after=found.after, uncut=uncut, facts=facts)


def _backward(trace: Trace, choice: Choice, ids: tuple[int, ...], cuts: tuple[Cut, ...]) -> Measured:
    token = _explained(trace, choice.target)
    found = compute.backward_map(trace.model_name, ids, choice.target, token, cuts)
    facts = _spread(found.influence[0, choice.target :: -1], choice.target)
    facts["probability"] = float(np.exp(found.log_prob))
    if cuts:
        uncut = compute.backward_map(trace.model_name, ids, choice.target, token, ()).influence
        facts["left"] = _share(found.influence[0, : choice.target], uncut[0, : choice.target])
    return Measured(grid=found.influence, explained=_label(trace, token), facts=facts)


def _corridor(trace: Trace, choice: Choice, ids: tuple[int, ...], cuts: tuple[Cut, ...], put: int) -> Measured:
    token = _explained(trace, choice.target)
    found = compute.corridor_map(trace.model_name, ids, choice.source, choice.target, put, token, cuts, STEPS)
    change = found.log_prob_after - found.log_prob_before
    whole = compute.forward_map(trace.model_name, ids, choice.source, put, cuts)
    uncut = compute.forward_map(trace.model_name, ids, choice.source, put, ()).kl if cuts else np.empty(0)
    facts = {
        "change": change, "before": float(np.exp(found.log_prob_before)), "after": float(np.exp(found.log_prob_after)),
        "off": float(np.abs(found.through.sum(1) - change).max()), "steps": STEPS, "within90": None,
        "kl": float(whole.kl[choice.target]),
    }  # fmt: skip
    return Measured(
        grid=found.through, kl=whole.kl, before=whole.before, after=whole.after,
        uncut=uncut, explained=_label(trace, token), facts=facts,
    )  # fmt: skip


def _spread(values: np.ndarray, room: int) -> dict[str, Any]:
    """Farthest value that is not 0, and the distances that hold 90 % and 99 %; index = distance."""
    from mistral_core.analysis.push_back import held_within

    felt = np.flatnonzero(values[1:])
    if not felt.size:
        return {"farthest": None, "within90": None, "within99": None, "room": room}
    within = {f"within{share}": held_within(values, share / 100) for share in (90, 99)}
    return {"farthest": int(felt[-1]) + 1, "room": room, **within}


def _share(left: np.ndarray, whole: np.ndarray) -> float:
    total = float(whole.sum())
    return float(left.sum()) / total if total else 0.0


def _widest(config: MistralConfig) -> int:
    return max((window for window in config.windows if window is not None), default=0)


def _explained(trace: Trace, target: int) -> int:
    """The token that really follows; after the last one, the likeliest."""
    if target + 1 < len(trace):
        return int(trace.token_ids[target + 1])
    ids = tuple(int(token) for token in trace.token_ids)
    return int(compute.reading_of(trace.model_name, ids, ()).logits[-1].argmax())


def options(trace: Trace, source: int) -> list[tuple[int, str]]:
    """Other tokens of the text to put in the place of the source: the most frequent whole words first."""
    ids, counts = np.unique(trace.token_ids, return_counts=True)
    tokenizer = compute.tokenizer(trace.model_name)
    found = []
    for token in ids[np.argsort(-counts, kind="stable")].tolist():
        label = tokenizer.text(token)
        if token != int(trace.token_ids[source]) and label.strip().isalpha() and len(label.strip()) > 2:
            found.append((token, label.strip()))
    return found[:OPTIONS]


def _token_of(trace: Trace, word: str) -> int:
    from mistral_core.analysis.push_back import single_token

    return single_token(compute.tokenizer(trace.model_name), word)


def _label(trace: Trace, token: int) -> str:
    return compute.tokenizer(trace.model_name).label(token)


def _sentence(error: Exception) -> str:
    text = str(error).strip().splitlines()[0]
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
