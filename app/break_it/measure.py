"""What the model answers on the page break_it: the map of one prediction, and a changed run beside the one as it is.

Everything is computed by the model that wrote the run, in its own precision, on the text of the run held fixed; only
what is written on is new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.break_it.making import interventions_of, lending_text, while_writing
from app.break_it.messages import Candidate, Level
from app.break_it.payload import Changed, Mapped
from app.break_it.question import Choice
from app.session.rereading import writer_of
from mistral_core.analysis.progress import Report
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.intervening import Effect
    from mistral_core.checkpoint.load import LoadedModel

CANDIDATES = 6
"""Of each run, how many of the likeliest next tokens are shown."""
WRITTEN = 24
"""Tokens that are written on."""


def map_of(trace: Trace, target: int, level: Level, report: Report) -> Mapped:
    """Knocks out every part in turn, for the prediction at the target.

    Raises:
        ValueError: the model here has other weights.
    """
    from mistral_core.analysis.knock_out_map import knock_out_map

    report(0, 1, "loading the model")
    loaded, ids = writer_of(trace), _ids(trace)
    token = _explained_token(loaded, ids, target)
    measured = knock_out_map(loaded.model, ids, target, token, to=level, report=report)
    arrays: dict[str, np.ndarray] = {}
    for name in ("heads", "groups", "mlps"):
        changes = getattr(measured, name)
        arrays |= {name: changes.change, f"{name}_kl": changes.kl}
    return Mapped(token=token, log_prob=measured.log_prob, follows=target < len(ids) - 1, arrays=arrays)


def change(trace: Trace, choice: Choice, report: Report) -> Changed:
    """Reads the text with the changes and without, and writes on from the target both ways.

    Raises:
        ValueError: the model here has other weights, or a text that is too long to be read as a whole.
    """
    from mistral_core.analysis.intervening import effect, touched, write_on
    from mistral_core.checkpoint.registry import is_bundled, resolve_browser

    report(0, 1, "loading the model")
    loaded, ids = writer_of(trace), _ids(trace)
    changes, target = interventions_of(loaded, trace, choice), choice.target
    measured = effect(loaded.model, ids, changes, report=report)
    sampling, seed = _sampling(trace) if choice.writing == "seeded" else (SamplingSettings(temperature=0.0), 0)
    unsaid = is_bundled(resolve_browser(trace.model_name))
    written = []
    for made in ((), while_writing(changes, target)):
        run = write_on(
            loaded.model,
            loaded.tokenizer,
            ids[: target + 1],
            WRITTEN,
            made,
            sampling=sampling,
            seed=seed,
            unsaid=unsaid,
            report=report,
        )
        written.append((run.token_ids[target + 1 : run.n_read].tolist(), run.texts[target + 1 :]))
    token = _explained_token(loaded, ids, target, measured)
    before, after = _log_probs(measured, target)
    moved = measured.after - measured.before
    can_change = touched(loaded.config, changes, len(ids))[-1]
    return Changed(
        facts={
            "kl": float(measured.kl[target]),
            "before": float(before[token]),
            "after": float(after[token]),
            "lending": _lending(loaded, lending_text(loaded, trace, choice), target, token),
            "surprise": (float(-measured.before[:-1].mean()), float(-measured.after[:-1].mean())),
            "untouched": _leading(measured.state[-1] == 0),
            "allowed": _leading(~can_change),
            "candidates": _candidates(loaded, before, after, token),
            "written": (written[0][1], written[1][1]),
            "same": _leading(np.array([a == b for a, b in zip(written[0][0], written[1][0], strict=False)], bool)),
        },
        kl=measured.kl,
        moved=moved,
    )


def _ids(trace: Trace) -> tuple[int, ...]:
    return tuple(int(token) for token in trace.token_ids)


def _explained_token(loaded: LoadedModel, ids: tuple[int, ...], target: int, measured: Effect | None = None) -> int:
    """The token that follows; after the last one, the likeliest."""
    if target + 1 < len(ids):
        return ids[target + 1]
    if measured is None:
        from mistral_core.analysis.influence import read

        return int(read(loaded.model, ids).logits[-1].argmax())
    return int(measured.original.logits[-1].argmax())


def _log_probs(measured: Effect, target: int) -> tuple[np.ndarray, np.ndarray]:
    from mistral_core.analysis.gradients import log_probs

    both = (log_probs(one.logits[target]).cpu().numpy() for one in (measured.original, measured.changed))
    before, after = both
    return before, after


def _lending(loaded: LoadedModel, other: tuple[int, ...] | None, target: int, token: int) -> float | None:
    """Log-probability of the token in the text that lends, in nats."""
    from mistral_core.analysis.gradients import log_probs
    from mistral_core.analysis.influence import read

    return None if other is None else float(log_probs(read(loaded.model, other).logits[target])[token])


def _candidates(loaded: LoadedModel, before: np.ndarray, after: np.ndarray, token: int) -> list[Candidate]:
    """The likeliest of both runs and the one that is meant, most probable before first."""
    top = {token, *np.argsort(-before)[:CANDIDATES].tolist(), *np.argsort(-after)[:CANDIDATES].tolist()}
    return [
        {
            "label": loaded.tokenizer.label(one),
            "before": float(np.exp(before[one])),
            "after": float(np.exp(after[one])),
            "actual": one == token,
        }
        for one in sorted(top, key=lambda one: -before[one])
    ]


def _leading(same: np.ndarray) -> int:
    """How many are true from the beginning."""
    return len(same) if same.all() else int(np.argmin(same))


def _sampling(trace: Trace) -> tuple[SamplingSettings, int]:
    """As the run was drawn."""
    from dataclasses import fields

    given = {f.name: trace.settings[f.name] for f in fields(SamplingSettings) if f.name in trace.settings}
    return SamplingSettings(**given), int(trace.settings.get("seed", 0))
