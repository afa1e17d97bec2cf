"""Texts in ten scripts, with all that stands between words."""

import random

SCRIPTS = {
    "latin": (0x41, 0x17F), "greek": (0x391, 0x3C9), "cyrillic": (0x410, 0x44F), "hebrew": (0x5D0, 0x5EA),
    "arabic": (0x621, 0x64A), "devanagari": (0x905, 0x939), "thai": (0xE01, 0xE30), "kana": (0x3041, 0x30F6),
    "han": (0x4E00, 0x9FA5), "hangul": (0xAC00, 0xD7A3),
}  # fmt: skip
BETWEEN = [
    " ",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    ", ",
    ". ",
    "'s ",
    "n't ",
    " 3",
    "2026",
    " 1,000.50 ",
    "—",
    " 🙂",
    "👩‍🚀",
    "e\u0301",
    "!?",
]


def strings(count: int):
    draw = random.Random(7)
    for number in range(count):
        low, high = list(SCRIPTS.values())[number % len(SCRIPTS)]
        parts = []
        for _ in range(draw.randint(1, 12)):
            parts += [chr(draw.randint(low, high)) for _ in range(draw.randint(1, 8))] + [draw.choice(BETWEEN)]
        yield "".join(parts)
