"""Cuts texts as a file says, as a program of its own: one JSON object a line comes in, one goes out.

A pattern, and what rewrites a text before it is cut, are somebody else's: they can look for a match for hours, or make
a gigabyte of a word. So they have a process that can be ended, as chat templates have. Nothing of the project is
imported here.

Source: the `tokenizers` library's documentation of its components; its patterns are Oniguruma's.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Reads what cuts, then text after text, until nobody asks any more."""
    try:
        given = json.loads(sys.stdin.readline())
        _bound("RLIMIT_AS", given["bytes"])
        cut = _cut(given)
    except BaseException as error:  # the library's panics are no Exceptions
        _say({"error": _why(error)})
        return
    _say({"answer": None})
    for line in sys.stdin:
        asked = json.loads(line)
        _bound_time(given["seconds"])
        try:
            _say({"answer": _answer(cut, asked["what"], asked["text"])})
        except BaseException as error:
            _say({"error": _why(error)})


def _bound(what: str, most: int) -> None:
    """Sets a limit of this process; not on Windows, where there is none."""
    try:
        import resource
    except ImportError:
        return
    kind = getattr(resource, what)
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _bound_time(seconds: int) -> None:
    """Ends this process where one text takes longer, though nobody may be left to end it."""
    import time

    _bound("RLIMIT_CPU", int(time.process_time()) + seconds + 2)


def _cut(given: dict[str, Any]) -> Any:
    """The library's tokenizer, or its cut into words by a pattern."""
    import tokenizers
    from tokenizers import pre_tokenizers

    if "pattern" in given:
        return pre_tokenizers.Split(tokenizers.Regex(given["pattern"]), "isolated")
    return tokenizers.Tokenizer.from_str(given["tokenizer"])


def _answer(cut: Any, what: str, text: str) -> Any:
    if what == "words":
        return [word for word, _ in cut.pre_tokenize_str(text)]
    if what == "normalised":
        return cut.normalizer.normalize_str(text)
    return list(cut.encode(text, add_special_tokens=False).ids)


def _why(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
