"""What a run begins with, as token ids: a text that is gone on with, or a conversation by the model's template."""

from __future__ import annotations

from app import compute
from app.session.desk import Desk
from app.session.progress import progress_of, trace_of
from app.session.runs import RunSpec
from app.session.sentence import sentence
from mistral_core.checkpoint import registry

MAX_PROMPT_TOKENS = 4096


def prompt_ids(spec: RunSpec) -> tuple[int, ...]:
    """Every token that is read before the first one is written.

    Raises:
        ValueError: no such model, one that has no chat template, or a conversation that its template refuses.
    """
    if spec.turns is None:
        return tuple(compute.tokenizer(spec.model).encode(spec.text))
    return compute.conversation(spec.model, (*spec.turns, spec.text))


def check_prompt(spec: RunSpec) -> str:
    """Why this cannot be read, as a sentence; "" if it can."""
    if not spec.text.strip():
        return "The prompt is empty. Write a few words, or choose an example."
    try:
        count = len(prompt_ids(spec))
    except ValueError as error:
        return sentence(error)
    if count > MAX_PROMPT_TOKENS:
        what = "prompt" if spec.turns is None else "conversation"
        return f"The {what} has {count:,} tokens; at most {MAX_PROMPT_TOKENS:,} can be read here. Shorten it."
    return ""


def can_chat(model: str) -> bool:
    """Whether a model has a template by which conversations are written."""
    try:
        return compute.chat_template(model) is not None
    except ValueError:  # one that is refused; the command line says why
        return False


def said_before(desk: Desk) -> tuple[str, ...]:
    """The conversation that is shown, with its answer, if the next message can go on with it; else nothing.

    The model may have another window now: what was said stays said.
    """
    record = desk.record
    if record is None or record.spec is None or record.spec.turns is None:
        return ()
    progress, trace = progress_of(record), trace_of(record)
    same = registry.parts_of(record.spec.model).model == registry.parts_of(desk.model).model
    if not same or progress is None or progress.status != "done" or trace is None or len(trace) <= trace.n_prompt:
        return ()
    answer = "".join(trace.token_texts[trace.n_prompt :]).strip()
    return (*record.spec.turns, record.spec.text, answer) if answer else ()
