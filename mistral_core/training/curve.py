"""The loss curve of a run as an SVG picture, drawn from its diary.

Training loss (thin line, averaged over neighbours) and held-out loss (dots joined by a dashed line), both in nats
per token, against the tokens seen. The two differ in shape as well as colour, and follow the reader's light
or dark setting. The steep beginning is cut at the top, so that the rest can be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from mistral_core.training.run_log import Event

CURVE_FILE = "loss-curve.svg"
WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 140, 24, 48
MAX_POINTS = 300
LINE = 16
STEEP = 0.05
"""Share of the run whose losses do not stretch the axis."""
Point = tuple[float, float]
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.grid{stroke:#ddd}.train{stroke:#7a7a7a;fill:none}"
    ".valid{stroke:#0b5cad;fill:none;stroke-width:2;stroke-dasharray:5 3}.dot{fill:#0b5cad}"
    ".named{fill:#0b5cad}rect{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#eee}.grid{stroke:#444}"
    ".train{stroke:#aaa}.valid{stroke:#7db8f0}.dot,.named{fill:#7db8f0}rect{fill:#16181c}}"
)


def loss_curve(events: Sequence[Event]) -> str:
    """The picture, as the text of an SVG file.

    Args:
        events: of the diary.

    Raises:
        ValueError: the diary has no line with a loss yet.
    """
    train = _thinned([(float(e["tokens"]), e["loss"]) for e in events if e["event"] == "step"])
    held = [(float(e["tokens"]), e["loss"], e["bits_per_byte"]) for e in events if e["event"] == "validation"]
    valid = [(tokens, loss) for tokens, loss, _ in held]
    if not train and not valid:
        raise ValueError("the diary has no loss yet; train a few steps first")
    x_end = max(tokens for tokens, _ in train + valid)
    losses = [loss for tokens, loss in train + valid if tokens >= STEEP * x_end]
    ticks = _ticks(min(losses), max(losses))

    def place(point: Point) -> Point:
        x = LEFT + (WIDTH - LEFT - RIGHT) * point[0] / x_end
        y = TOP + (HEIGHT - TOP - BOTTOM) * (ticks[-1] - point[1]) / (ticks[-1] - ticks[0])
        return x, y

    parts = [_axes(ticks, x_end, place)]
    inside = [
        _line([place(p) for p in points], kind) for points, kind in ((train, "train"), (valid, "valid")) if points
    ]
    inside += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in map(place, valid)]
    parts.append(f'<g clip-path="url(#plot)">{"".join(inside)}</g>')
    names = [(train[-1], "training", "")] if train else []
    if valid:
        names += [(valid[-1], "held out", "named"), (valid[-1], f"{held[-1][2]:.3f} bits/byte", "named")]
    parts += _labels([(place(point)[1], text, kind) for point, text, kind in names])
    return _document("".join(parts), held)


def _document(content: str, held: Sequence[tuple[float, float, float]]) -> str:
    ending = f" Held out at the end: {held[-1][2]:.3f} bits per byte." if held else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="title desc"><title id="title">Loss during training</title>'
        f'<desc id="desc">Nats per token against tokens seen, for training and held-out text.{ending}</desc>'
        f'<clipPath id="plot"><path d="M{LEFT} {TOP}H{WIDTH - RIGHT + 4}V{HEIGHT - BOTTOM}H{LEFT}z"/></clipPath>'
        f'<style>{_STYLE}</style><rect width="{WIDTH}" height="{HEIGHT}"/>{content}</svg>\n'
    )


def _axes(ticks: Sequence[float], x_end: float, at: Callable[[Point], Point]) -> str:
    parts = []
    for tick in ticks:
        _, y = at((0.0, tick))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
    for tick in _ticks(0.0, x_end):
        if tick <= x_end:
            x, _ = at((tick, ticks[0]))
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{_count(tick)}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">nats per token</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">tokens seen</text>')
    return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers from below `low` to above `high`.

    >>> _ticks(3.1, 7.9)
    [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    """
    span = max(high - low, abs(high) * 1e-3, 1e-9)
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _count(number: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.4g}{unit}"
    return f"{number:.4g}"


def _thinned(points: list[Point]) -> list[Point]:
    """At most 300 points, each the mean of its neighbours."""
    every = max(1, -(-len(points) // MAX_POINTS))
    groups = [points[start : start + every] for start in range(0, len(points), every)]
    return [(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]


def _line(points: Sequence[Point], kind: str) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{places}"/>'


def _labels(names: Sequence[tuple[float, str, str]]) -> list[str]:
    """Names beside the ends of the lines: the higher line's first, none on top of another."""
    parts, free = [], 0.0
    for y, text, kind in sorted(names, key=lambda name: name[0]):
        free = max(y + 4, free + LINE)
        parts.append(f'<text class="{kind}" x="{WIDTH - RIGHT + 10}" y="{free:.1f}">{text}</text>')
    return parts
