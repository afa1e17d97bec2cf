"""The arithmetic of a text that streams into a page: what was seen when, and what it weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.bench.ratios import spread

Seen = Mapping[str, Any]
"""One change of the picture: `at` in ms, `count` tokens, `status`, and the speed `shown` or `None`."""


def rate(series: Sequence[Seen]) -> float:
    """Tokens per second from the first picture of a run to the one in which the last token appeared.

    Raises:
        ValueError: fewer than two pictures with different counts.
    """
    growing = [series[0]] if series else []
    for seen in series[1:]:
        if seen["count"] > growing[-1]["count"]:
            growing.append(seen)
    if len(growing) < 2:
        raise ValueError(f"the text was seen at {len(growing)} lengths; a rate needs at least 2")
    first, last = growing[0], growing[-1]
    return 1000 * (last["count"] - first["count"]) / (last["at"] - first["at"])


def streaming(series: Sequence[Seen], clicked: float, n_prompt: int, sizes: Sequence[int]) -> dict[str, Any]:
    """What a visitor saw of one text being written.

    Args:
        series: every change of the picture. clicked: when the button was, on the same clock (ms).
        sizes: bytes of each message from the server, from click to end.
    """
    new_tokens = series[-1]["count"] - n_prompt
    written = [seen for seen in series if seen["count"] > n_prompt]
    shown = [seen["shown"] for seen in series if seen["shown"] is not None]
    at = [seen["at"] for seen in series]
    total, largest, each = sum(sizes), max(sizes, default=0), 1 / max(1, new_tokens)
    return {
        "new_tokens": new_tokens,
        "tokens_per_second": round(rate(series), 1),
        "tokens_per_second_on_screen": spread(shown) if shown else None,
        "click_to_first_new_token_ms": round(written[0]["at"] - clicked, 1),
        "click_to_end_ms": round(at[-1] - clicked, 1),
        "pictures": len(series),
        "longest_standstill_ms": round(float(np.diff(at).max()), 1),
        "bytes_received": total,
        "messages": len(sizes),
        "largest_message_bytes": largest,
        "bytes_per_token": round(total * each, 1),
        "bytes_per_token_without_largest_message": round((total - largest) * each, 1),
    }


def latencies(values: Sequence[float]) -> dict[str, float | int]:
    """Median, 95th percentile and extremes in milliseconds.

    Raises:
        ValueError: there are none.
    """
    if not len(values):
        raise ValueError("there are no latencies; at least one is needed")
    median, p95 = np.quantile(values, [0.5, 0.95])
    return {
        "median_ms": round(float(median), 1),
        "p95_ms": round(float(p95), 1),
        "min_ms": round(float(np.min(values)), 1),
        "max_ms": round(float(np.max(values)), 1),
        "n": len(values),
    }
