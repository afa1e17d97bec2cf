"""Push it back: a swapped word, more and more neutral text after it; the experiment, and what it says in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app import compute
from app.shared.decades import GONE
from mistral_core.analysis.progress import Report

if TYPE_CHECKING:
    from mistral_core.analysis.push_back import PushBack, Typical
    from mistral_core.analysis.swap import Case


def pushed_back(name: str, case: Case, report: Report) -> tuple[PushBack, tuple[Typical, ...]]:
    """The experiment with a model, and the same with ordinary words beside it.

    Raises:
        ValueError: no such model, or a word that is no single token.
    """
    from mistral_core.analysis.push_back import push_back, typical_beside

    report(0, 1, "loading the model")
    model, tokenizer = compute.exact_model(name), compute.tokenizer(name)
    experiment = push_back(model, tokenizer, case, lambda done, total, what: report(done, 2 * total, what))

    def beside(done: int, total: int, what: str) -> None:
        report(total + done, 2 * total, f"ordinary words beside it, {what}")

    return experiment, typical_beside(model, tokenizer, experiment, report=beside)


def faded_at(experiment: PushBack, below: float = GONE) -> int | None:
    """The first measured distance from which on the KL stays below a bound; `None` = at none."""
    faded = None
    for swap in reversed(experiment.swaps):
        if swap.kl >= below:
            break
        faded = swap.distance
    return faded


def beside_ordinary(experiment: PushBack, typical: Sequence[Typical]) -> str:
    """What ordinary words do where the chosen one does most, in a sentence."""
    top = max(range(len(typical)), key=lambda index: experiment.swaps[index].kl)
    swap, row = experiment.swaps[top], typical[top]
    return (
        f"Chosen for effect: at {swap.distance} tokens the swap changes the prediction by **{swap.kl:.2g} nats**. "
        f"{row.count} other words of the same text, each replaced by one drawn from it, change it at that distance by "
        f"{row.median:.2g} (median), {row.mean:.2g} (mean) and at most {row.largest:.2g} nats."
    )
