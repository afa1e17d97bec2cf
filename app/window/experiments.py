"""What the experiments below the picture compute, by the model that wrote the shown text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app import compute
from app.session.rereading import writer_of
from app.window.payload import MOST_TOKENS
from mistral_core.analysis.progress import Report
from mistral_core.checkpoint import registry
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.allocations import Allocation
    from mistral_core.analysis.chunked import ChunkError
    from mistral_core.analysis.four_ways import FourWays
    from mistral_core.analysis.imposed_window import Imposed
    from mistral_core.analysis.padding import Company

DECODED = 128
"""Tokens that are read one by one; each is a pass of its own."""
PROMPT = 24
"""Tokens of the prompt that is padded; the texts beside it are other parts of the same text, of other lengths."""
UNTRAINED = ("smollm2", "full-attention")
"""Models trained without a window, the better one first."""
IMPOSED = (128, 64, 32, 16, 8)
"""Windows that are imposed, those that are shorter than the text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImposedRun:
    """What imposed windows did to a text.

    Attributes:
        model: that read it. length: its tokens. start: position from which losses and attention are counted.
    """

    model: str
    length: int
    start: int
    readings: tuple[Imposed, ...]


def ids_of(trace: Trace, most: int = MOST_TOKENS) -> list[int]:
    """The first tokens of a text."""
    ids: list[int] = trace.token_ids.tolist()[:most]
    return ids


def in_four_ways(trace: Trace, window: int, report: Report) -> FourWays:
    """The text read in four ways.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.four_ways import four_ways

    return four_ways(writer_of(trace).model, ids_of(trace), window, report)


def untrained(trace: Trace) -> str:
    """A model that was trained without a window: the text's own, if it is one, else the best of those that are here."""
    if all(window is None for window in trace.config.windows) and registry.offered(trace.model_name):
        return trace.model_name
    return next(name for name in UNTRAINED if registry.offered(name))


def imposed_on(name: str, text: str, report: Report) -> ImposedRun:
    """A text read by such a model, as trained and with windows imposed on it.

    Raises:
        ValueError: the text is too short.
    """
    from mistral_core.analysis.imposed_window import impose

    loaded = compute.engine().model(name)
    ids = loaded.tokenizer.encode(text)[:MOST_TOKENS]
    start = len(ids) // 3
    windows = [window for window in IMPOSED if window < len(ids) - 1]
    if len(ids) < 3 * IMPOSED[-1]:
        raise ValueError(f"the text has {len(ids)} tokens; a window hides too little of it, so take a longer one")
    made = impose(loaded.model, ids, windows, start, report=report)
    return ImposedRun(model=name, length=len(ids), start=start, readings=tuple(made))


def in_chunks(trace: Trace, sizes: tuple[int, ...], slack: int, report: Report) -> list[ChunkError]:
    """The beginning of the text in chunks of these sizes, read first and written first.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.chunked import chunk_errors

    return list(chunk_errors(writer_of(trace).model, ids_of(trace, DECODED), sizes, slack, report))


def kept_in(trace: Trace, slack: int, report: Report) -> list[Allocation]:
    """The beginning of the text, one token after the other, with three allocations.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.allocations import allocations

    return allocations(writer_of(trace).model, ids_of(trace, DECODED), slack, repeats=3, report=report)


def beside_others(trace: Trace, report: Report) -> list[Company]:
    """The beginning of the text alone, padded, and beside other parts of it.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.padding import in_company

    report(0, 1, "reading the batches")
    ids = ids_of(trace)
    others = [ids[PROMPT // 2 : PROMPT // 2 + 9], ids[:3], ids[-2 * PROMPT :]]
    return in_company(writer_of(trace).model, ids[:PROMPT], others)
