"""The figure of `docs/classroom.md`: tokens a second of all sessions together, against how many there are.

    python -m tests.bench.figure

draws `docs/classroom.svg` from `docs/classroom.json`, which holds what was measured, where and when.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 70, 30, 190, 50
COLOURS = ("#c2410c", "#1d4e89", "#6b7280")
DASHES = ("", "6 4", "2 3")


def place(sessions: float, speed: float, most: float) -> tuple[float, float]:
    """Where a point lies: sessions by logarithm, speed by logarithm from 10."""
    x = LEFT + (WIDTH - LEFT - RIGHT) * math.log(sessions) / math.log(30)
    y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log10(speed / 10) / math.log10(most / 10)
    return round(x, 1), round(y, 1)


def draw(found: dict[str, Any]) -> str:
    """An SVG with one line for each engine, named at its end."""
    lines, most = found["tokens_per_second"], 10_000
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13" role="img" aria-label="Tokens a second against sessions">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fffdf8"/>',
    ]
    for speed in (10, 100, 1000, 10_000):
        _, y = place(1, speed, most)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#444">{speed:,}</text>')
    for sessions in (1, 8, 30):
        x, _ = place(sessions, 10, most)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#444">{sessions}</text>')
    parts.append(
        f'<text x="{LEFT}" y="{TOP - 12}" fill="#444">tokens a second, all sessions together (logarithm)</text>'
    )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}" fill="#444">sessions that write at once (logarithm)</text>')
    for (name, points), colour, dash in zip(lines.items(), COLOURS, DASHES, strict=False):
        at = [place(int(sessions), speed, most) for sessions, speed in points.items()]
        path = " ".join(f"{x},{y}" for x, y in at)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>'
        )
        parts += [f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in at]
        x, y = at[-1]
        last = list(points.values())[-1]
        parts.append(f'<text x="{x + 10}" y="{y + 4}" fill="{colour}">{name}: {last:,.0f}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Draws it anew."""
    found = json.loads((DOCS / "classroom.json").read_text(encoding="utf-8"))
    (DOCS / "classroom.svg").write_text(draw(found), encoding="utf-8")


if __name__ == "__main__":
    main()
