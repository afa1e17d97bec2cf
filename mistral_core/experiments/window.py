"""Claim 4: the window is a trade-off. Costs, losses by last mention, recall, imposed windows, the relay as control.

The thresholds are in `window_criteria`, the run in `window_run`, which needs torch.
"""

from __future__ import annotations

from mistral_core.analysis.progress import Report
from mistral_core.experiments.claims import Claim, Measured
from mistral_core.experiments.window_criteria import ALWAYS, THRESHOLDS

CLAIM = Claim(
    name="window",
    title="The window is a trade-off",
    statement="With sliding-window attention a layer looks at the last W tokens alone; long texts then cost less time "
    "and memory, at the price of what lies farther back.",
    where="section 2, Sliding Window Attention and Rolling Buffer Cache; figures 1 and 2",
    remark="The paper says what is saved (twice the speed at 16k tokens, an eighth of the cache at 32k) and does not "
    "measure what is lost. Mean loss on stories hides it, since stories are local: a loss must show on words last "
    "mentioned out of sight, on a planted name, and where a window is imposed on a model that never had one.",
    needed=THRESHOLDS,
    limits=ALWAYS,
)


def measure(*, quick: bool, report: Report) -> Measured:
    """Runs it; see `window_run`.

    Raises:
        ValueError: a bundled model or the text is not there.
    """
    from mistral_core.experiments.models import load
    from mistral_core.experiments.window_run import run_window

    return run_window(load, quick=quick, report=report)[1]
