"""What the model answers to a question about the state grid: the three readings, with what is said beside them.

Maps are kept in `compute`; a growing text is read only as far as a change can travel, so that an
answer that is complete stays valid while the text goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app import compute
from app.reach.messages import BackwardFacts, CorridorFacts, ForwardFacts, Spread
from app.reach.payload import Measured
from app.reach.question import Choice
from app.reach.state import Answer
from app.shared.decades import NOTICED
from mistral_core.analysis.progress import Report, silent
from mistral_core.config import MistralConfig
from mistral_core.trace.trace import Trace

if TYPE_CHECKING:
    from mistral_core.analysis.reach import Cut

DROWNS = 1e-4
"""Nats: a corridor through which less passes is followed in float64; in float32 it would drown in rounding."""
WHOLE = 512
"""Tokens up to which a finished text is read as a whole; of a longer one, as far as the change can travel."""
DRAWN_FROM = 32
"""The default replacement comes from the prompt, or from so many first tokens: so it stays while a text grows."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A question with all that the readings need to answer it.

    Attributes:
        ids: the text, as far as it is read. cuts: for this text. config: of the network that reads.
    """

    trace: Trace
    choice: Choice
    config: MistralConfig
    ids: tuple[int, ...]
    cuts: tuple[Cut, ...]
    report: Report

    def forward(self, put: int, *, cut: bool = True) -> Any:
        """The forward map of the source, with or without the cuts."""
        cuts = self.cuts if cut else ()
        name, choice = self.trace.model_name, self.choice
        return compute.forward_map(
            name, self.ids, choice.source, put, cuts, choice.window, choice.sinks, _report=self.report
        )


def measure(trace: Trace, choice: Choice, *, growing: bool = False, report: Report = silent) -> Answer:
    """Has the model answer a choice; also the printable replacement.

    Raises:
        ValueError: a replacement that changes nothing, or a text that is too long.
    """
    from mistral_core.analysis.swap import replacement_of_its_kind

    config = choice.shape(trace.config)
    ids = tuple(int(token) for token in trace.token_ids)
    ids = ids[: needed(config, choice, len(ids), whole=not growing)]
    asked = _Asked(
        trace=trace, choice=choice, config=config, ids=ids, cuts=cuts_within(config, choice, len(ids)), report=report
    )
    if choice.reading == "backward":
        return _backward(asked), ""
    put = choice.replacement
    if put is None:
        known = ids[: max(trace.n_prompt, choice.source + 1, DRAWN_FROM)]
        put = replacement_of_its_kind(compute.tokenizer(trace.model_name), known, choice.source)
    return (_forward if choice.reading == "forward" else _corridor)(asked, put), _label(trace, put)


def needed(config: MistralConfig, choice: Choice, length: int, *, whole: bool) -> int:
    """How many tokens are read for a choice: with nothing beyond the edge there is nothing to find."""
    if choice.reading == "backward":
        return min(length, choice.target + 2)
    reach = config.exact_reach()
    if reach is None or choice.source < config.sinks or (whole and length <= WHOLE):
        return length
    end = choice.source + reach + 1 + _widest(config)
    return min(length, end if choice.reading == "forward" else max(end, choice.target + 2))


def cuts_within(config: MistralConfig, choice: Choice, length: int) -> tuple[Cut, ...]:
    """The cuts, for the part of the text that is read; a wall behind it cuts nothing there."""
    if choice.cut.startswith("wall:") and int(choice.cut[5:]) > length - 2:
        return ()
    return choice.cuts(config, length)


def _forward(asked: _Asked, put: int) -> Measured:
    source, length = asked.choice.source, len(asked.ids)
    influence = asked.forward(put)
    facts: ForwardFacts = {
        **_spread(influence.kl[source:], len(asked.trace) - 1 - source),
        "kl_top": None,
        "kl_top_at": None,
    }
    beyond = min(source + _widest(asked.config), length - 1)
    if None not in asked.config.windows and beyond < length - 1:  # without a window nothing lies beyond it
        top = beyond + int(np.argmax(influence.kl[beyond:]))
        facts["kl_top"], facts["kl_top_at"] = float(influence.kl[top]), top
    reach = asked.config.exact_reach()
    if reach is not None and source + reach + 1 < length and source >= asked.config.sinks:
        outside = influence.change[:, source + reach + 1 :]
        facts["outside"], facts["outside_top"] = outside.shape[1], float(outside.max())
    if asked.choice.window is not None and not asked.cuts:
        facts["surprise"] = _surprise(asked, influence.before)
    uncut = np.empty(0)
    if asked.cuts:
        uncut = asked.forward(put, cut=False).kl
        facts["left"] = _share(influence.kl[source + 1 :], uncut[source + 1 :])
    return Measured(
        grid=influence.change, kl=influence.kl, before=influence.before, after=influence.after, uncut=uncut, facts=facts
    )


def _backward(asked: _Asked) -> Measured:
    trace, target = asked.trace, asked.choice.target
    token = _explained(asked)

    def pass_with(cuts: tuple[Cut, ...]) -> Any:
        choice = asked.choice
        return compute.backward_map(trace.model_name, asked.ids, target, token, cuts, choice.window, choice.sinks)

    influence = pass_with(asked.cuts)
    facts: BackwardFacts = {
        **_spread(influence.influence[0, target::-1], target),
        "probability": float(np.exp(influence.log_prob)),
    }
    reach = asked.config.exact_reach()
    sinks = asked.config.sinks
    if reach is not None and target - reach > sinks:
        facts["outside"] = target - reach - sinks
        facts["outside_top"] = float(influence.influence[:, sinks : target - reach].max())
    if asked.cuts:
        facts["left"] = _share(influence.influence[0, :target], pass_with(()).influence[0, :target])
    return Measured(grid=influence.influence, explained=_label(trace, token), facts=facts)


def _corridor(asked: _Asked, put: int) -> Measured:
    trace, choice = asked.trace, asked.choice
    source, target = choice.source, choice.target
    whole = asked.forward(put)
    token = _explained(asked)
    grid = np.zeros((asked.config.n_layers + 1, target + 1))
    before, after = (float(row[target]) for row in (whole.before, whole.after))
    reach, steps, exact = asked.config.exact_reach(), 0, None
    if reach is None or target - source <= reach or source < asked.config.sinks:  # else nothing can pass
        exact = bool(not np.isfinite(before) or abs(np.log(after / before)) < DROWNS)
        conductance = compute.corridor_map(
            trace.model_name,
            asked.ids[: max(target + 2, 2)],
            source,
            target,
            put,
            token,
            cuts_within(asked.config, choice, min(target + 2, len(asked.ids))),
            exact,
            choice.window,
            choice.sinks,
            _report=asked.report,
        )
        grid[:, source:] = conductance.through
        steps = conductance.steps
        if not np.isfinite(before):  # nothing follows the last token: what is explained is the likeliest
            before, after = float(np.exp(conductance.log_prob_before)), float(np.exp(conductance.log_prob_after))
    known = bool(np.isfinite(before))
    change = float(np.log(after / before)) if known else 0.0
    facts: CorridorFacts = {
        "within90": None,
        "kl": float(whole.kl[target]),
        "steps": steps,
        "change": change,
        "before": before if known else None,
        "after": after if known else None,
        "off": float(np.abs(grid.sum(1) - change).max()),
    }
    if exact is not None:
        facts["exact"] = exact
    return Measured(
        grid=grid,
        kl=whole.kl,
        before=whole.before,
        after=whole.after,
        uncut=asked.forward(put, cut=False).kl if asked.cuts else np.empty(0),
        explained=_label(trace, token),
        facts=facts,
    )


def _spread(values: np.ndarray, room: int) -> Spread:
    """Farthest value that can be noticed, farthest that is not 0, distances that hold 90 and 99 %; index = distance."""
    from mistral_core.analysis.distance import held_within

    felt = np.flatnonzero(values[1:])
    if not felt.size:
        return {"noticed": None, "farthest": None, "felt": None, "within90": None, "within99": None, "room": room}
    noticed = np.flatnonzero(values[1:] >= NOTICED)
    return {
        "noticed": int(noticed[-1]) + 1 if noticed.size else None,
        "farthest": int(felt[-1]) + 1,
        "felt": float(values[felt[-1] + 1]),
        "within90": held_within(values, 0.9),
        "within99": held_within(values, 0.99),
        "room": room,
    }


def _surprise(asked: _Asked, before: np.ndarray) -> tuple[float, float]:
    """Mean of `-ln p` of the tokens that really follow, in nats: as read here, and with the windows of the training."""
    from mistral_core.analysis.gradients import log_probs

    own = compute.reading_of(asked.trace.model_name, asked.ids, (), _report=asked.report)
    rows = log_probs(own.logits[:-1]).cpu().numpy()
    trained = rows[np.arange(len(rows)), asked.ids[1:]]
    return float(-np.log(before[:-1]).mean()), float(-trained.mean())


def _share(left: np.ndarray, whole: np.ndarray) -> float:
    total = float(whole.sum())
    return float(left.sum()) / total if total else 0.0


def _widest(config: MistralConfig) -> int:
    return max((window for window in config.windows if window is not None), default=0)


def _explained(asked: _Asked) -> int:
    """The token that really follows; after the last one, the likeliest."""
    trace, target = asked.trace, asked.choice.target
    if target + 1 < len(trace):
        return int(trace.token_ids[target + 1])
    ids = tuple(int(token) for token in trace.token_ids)
    choice = asked.choice
    read = compute.reading_of(trace.model_name, ids, (), choice.window, choice.sinks, _report=asked.report)
    return int(read.logits[-1].argmax())


def _label(trace: Trace, token: int) -> str:
    return compute.tokenizer(trace.model_name).label(token)
