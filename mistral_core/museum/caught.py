"""Which checks of `verify` find a mistake: they are run on the copy that has it, and on the network as it is.

A check that fails on the copy and passes on the network has caught it. Four checks are left out, since they cannot: the
rotary order and the rounded weights are asked of the files, a model that is saved and loaded computes nothing, and a
seeded text is compared with itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mistral_core.analysis.progress import Report, part_of, silent
from mistral_core.checkpoint.load import LoadedModel
from mistral_core.museum.copies import copy_with
from mistral_core.museum.exhibits import Exhibit
from mistral_core.verification.verify import CHECKS, CheckResult, verify

LEFT_OUT = ("rounded weights", "rotary order", "save and load", "seeded sampling")
ASKED = tuple(name for name in CHECKS if name not in LEFT_OUT)
"""Checks that could find a mistake in the computation."""
OTHERS_NUMBERS = ("independent forward", "golden logits")
"""Checks that compare with another program; all others compare this one with itself."""
Verdict = Literal["caught", "passes", "does not apply", "fails anyway"]


@dataclass(frozen=True, kw_only=True)
class Caught:
    """What verify says of a copy with a mistake.

    Attributes:
        lines: of its table, run on the copy. verdicts: of each line: whether it caught the mistake.
    """

    lines: tuple[CheckResult, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def by(self) -> tuple[str, ...]:
        """Names of the checks that caught it, in the order of the table."""
        pairs = zip(self.lines, self.verdicts, strict=True)
        return tuple(dict.fromkeys(line.check for line, verdict in pairs if verdict == "caught"))

    @property
    def by_others_alone(self) -> bool:
        """Whether it is found, and only by numbers that another program made: it agrees with itself."""
        return bool(self.by) and set(self.by) <= set(OTHERS_NUMBERS)


def unverifiable(loaded: LoadedModel) -> str:
    """Why verify cannot be asked about a model; "" if it can."""
    if loaded.weights != "float32":
        return f"verify compares exact weights, and those of this model are kept in {loaded.weights} here"
    return ""


def as_it_is(loaded: LoadedModel, report: Report = silent) -> tuple[CheckResult, ...]:
    """The lines of the network without a mistake, to which those of its copies are compared."""
    return tuple(verify(loaded, only=ASKED, progress=report))


def caught_by(
    loaded: LoadedModel, chosen: Exhibit, sound: tuple[CheckResult, ...] | None = None, report: Report = silent
) -> Caught:
    """Runs the checks on a copy that has the mistake.

    Args:
        sound: `as_it_is` of this model, if it is known.

    Raises:
        ValueError: the weights are kept in fewer bytes, or the mistake needs what this model does not have.
    """
    if why := unverifiable(loaded) or chosen.lacks(loaded.config):
        raise ValueError(f"{chosen.title}: {why}")
    if sound is None:
        sound = as_it_is(loaded, part_of(report, 0, 2, "as it is: {}"))
        report = part_of(report, 1, 2)
    if chosen.substitution.go_back is not None:  # nothing in the network is another one
        lines = sound
    else:
        broken = copy_with(loaded.model, chosen.substitution)
        lines = tuple(verify(replace(loaded, model=broken), only=ASKED, progress=report))
    before = {(line.check, line.compared): line for line in sound}
    return Caught(
        lines=lines, verdicts=tuple(_verdict(line, before.get((line.check, line.compared))) for line in lines)
    )


def _verdict(line: CheckResult, sound: CheckResult | None) -> Verdict:
    if not line.applies or not line.proven:
        return "does not apply"
    if line.ok:
        return "passes"
    return "caught" if sound is None or sound.ok else "fails anyway"
