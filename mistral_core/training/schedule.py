r"""The learning rate over a run: up, along the knots, down.

    factor
      1 |   /--------------\
        |  /                \______
      0 | /                        \
        +----------------------------  tokens seen
          warm-up  knots ...      end

Source: warm-up, constant, decay: Hu et al. 2024 (MiniCPM, arXiv 2404.06395), section 4.2.
"""

from __future__ import annotations

from itertools import pairwise

from mistral_core.training.settings import Settings


def rate_factor(settings: Settings, step: int) -> float:
    """By what the learning rates are multiplied in a step (0 = the first).

    Before the first knot its factor holds, after the last one that of the last.

    >>> settings = Settings(tokens=100_000, context=10, batch=10, warmup=10, schedule=((50_000, 1.0), (100_000, 0.0)))
    >>> [round(rate_factor(settings, step), 3) for step in (0, 9, 499, 750, 1000)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    warmth = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    return warmth * _along(settings.knots(), step * settings.step_tokens)


def _along(knots: tuple[tuple[int, float], ...], seen: int) -> float:
    if seen <= knots[0][0]:
        return knots[0][1]
    for (start, low), (end, high) in pairwise(knots):
        if seen < end:
            return low + (high - low) * (seen - start) / (end - start)
    return knots[-1][1]
