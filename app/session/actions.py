"""What can be done on the desk: write, pause, step, stop, branch, open. No layout.

Every action leaves what was there in place if it fails, and puts one plain sentence into
`Desk.notice`. The engine does the work; nothing here waits for it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import compute
from app.session.runs import DEFAULT_SAMPLING, SAMPLING_FIELDS, Record, RunSpec, position_from_query, spec_from_query
from app.session.state import Desk
from app.shared.run_payload import run_parts
from app.wire import pack
from mistral_core.trace import Trace

if TYPE_CHECKING:
    from mistral_core.serving.engine import Progress

MAX_PROMPT_TOKENS = 4096
ACTIVE = frozenset({"queued", "loading", "reading", "running"})
"""As in the engine, which is not imported here before it is needed."""
RECORDING_NAME = "recorded"


def count_tokens(model: str, text: str) -> int:
    """Tokens of a text, the begin-of-text token included.

    Raises:
        ValueError: no such model.
    """
    return len(compute.tokenizer(model).encode(text))


def check_prompt(model: str, text: str) -> str:
    """Why this text cannot be read, as a sentence; "" if it can."""
    if not text.strip():
        return "The prompt is empty. Write a few words, or choose an example."
    try:
        count = count_tokens(model, text)
    except ValueError as error:
        return sentence(error)
    if count > MAX_PROMPT_TOKENS:
        return f"The prompt has {count:,} tokens; at most {MAX_PROMPT_TOKENS:,} can be read here. Shorten it."
    return ""


def write(desk: Desk, spec: RunSpec, *, pace: float = 0.0, paused: bool = False) -> bool:
    """Starts a run and shows it. A run that is being written is paused, not lost.

    Args:
        pace: tokens per second at most; 0 = as fast as it can.
    """
    if problem := check_prompt(spec.model, spec.text):
        desk.notice = problem
        return False
    if spec.name in desk.records and desk.records[spec.name].job is not None:
        desk.notice = "This text is here already: same prompt, settings and seed. Change the seed for another one."
        desk.current = spec.name
        return False
    return _submit(desk, spec, parent=None, pace=pace, paused=paused, label=_label(spec))


def _submit(
    desk: Desk, spec: RunSpec, *, parent: Record | None, pace: float, paused: bool = False, label: str, **branch: Any
) -> bool:
    from mistral_core.serving.engine import RefusalError

    engine = compute.engine()
    try:
        request = spec.request(tuple(compute.tokenizer(spec.model).encode(spec.text)))
        shared = trace_of(parent) if parent is not None else None
        pause_others(desk)
        job = engine.submit(desk.session, spec.model, request, parent=shared, pace=pace or math.inf, paused=paused)
    except (RefusalError, ValueError) as error:
        desk.notice = sentence(error)
        return False
    name = parent.name if parent is not None else None
    desk.add(Record(name=spec.name, label=label, spec=spec, job=job, parent=name, **branch))
    return True


def pause_others(desk: Desk) -> None:
    """Pauses what this session is writing; it can be resumed from the list of runs."""
    for record in desk.records.values():
        if record.job is not None and record.job.status not in ("done", "failed", "expired", "paused"):
            compute.engine().pause(record.job)


def branch(desk: Desk, event: Mapping[str, Any]) -> None:
    """Starts the run in which another token stands at a position, as if it had been drawn there."""
    record = desk.records.get(str(event.get("run")))
    if record is None:
        desk.notice = "That run is no longer here; choose another one."
        return
    spec = record.spec or spec_of_recording(record)
    if spec is None:
        desk.notice = f"The model that made this recording is not here ({_model_name(record)}), so it cannot branch."
        return
    position, token = int(event["position"]), int(event["token_id"])
    new = spec.branch(position, token)
    if new.name in desk.records:
        desk.current = new.name
        return
    label = compute.tokenizer(new.model).label(token)
    _submit(desk, new, parent=record, pace=desk.pace, label=label, branched_at=position, branched_to=label)


def press(desk: Desk, button: str) -> None:
    """Pause, resume, step or stop the run that is shown."""
    job = desk.record.job if desk.record is not None else None
    if job is None:
        return
    engine = compute.engine()
    desk.follow += button in ("resume", "step")
    if button == "resume":
        pause_others(desk)
    try:
        {"pause": engine.pause, "resume": engine.resume, "step": engine.step, "stop": engine.cancel}[button](job)
    except ValueError as error:
        desk.notice = sentence(error)


def open_recording(desk: Desk) -> None:
    """Shows the recorded run of the start page."""
    trace = compute.recording()
    desk.add(Record(name=RECORDING_NAME, label="recorded", trace=trace))


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
    found = record.spec.query()
    at = desk.at.get(record.name, {})
    if at.get("t") is not None:
        found["t"] = str(at["t"])
        found["layer"] = str(at.get("layer") or 0)
        if isinstance(at.get("head"), int) and at["head"] >= 0:
            found["head"] = str(at["head"])
    return found


def progress(record: Record | None) -> Progress | None:
    """Where a run is; renews its lease. `None` for recordings."""
    if record is None or record.job is None:
        return None
    return compute.engine().poll(record.job)


def trace_of(record: Record | None) -> Trace | None:
    """The text of a run so far and what was recorded of it."""
    if record is None:
        return None
    found = progress(record)
    return record.trace if found is None else found.trace


def active(desk: Desk) -> bool:
    """Whether the shown run is being written, so that the page has to look again."""
    record = desk.record
    return record is not None and record.job is not None and record.job.status in ACTIVE


def settle(desk: Desk, event: Mapping[str, Any]) -> None:
    """The playhead has come to rest: this place goes into the URL."""
    desk.at[str(event["run"])] = {name: event.get(name) for name in ("t", "layer", "head")}


def show(desk: Desk, event: Mapping[str, Any]) -> None:
    """Shows another run of this session."""
    if event.get("run") in desk.records:
        desk.current = str(event["run"])


def set_sampling(desk: Desk, event: Mapping[str, Any]) -> None:
    """Takes over what the sliders say; values out of bounds are ignored with a sentence."""
    try:
        desk.sampling = replace(
            desk.sampling,
            temperature=float(event["temperature"]),
            top_k=int(event["top_k"]),
            top_p=float(event["top_p"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        desk.notice = sentence(error)


def _label(spec: RunSpec) -> str:
    words = " ".join(spec.text.split()[:4])
    return f"{words}… seed {spec.seed}"


def _model_name(record: Record) -> str:
    return record.trace.model_name if record.trace is not None else "unknown"


def spec_of_recording(record: Record) -> RunSpec | None:
    """The request behind a recording, if its model is here: then it can be written again and branched."""
    trace = record.trace
    if trace is None or trace.model_name not in compute.registry.browser_models():
        return None
    settings = trace.settings
    known = {name: settings[name] for name in SAMPLING_FIELDS if name in settings}
    return RunSpec(
        model=trace.model_name,
        text="".join(trace.token_texts[: trace.n_prompt]),
        sampling=replace(DEFAULT_SAMPLING, **known),
        seed=int(settings.get("seed", 0)),
        new_tokens=int(settings.get("max_new_tokens", len(trace) - trace.n_prompt)),
        forced=tuple((int(p), int(t)) for p, t in settings.get("forced", [])),
    )


def sentence(error: Exception | str) -> str:
    """The first line of an error as a sentence."""
    text = str(error).strip().splitlines()[0]
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
