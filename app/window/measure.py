"""The text of a run read with some window, by the model that wrote it."""

from __future__ import annotations

from functools import lru_cache

from app.session.rereading import writer_of
from app.window.payload import MOST_TOKENS, Case, Measured, layers_sent
from app.window.question import Choice
from mistral_core.analysis.progress import Report
from mistral_core.trace.trace import Trace

W = 3
"""Of the case that can be counted."""


def measure(trace: Trace, choice: Choice, layer: int, report: Report) -> Measured:
    """Reads the text with the chosen windows, and with those that this is compared with.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.mask_reading import change, read_mask
    from mistral_core.checkpoint.variants import with_windows

    report(0, 3, "loading the model")
    loaded = writer_of(trace)
    ids, config = trace.token_ids.tolist()[:MOST_TOKENS], loaded.config
    windows, without = choice.windows(config), choice.windows(config, plus=False)
    report(1, 3, "reading the text")
    made = read_mask(with_windows(loaded.model, windows, config.sinks), ids, layers_sent(config, len(ids), layer))
    first, against = (without, "W") if windows != without else (config.windows, "trained")
    moved = None
    if windows != first:
        report(2, 3, "reading it without the change")
        other = read_mask(with_windows(loaded.model, first, config.sinks), ids, ())
        moved = change(other.logits, made.logits)
    report(3, 3, "done")
    return Measured(
        windows=windows,
        layers=made.layers,
        queries=made.queries,
        keys=made.keys,
        error=made.error,
        against=("W" if against == "W" else "trained") if moved is not None else "",
        largest=moved.largest if moved is not None else None,
        kl=moved.kl if moved is not None else None,
    )


@lru_cache(maxsize=1)
def cases() -> tuple[Case, Case]:
    """The countable case with W and with W + 1; computed once, in a second."""
    from mistral_core.analysis.countable import countable

    with_w, with_one_more = (countable(window) for window in (W, W + 1))
    return _case(with_w), _case(with_one_more)


def _case(made: object) -> Case:
    from mistral_core.analysis.countable import Countable

    if not isinstance(made, Countable):
        raise ValueError(f"{type(made).__name__} is no countable case; make it by `countable`")
    return Case(window=made.window, reach=made.reach, paper=made.paper, pattern=made.pattern, felt=made.felt)
