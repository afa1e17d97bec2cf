"""Foreign text in the sentences of a page."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    r"""Foreign text, so that Markdown shows it as it is: no link, no picture, no formula.

    >>> plain("![x](y) a_b, c")
    '\\!\\[x\\]\\(y\\) a\\_b, c'
    """
    return re.sub(r"([\\`*_{}\[\]()<>#+~|!$&:@-])", r"\\\1", " ".join(text.split()))
