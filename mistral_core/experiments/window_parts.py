"""The parts of claim 4 that read a text: what the windowed twins lose, and what an imposed window costs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from mistral_core.analysis.mentions import Mentions, gap, mention_losses, piece_losses, pieces
from mistral_core.analysis.progress import Report, part_of
from mistral_core.analysis.recall import Recall, fillers_for, recall, usable_names
from mistral_core.analysis.relay import measure_relay, share_right
from mistral_core.checkpoint.load import LoadedModel
from mistral_core.checkpoint.variants import with_windows
from mistral_core.experiments.finding import Cell, Table
from mistral_core.experiments.window_criteria import SINKS
from mistral_core.training.family_results import reached, recorded_results

FULL, WINDOWED, NARROW = "full-attention", "baseline", "narrow-window"
AFTER_WINDOWS = 2
"""Windows of text after which the loss under an imposed window is counted: it has begun to slide by then."""


def trained_length(loaded: LoadedModel) -> int:
    """Tokens of a training sequence, by the model's own record.

    Raises:
        OSError, KeyError: the model comes without one.
    """
    record = json.loads((loaded.folder / "training.json").read_text(encoding="utf-8"))
    return int(record["run"]["settings"]["context"])


def judged_length(loaded: LoadedModel) -> int:
    """Tokens of a piece on which a model is judged: half of a training sequence, so that no place in it is new to it.

    Raises:
        OSError, KeyError: as `trained_length`.
    """
    return trained_length(loaded) // 2


def window_of(loaded: LoadedModel) -> int:
    """The widest window of a model that has one in every layer.

    Raises:
        ValueError: a layer has none.
    """
    widths = [window for window in loaded.config.windows if window is not None]
    if len(widths) < loaded.config.n_layers:
        raise ValueError(f"{loaded.name} has a layer without a window; this part compares one that has them all")
    return max(widths)


def price(
    twins: Sequence[LoadedModel], documents: Sequence[str], report: Report
) -> tuple[tuple[float, float, int], Table]:
    """(mean, standard error, words) of what the windowed twin pays out of sight less in sight, and the whole table.

    Args:
        twins: full attention, the window, a narrower one; of one vocabulary.
    """
    full, windowed, _ = twins
    if len({tuple(twin.tokenizer.encode(documents[0])) for twin in twins}) != 1:
        raise ValueError(
            "the twins cut a text into different tokens, so their losses cannot be compared token by token"
        )
    length = judged_length(full)
    seen = mention_losses({twin.name: twin.model for twin in twins}, full.tokenizer, documents, length, report)
    window = window_of(windowed)
    near = gap(seen, windowed.name, full.name, 1, window)
    far = gap(seen, windowed.name, full.name, window + 1, length)
    return (far.mean - near.mean, math.hypot(far.error, near.error), far.words), _by_distance(seen, twins, length)


def _by_distance(seen: Mentions, twins: Sequence[LoadedModel], length: int) -> Table:
    """A line for each range of distances that some window ends at, and the mean over all tokens."""
    full, *others = (twin.name for twin in twins)
    ends = sorted({*(window_of(twin) for twin in twins[1:]), 64, length} - {0})
    rows: list[tuple[Cell, ...]] = []
    for names in (False, True):
        for nearest, farthest in zip([1, *(end + 1 for end in ends)], ends, strict=False):
            gaps = [gap(seen, name, full, nearest, farthest, names) for name in others]
            cells = [value for one in gaps for value in (_cell(one.mean), _cell(2 * one.error))]
            rows.append((("names" if names else "words"), f"{nearest} to {farthest}", gaps[0].words, *cells))
    means = [value for name in others for value in (seen.mean[name] - seen.mean[full], None)]
    rows.append(("all tokens", "any", seen.tokens, *means))
    heads = [head for name in others for head in (f"{name} minus {full}, nats", f"two standard errors of {name}, nats")]
    return Table(
        name="by last mention",
        title="Loss beside the full-attention twin, by distance to the last mention of the word (tokens)",
        source="model",
        columns=("what", "last mentioned, tokens back", "how many", *heads),
        rows=tuple(rows),
    )


def _cell(value: float) -> float | None:
    return None if math.isnan(value) else value


def imposed(
    loaded: LoadedModel,
    documents: Sequence[str],
    windows: Sequence[int],
    judged: int,
    length: int,
    most: int,
    report: Report,
) -> tuple[tuple[float, float, float], Table]:
    """(own loss, with the window, with sinks) of the judged window, and a table of all; nats after two windows.

    Args:
        windows: imposed one after the other, the judged one among them. length: of a piece, tokens.
        most: pieces.
    """
    read = pieces(loaded.tokenizer, documents, length)[:most]
    if not read:
        raise ValueError(f"no document has {length} tokens of {loaded.name}; give a longer text")
    after = AFTER_WINDOWS * judged
    variants: list[tuple[int | None, int]] = [(None, 0)]
    variants += [(window - sinks, sinks) for window in windows for sinks in (0, SINKS)]
    losses: dict[tuple[int | None, int], float] = {}
    for number, (window, sinks) in enumerate(variants):
        part = part_of(report, number, len(variants), f"{loaded.name} under window {number} {{}}")
        model = loaded.model if window is None else with_windows(loaded.model, window, sinks)
        losses[window, sinks] = float(piece_losses(model, read, part)[:, after:].mean())
    rows = tuple((window or "none", sinks, loss, loss - losses[None, 0]) for (window, sinks), loss in losses.items())
    table = Table(
        name="imposed",
        title=f"{loaded.name}, trained without a window, under one: loss after {after} tokens",
        source="model",
        columns=("window, tokens", "first tokens kept", "loss, nats a token", "rise, nats"),
        rows=rows,
    )
    return (losses[None, 0], losses[judged, 0], losses[judged - SINKS, SINKS]), table


Share = tuple[float, float, float]


def recalled(loaded: LoadedModel, window: int, report: Report) -> tuple[Share, Share, Share, int, Table]:
    """Names told apart in sight, out of sight without a window, out of sight with one; names; a table.

    The window gives `SINKS` of its keys to the first tokens, so that what is lost is the name and not a sink.
    """
    names = usable_names(loaded.tokenizer)
    narrowed = with_windows(loaded.model, window - SINKS, SINKS)
    far = fillers_for(loaded.tokenizer, names[0], window)
    steps = ((loaded.model, 0, "none"), (loaded.model, far, "none"), (narrowed, far, f"{window - SINKS} + {SINKS}"))
    found: list[Recall] = []
    for number, (model, n_fillers, _) in enumerate(steps):
        report(number, len(steps), f"{loaded.name} is asked for {len(names)} names")
        found.append(recall(model, loaded.tokenizer, names, n_fillers))
    if found[0].distance >= window - SINKS:
        raise ValueError(f"the name is {found[0].distance} tokens back, which window {window} does not see; widen it")
    rows = tuple(
        (said, one.distance, one.right, *one.spread, one.advantage, one.names)
        for (_, _, said), one in zip(steps, found, strict=True)
    )
    table = Table(
        name="recall",
        title=f"A planted name against every other one, {loaded.name}",
        source="model",
        columns=("window", "tokens back", "told apart", "low", "high", "advantage, nats", "names"),
        rows=rows,
    )
    near, out, lost = ((one.right, *one.spread) for one in found)
    return near, out, lost, len(names), table


def relayed(loaded: LoadedModel, rounds: int, step: int = 1) -> tuple[float, float, int, Table]:
    """Share right over the last hop with the model's window and with half of it; questions; a table.

    Args:
        rounds: sequences of each key and distance. step: between distances.
    """
    window, reach = window_of(loaded), loaded.config.exact_reach() or 0
    distances = range(reach - window + 2, reach + 1, step)
    half = with_windows(loaded.model, window // 2)
    runs = [measure_relay(model, loaded.tokenizer, distances, rounds=rounds) for model in (loaded.model, half)]
    own, cut = (share_right(run) for run in runs)
    table = Table(
        name="relay",
        title=f"A key {distances[0]} to {distances[-1]} tokens back, {loaded.name}",
        source="model",
        columns=("window, tokens", "reach, tokens", "keys named"),
        rows=((window, reach, own), (window // 2, half.config.exact_reach(), cut)),
    )
    return own, cut, sum(one.asked for one in runs[0]), table


def seeds() -> Table:
    """The twins as recorded: mean over all held-out text, and how far the seeds lie apart."""
    lines = [line for line in reached(recorded_results()) if line.first.name in (FULL, WINDOWED, NARROW)]
    return Table(
        name="twins",
        title="The twins over all held-out text, mean of their seeds",
        source="recorded",
        columns=("model", "seeds", "tokens seen", "bits per byte, short pieces", "seeds lie apart, bits per byte"),
        rows=tuple((one.first.name, one.seeds, one.first.tokens, one.short, one.short_spread) for one in lines),
    )
