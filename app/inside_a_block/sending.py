"""What goes to the picture of one token: the run, and the answer to what is looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping

from app.inside_a_block.answering import answer_from, answer_from_trace
from app.inside_a_block.messages import Look
from app.inside_a_block.payload import Answer, answer_parts, empty_header, token_parts
from app.inside_a_block.reading import reading_of
from app.inside_a_block.state import InsideState
from app.session.desk import Desk
from app.session.progress import coming
from app.session.runs import Record
from app.session.visible import Payload, run_named, visible_run
from app.wire import Parts
from mistral_core.trace.trace import Trace

PATIENCE = 0.6
"""Seconds that a picture waits for a reading that it has begun: a text of the bundled model is read in less. One that
takes longer says how far it is, at every look."""
BOXES = (
    *("resid_pre", "attention_norm", "q", "k", "v", "rot_q", "rot_k", "ring", "scores", "mask", "pattern", "z"),
    *(
        "attn_out",
        "resid_mid",
        "ffn_norm",
        "pre",
        "pre_linear",
        "post",
        "mlp_out",
        "resid_post",
        "final_norm",
        "logits",
    ),
)
"""Their names, as `worked_cell.STORED` has them, which asks for torch."""
LOOK = "look"
"""The answer, as a part of what is delivered; its key is the number of the look."""


def token_payload(desk: Desk) -> Payload:
    """What the browser does not hold yet of the shown run, and of the token that it looks at."""
    visible = visible_run(desk)
    record, trace = visible.record, visible.trace
    page = desk.page_state(InsideState)
    look, answer, running = page.looks.get(record.name), None, False
    if look is not None and not page.delivery.held(record.name, part=LOOK, key=str(look["n"])):
        answer, running = _answer(page, record, trace, look)
    start, stop = page.delivery.span(record.name, len(trace), growing=visible.growing)
    parts = token_parts(
        trace,
        answer,
        run=record.name,
        box=page.box,
        start=start,
        stop=stop,
        at=desk.at.get(record.name),
        **visible.growth(),
    )
    return Payload(parts, visible.waiting, unfinished=running)


def busy(desk: Desk) -> bool:
    """Whether the page has to look again: a text grows, or is read again."""
    page = desk.page_state(InsideState)
    return coming(desk, page.delivery) or page.readings.running


def look_at(desk: Desk, event: Look) -> None:
    """The browser has come to rest on a number; one that is not there is looked at no further."""
    run = run_named(desk, event["run"])
    if run is None:
        return
    record, trace = run
    config = trace.config
    if (
        0 <= event["t"] < len(trace)
        and 0 <= event["layer"] < config.n_layers
        and -1 <= event["head"] < config.n_heads
        and -1 <= event["key"] <= event["t"]
    ):
        desk.page_state(InsideState).looks[record.name] = event


def open_box(desk: Desk, query: Mapping[str, str]) -> None:
    """An address may name a box; one that does not exist is the first one."""
    asked = query.get("box", "")
    desk.page_state(InsideState).box = asked if asked in BOXES else ""


def box_address(desk: Desk) -> dict[str, str]:
    """The box that is looked at, for the address; the first one is left out."""
    look = desk.page_state(InsideState).looks.get(desk.current or "")
    return {} if look is None or look["box"] not in BOXES[1:] else {"box": look["box"]}


def _answer(page: InsideState, record: Record, trace: Trace, look: Look) -> tuple[Parts, bool]:
    """The answer, and whether it is still being worked on."""
    wanted = json.dumps([trace.model_hash[:8], record.name, look, _following(trace, look)])
    if page.answer is not None and page.answer[0] == wanted:
        return page.answer[1], False
    before = page.reading
    work = reading_of(page, record, trace, look["t"])
    if page.reading is not before:
        work.task.join(PATIENCE)
    if work.running:
        done, total, doing = work.progress
        text = f"{doing or 'reading the text again'}: {done:,} of {total:,} …"
        header = empty_header(trace.config, n=look["n"], t=look["t"], status="reading", text=text)
        return answer_parts(Answer(header=header)), True
    result = work.result
    if result is None:
        answer = answer_from_trace(trace, look, work.error)
    elif not result.inside.has(look["t"]):  # it was on its way for another token, and this one comes next
        header = empty_header(trace.config, n=look["n"], t=look["t"], status="reading", text="reading the text …")
        return answer_parts(Answer(header=header)), True
    else:
        answer = answer_from(result, trace, look)
    page.answer = (wanted, answer_parts(answer))
    return page.answer[1], False


def _following(trace: Trace, look: Look) -> bool:
    """Whether the token after the looked-at one is there: a growing text may have it soon."""
    return look["t"] + 1 < len(trace)
