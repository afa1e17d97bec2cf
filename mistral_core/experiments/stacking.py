"""Claim 5: k layers of window W reach k x W. The exact edge, the relay, what is used, and the dilution test.

The thresholds are in `stacking_criteria`, the run in `stacking_run`, which needs torch.
"""

from __future__ import annotations

from mistral_core.analysis.progress import Report
from mistral_core.experiments.claims import Claim, Measured
from mistral_core.experiments.stacking_criteria import ALWAYS, THRESHOLDS

CLAIM = Claim(
    name="stacking",
    title="k layers reach k x W",
    statement="Windows stack: after k layers a token can draw on what was said up to k x W tokens before it, 131k for "
    "32 layers of W = 4096.",
    where="section 2, Sliding Window Attention; figure 1",
    remark="The exact edge is k(W-1), and it is an upper bound. If layers do no more than average, what is far is "
    "diluted: without residuals the spread grows like W sqrt(k), with them the far part falls exponentially. "
    "What can be seen, what is handed on by a model trained for it, and what a model of stories uses are three things.",
    needed=THRESHOLDS,
    limits=ALWAYS,
)


def measure(*, quick: bool, report: Report) -> Measured:
    """Runs it; see `stacking_run`.

    Raises:
        ValueError: a bundled model or the text is not there.
    """
    from mistral_core.experiments.models import load
    from mistral_core.experiments.stacking_run import run_stacking

    return run_stacking(load, quick=quick, report=report)[1]
