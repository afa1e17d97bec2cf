"""Runs that were recorded: the one that comes along, those that a visitor saves and opens, and writing one again."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from app import compute
from app.session.desk import DEFAULT_PROMPT, Desk
from app.session.progress import trace_of
from app.session.runs import DEFAULT_SAMPLING, SAMPLING_FIELDS, Record, RunSpec
from app.session.sentence import sentence
from app.shared.run_payload import run_parts
from app.wire import pack
from mistral_core.trace.trace import Trace

RECORDING_NAME = "recorded"


def open_recording(desk: Desk) -> None:
    """Shows the recorded run of the start page."""
    trace = compute.recording()
    desk.add(Record(name=RECORDING_NAME, label="recorded", trace=trace))
    if desk.prompt == DEFAULT_PROMPT:  # nothing was asked for: the box says what is shown
        desk.prompt = "".join(trace.token_texts[: trace.n_prompt])


def open_file(desk: Desk, name: str, data: bytes) -> None:
    """Opens a saved trace that a visitor brought; what is shown stays if it cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.safetensors"
        path.write_bytes(data)
        try:
            trace = Trace.load(path)
            record = Record(name=f"file {name}"[:60], label=name[:40], trace=trace)
            pack(run_parts(trace, picture="next_word", run=record.name))  # what cannot be packed is refused here
        except (ValueError, KeyError, IndexError, TypeError) as error:
            desk.notice = f"{name} was not opened: {sentence(error).replace(str(path), 'it')}"
            return
    desk.add(record)


def trace_bytes(record: Record) -> bytes:
    """The run as a file, for download."""
    trace = trace_of(record)
    if trace is None:
        return b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.safetensors"
        trace.save(path)
        return path.read_bytes()


def spec_of(record: Record) -> RunSpec | None:
    """The request behind a run, written here or recorded; `None` = it cannot be written again."""
    return record.spec or spec_of_recording(record)


def spec_of_recording(record: Record) -> RunSpec | None:
    """The request behind a recording, if its model is here and its prompt a text: then it can be written again."""
    trace = record.trace
    if trace is None or not compute.registry.offered(trace.model_name):
        return None
    text = "".join(trace.token_texts[: trace.n_prompt])
    if compute.tokenizer(trace.model_name).encode(text) != trace.token_ids[: trace.n_prompt].tolist():
        return None  # a chat: nobody can type the marks that its template sets
    settings = trace.settings
    known = {name: settings[name] for name in SAMPLING_FIELDS if name in settings}
    return RunSpec(
        model=trace.model_name,
        text=text,
        sampling=replace(DEFAULT_SAMPLING, **known),
        seed=int(settings.get("seed", 0)),
        new_tokens=int(settings.get("max_new_tokens", len(trace) - trace.n_prompt)),
        forced=tuple((int(p), int(t)) for p, t in settings.get("forced", [])),
    )
