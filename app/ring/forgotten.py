"""Is it forgotten? A word that has left every ring is replaced, and the prediction compared: the work and its words."""

from __future__ import annotations

from collections.abc import Mapping

from app import compute
from app.ring.messages import CancelMeasure, FailedForgotten, Forgotten, Measure, MeasuringForgotten
from app.ring.state import Asked, Asking, Question, RingState
from app.session.desk import Desk
from app.session.numbers import whole
from app.session.rereading import model_is_there
from app.session.sentence import sentence
from app.session.visible import run_named
from mistral_core.analysis.progress import Report
from mistral_core.analysis.reach import rings_left


def measure(desk: Desk, event: Measure) -> None:
    """Starts the measurement that the visitor asks for; what is known already is shown at once."""
    run = run_named(desk, event["run"])
    if run is None or not model_is_there(run[1]):
        desk.notice = "The model of this run is not here, so nothing can be measured."
        return
    record, trace = run
    position, step = event["position"], event["step"]
    if not 0 <= position < step < len(trace) or not all(rings_left(trace.config, position, step)):
        desk.notice = f"At step {step} the word at position {position} has not left all rings. Choose an earlier word."
        return
    question = Question(
        run=record.name,
        model=trace.model_name,
        ids=tuple(trace.token_ids[: step + 2].tolist()),
        position=position,
        step=step,
        word=event["word"].strip()[:40],
    )
    page = desk.page_state(RingState)
    name = f"{record.name}/{position}/{step}/{question.word}"
    page.asking = Asking(question, page.measurements.start(name, lambda report: answer(question, report)))


def ask_about(desk: Desk, query: Mapping[str, str]) -> None:
    """Takes the word that an address asks about, `ask=POSITION&put=WORD`, for the run that it opens."""
    if "ask" not in query or desk.current is None:
        return
    try:
        asked = Asked(whole(query, "ask"), query.get("put", "")[:40])
        desk.page_state(RingState).ask[desk.current] = asked
    except ValueError as error:
        desk.notice = sentence(error)


def cancel(desk: Desk, event: CancelMeasure) -> None:
    """Ends the measurement: on the page at once, in the background when the step under way is done."""
    desk.page_state(RingState).measurements.cancel()


def answer(question: Question, report: Report) -> Forgotten:
    """Replaces the word in float64, everything after it held fixed, and compares the predictions.

    Raises:
        ValueError: the replacement is no single token, or the same word.
    """
    from mistral_core.analysis.forgotten import forgotten
    from mistral_core.analysis.swap import replacement_of_its_kind
    from mistral_core.tokenizer import single_token

    report(0, 3, "loading the model in float64 (16 digits)")
    config = compute.exact_model(question.model).config
    tokenizer, ids = compute.tokenizer(question.model), question.ids
    if question.word:
        replacement = single_token(tokenizer, question.word)
        if replacement == ids[question.position]:
            raise ValueError(f"{question.word!r} is the word itself; nothing would change. Choose another word")
    else:
        replacement = replacement_of_its_kind(tokenizer, ids, question.position)
    report(1, 3, "reading the text")
    compute.reading_of(question.model, ids, ())
    report(2, 3, "reading it with the word replaced")
    influence = compute.forward_map(question.model, ids, question.position, replacement, ())
    loss = forgotten(config, influence, question.step)
    label = tokenizer.label
    after = ids[question.step + 1] if question.step + 1 < len(ids) else None
    return {
        "status": "done",
        "position": question.position,
        "step": question.step,
        "original": label(ids[question.position]),
        "replacement": label(replacement),
        "chosen": bool(question.word),
        "distance": loss.distance,
        "kl": loss.kl,
        "kl_text": _nats(loss.kl),
        "verdict": _verdict(loss.kl),
        "next": "" if after is None else label(after),
        "before": None if after is None else loss.before,
        "after": None if after is None else loss.after,
    }


def forgotten_header(page: RingState, run: str) -> MeasuringForgotten | FailedForgotten | Forgotten | None:
    """The state of the measurement in a run, as the browser shows it."""
    asking = page.asking
    if asking is None or asking.question.run != run:
        return None
    question, work = asking.question, asking.work
    if work.result is not None:
        return work.result
    position, step = question.position, question.step
    if work.error:
        return {"status": "failed", "position": position, "step": step, "error": work.error}
    done, total, doing = work.progress
    return {"status": "running", "position": position, "step": step, "done": done, "total": total, "doing": doing}


def _nats(kl: float) -> str:
    return "exactly 0 nats (KL)" if kl == 0 else f"{kl:.2g} nats (KL)"


def _verdict(kl: float) -> str:
    if kl == 0:
        return "Forgotten: not a single bit of the prediction changes."
    if kl < 1e-6:
        return "Gone in practice: a trace is there, and far too small to matter."
    if kl < 1e-2:
        return "Not quite forgotten: a faint trace, too little to be noticed."
    return "Nearly forgotten: little of it is left." if kl < 1e-1 else "Not forgotten: later words carried it on."
