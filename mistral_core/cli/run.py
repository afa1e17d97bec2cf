"""What the commands do between their flags and their output: load, prompt, run, refuse.

Torch is imported inside the functions, so that help answers at once.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mistral_core.checkpoint.folder import MISTRAL, refuse_pickle
from mistral_core.checkpoint.published import MOST_CHARACTERS, Published
from mistral_core.checkpoint.registry import (
    Named,
    available_models,
    imposed,
    is_bundled,
    parts_of,
    resolve_command_line,
)
from mistral_core.config import MISTRAL_7B, Window

if TYPE_CHECKING:
    import torch

    from mistral_core.analysis.rounding import Rounding
    from mistral_core.checkpoint.load import LoadedModel
    from mistral_core.checkpoint.narrow import Weights
    from mistral_core.generation import Run
    from mistral_core.sampling import SamplingSettings
    from mistral_core.trace.trace import RecordingPlan, Trace

READER_LEFT = 128 + 13
"""Exit code of a program that SIGPIPE ends."""
MOST_THREADS = 1024
"""Of the processor; torch starts as many as it is told."""
PRESET = "mistral-7b"
"""A configuration without weights, for `info`."""
MOST_CONFIGURATION = 4 * MOST_CHARACTERS
"""Bytes that are read of a configuration file: what is longer has too many characters."""


def load(model: str, dtype: str, device: str, weights: Weights = "float32") -> LoadedModel:
    """The model that a flag names, with its notices on stderr, and how it computes where that is not the usual way.

    Raises:
        ValueError: no such model or device, or a folder that cannot be loaded.
    """
    named = Named(model) if Path(model).exists() else parts_of(model)  # a path is the path that it is
    folder = resolve_command_line(named.model)
    import torch

    from mistral_core.checkpoint.load import load_model
    from mistral_core.checkpoint.variants import as_named

    loaded = load_model(folder, dtype=getattr(torch, dtype), device=_device(device), weights=weights)
    for notice in (*loaded.notices, *([loaded.computes] if weights != "float32" else [])):
        print(f"note: {notice}", file=sys.stderr)
    if named == Named(named.model):
        return loaded
    network = as_named(loaded.model, named)
    name = imposed(loaded.name, named.window, named.sinks, named.changes)
    return replace(loaded, model=network, config=network.config, name=name)


def _device(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"{name!r} is not a device; use cpu, cuda or cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device {name!r} is not supported; use cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"there is no device {name!r} here; {torch.cuda.device_count()} GPUs are found, use cpu")
    return device


def published_of(model: str) -> tuple[str, Published]:
    """Name and configuration of a model folder, a listed name, the preset, a file or `-` for a pipe; reads no weights.

    Raises:
        ValueError: nothing of the kind, or the configuration of another network.
    """
    if model == PRESET and model not in available_models():
        return PRESET, Published(config=MISTRAL_7B, layout=MISTRAL)
    from mistral_core.checkpoint.configuration import published_text, read_published

    if model == "-":
        return "standard input", published_text(
            _text_of(sys.stdin.buffer.read(MOST_CONFIGURATION + 1), "standard input"), "standard input"
        )
    path = resolve_command_line(model)
    if path.is_dir():
        return path.resolve().name, read_published(path)
    refuse_pickle(path)
    with path.open("rb") as file:
        return str(path), published_text(_text_of(file.read(MOST_CONFIGURATION + 1), str(path)), str(path))


def _text_of(raw: bytes, source: str) -> str:
    """The text of a configuration file; a character that was cut at the end of what is read counts as one."""
    cut = "replace" if len(raw) > MOST_CONFIGURATION else ""
    return _decoded(raw, source, "give a config.json or params.json", cut)


def _decoded(raw: bytes, source: str, remedy: str, cut: str = "") -> str:
    """Bytes as text in UTF-8.

    Args:
        cut: what becomes of a character that was cut at their end, as `bytes.decode` has it; "" = nothing was cut.

    Raises:
        ValueError: they are none.
    """
    try:
        return raw.decode("utf-8", errors=cut or "strict")
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not text in UTF-8 ({error.reason}); {remedy}") from error


def read_text(source: str, most: int) -> str:
    """A text as it is, line ends and all: of a file, or of a pipe where the source is `-`.

    Args:
        most: characters that may be used of it; not much more than these is read.

    Raises:
        OSError: the file cannot be read. ValueError: it is not in UTF-8.
    """
    room = 4 * (most + 1)  # bytes: the longest characters of UTF-8, and one more to see that there are more
    if source == "-":
        raw, source = sys.stdin.buffer.read(room), "standard input"
    else:
        with Path(source).open("rb") as file:
            raw = file.read(room)
    return _decoded(raw, source, "convert it first", "ignore" if len(raw) == room else "")


def read_prompt(prompt: str | None, prompt_file: Path | None) -> str:
    """The prompt of the two flags, of which exactly one must be given.

    Raises:
        ValueError: none, both, an empty one, or a file that is no text.
    """
    if (prompt is None) == (prompt_file is None):
        what = "two prompts are" if prompt is not None else "no prompt is"
        raise ValueError(f"{what} given; use either --prompt TEXT or --prompt-file FILE")
    if prompt_file is not None:
        try:
            prompt = prompt_file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{prompt_file} is not text in UTF-8 ({error.reason}); convert it first") from error
    if not prompt:
        raise ValueError("the prompt is empty; give at least one character to go on from")
    return prompt


def rounding_against(
    loaded: LoadedModel, other: Weights, text: Path, windows: Window | Literal["own"], sinks: int
) -> Rounding:
    """How far the predictions of a model lie from those of its weights kept in another way."""
    from mistral_core.analysis.evaluation import read_documents
    from mistral_core.analysis.rounding import compare
    from mistral_core.checkpoint.load import load_model
    from mistral_core.checkpoint.variants import as_named, with_windows

    models = as_named(load_model(loaded.folder, weights=other).model, parts_of(loaded.name)), loaded.model
    if windows != "own":
        models = with_windows(models[0], windows, sinks), with_windows(models[1], windows, sinks)
    return compare(*models, loaded.tokenizer, read_documents(text))


def start(
    loaded: LoadedModel,
    prompt: str,
    *,
    max_new_tokens: int,
    stop: tuple[str, ...],
    seed: int,
    chunk_size: int,
    sampling: SamplingSettings,
    unsaid: bool | None,
    plan: RecordingPlan | None = None,
) -> Run:
    """A run of the request that the flags describe; nothing is read yet.

    Args:
        unsaid: whether words are left unsaid; `None` = as it is usual for the model.
    """
    from mistral_core.generation import ModelCard, Run
    from mistral_core.request import GenerationRequest
    from mistral_core.trace.trace import NOTHING

    request = GenerationRequest(
        prompt_ids=tuple(loaded.tokenizer.encode(prompt)),
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        seed=seed,
        stop=stop,
        chunk_size=chunk_size,
        unsaid=is_bundled(loaded.folder) if unsaid is None else unsaid,
    )
    card = ModelCard(loaded.name, loaded.model_hash)
    return Run(loaded.model, loaded.tokenizer, request, plan=plan or NOTHING, card=card)


def finish(run: Run, show: bool = False) -> None:
    """Reads the prompt and writes to the end; `show` prints the text as it comes, the prompt first."""
    for _ in run.prefill():
        pass
    printed = 0
    while True:
        text = "".join(run.texts)
        if show:
            print(text[printed:], end="", flush=True)
            printed = len(text)
        if run.finish_reason:
            break
        run.step()
    if show:
        print()


def store(run: Run, out: Path, command: str, compact: bool) -> tuple[Trace, tuple[str, ...]]:
    """Writes the run's Trace, with the command that made it among its settings.

    Returns:
        What was written, and a sentence for each tensor that did not fit the budget.
    """
    from mistral_core.trace.compact import distil
    from mistral_core.unsaid import unsaid_of

    trace = run.trace()
    missing = trace.omitted  # a compact trace also names what it drops on purpose
    trace = replace(trace, settings={**trace.settings, "command": command})
    if compact:
        trace = distil(trace, run.tokenizer.label, held_back=unsaid_of(run.tokenizer).held_back)
    trace.save(out)
    return trace, missing


def recording_plan(
    hooks: Sequence[str], layers: Sequence[int], no_logits: bool, compact: bool, budget_mib: int
) -> RecordingPlan:
    """What the flags of `trace` ask to be kept.

    Raises:
        ValueError: flags that contradict each other, or a negative budget.
    """
    from mistral_core.trace.trace import LOGITS, PATTERN, RecordingPlan

    if budget_mib < 0:
        raise ValueError(f"--budget-mib is {budget_mib}; it must be 0 or more")
    budget = budget_mib * 2**20
    if compact:
        if hooks or layers or no_logits:
            raise ValueError("--compact decides itself what is kept; leave --hook, --layer and --no-logits out")
        return RecordingPlan(hooks=(LOGITS, PATTERN), budget_bytes=budget)
    chosen = tuple(hooks) or RecordingPlan().hooks
    if no_logits:
        chosen = tuple(hook for hook in chosen if hook != LOGITS)
    return RecordingPlan(hooks=chosen, layers=tuple(layers) or None, budget_bytes=budget)


def parse_window(window: str | None) -> int | Literal["own"] | None:
    """`--window`: a number, "none" for full attention, or not given for the model's own.

    Raises:
        ValueError: anything else.
    """
    if window is None:
        return "own"
    if window.lower() == "none":
        return None
    if not window.isascii() or not window.isdigit() or int(window) < 1:
        raise ValueError(f"--window is {window!r}; it must be a whole number of at least 1, or none")
    return int(window)


def use_threads(threads: int | None) -> None:
    """Lets torch compute with so many processor threads; `None` = as many as it takes by itself.

    Raises:
        ValueError: fewer than 1.
    """
    if threads is None:
        return
    if threads < 1:
        raise ValueError(f"--threads is {threads}; it must be at least 1")
    if threads > MOST_THREADS:
        raise ValueError(f"--threads is {threads}; it must be at most {MOST_THREADS:,}")
    import torch

    torch.set_num_threads(threads)


def print_json(value: Any) -> None:
    """One JSON value on stdout; characters that no encoding can print are escaped."""
    print(json.dumps(value, indent=2, allow_nan=False))


def status(line: str) -> None:
    """Replaces the line of progress on a terminal; nothing where stderr is a file."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def report(done: int, total: int, what: str) -> None:
    """Says on the terminal how far a computation is."""
    status(f"{done}/{total} {what}")


def refuse(reason: str, code: int = 2) -> int:
    """Says in one line on stderr what is wrong; returns the exit code, 2 for wrong input."""
    line = re.sub(r"[0-9]{40,}", lambda digits: f"{digits[0][:8]}… ({len(digits[0])} digits)", " ".join(reason.split()))
    print(f"error: {line}", file=sys.stderr)
    return code


def reader_left() -> int:
    """Ends quietly where what is printed is read no more (`| head`); returns the exit code that a shell gives for it.

    What is still buffered would fail once more when the interpreter ends, so it goes nowhere.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return READER_LEFT
