"""Renders a chat template, as a program of its own: one JSON object comes in, one goes out.

A template is somebody else's code. It runs in jinja2's sandbox, which keeps it from files and from Python; what no
sandbox keeps it from is to loop for years or to fill the memory, so it has a process that can be ended. Nothing of
the project is imported here.

Source: transformers, `utils/chat_template_utils.py` (what templates are given).
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any


def main() -> None:
    """Reads what is asked and writes the texts, or what went wrong."""
    asked = json.load(sys.stdin)
    _bound(asked["seconds"], asked["bytes"])
    try:
        answer: dict[str, Any] = {"texts": _texts(asked)}
    except MemoryError:
        answer = {"error": f"it needs more than {asked['bytes'] >> 20} MiB of memory"}
    except Exception as error:  # whatever the template did
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.write(json.dumps(answer))


def _bound(seconds: int, size: int) -> None:
    """Ends this process where it computes longer or takes more memory; not on Windows, where neither can be set."""
    try:
        import resource
    except ImportError:
        return
    for what, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, size)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _texts(asked: dict[str, Any]) -> list[str]:
    """Each conversation as the template writes it."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what the model wrote, for training; here it says nothing."""

        tags = {"generation"}

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def strftime_now(form: str) -> str:
        return datetime.fromisoformat(asked["now"]).strftime(form)

    def tojson(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals |= {"raise_exception": raise_exception, "strftime_now": strftime_now}
    template = environment.from_string(asked["template"])
    texts = []
    for messages in asked["conversations"]:
        text, size = [], 0
        for part in template.generate(messages=messages, tools=None, documents=None, **asked["values"]):
            text.append(part)
            size += len(part)
            if size > asked["characters"]:
                raise TemplateError(f"it writes more than {asked['characters']:,} characters")
        texts.append("".join(text))
    return texts


if __name__ == "__main__":
    main()
