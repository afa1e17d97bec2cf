"""Sends ahead, with the first element of a page, what its picture will need: its look, and which modules to ask for.

A browser that follows the imports by itself asks for the next ones when the last ones are there, five rounds of
them, and only after Streamlit's own component code has come.
"""

from __future__ import annotations

import json
import re
import typing
from functools import lru_cache
from pathlib import Path

from app.shared.messages import PictureName
from app.shared.picture import served_below

FOLDER = Path(__file__).resolve().parents[1]
ENTRY = "kit/mount.js"
IMPORT = re.compile(r'^(?:import|export)\b[^"\';]*"(\.[^"]+)";', re.MULTILINE)
STYLE = re.compile(r'"([a-z_]+/[a-z_]+\.css)"')
INCLUDE = re.compile(r"<!-- include (\S+) -->")
SCRIPT = """
<script>
{{
  const base = {base};
  for (const name of {names})
    document.head.append(Object.assign(document.createElement("link"), {{ rel: "modulepreload", href: base + name }}));
  const files = {files};
  Promise.all([import(base + "kit/look.js"), import(base + "{entry}")])
    .then(([{{ given }}, {{ programOf }}]) => {{
      given(files);
      return programOf("{page}");
    }})
    .catch(() => {{}}); // the picture itself says what it lacks
}}
</script>"""


def modules_of(page: str) -> tuple[str, ...]:
    """What the picture of a page imports, the entry first; paths below `app/`.

    Raises:
        OSError: a module imports what is not there.
    """
    modules: dict[str, None] = {}
    waiting = [ENTRY, f"{page}/page.js"]
    while waiting:
        name = waiting.pop(0)
        if name in modules:
            continue
        modules[name] = None
        folder = (FOLDER / name).parent
        waiting += [(folder / other).resolve().relative_to(FOLDER).as_posix() for other in IMPORT.findall(_text(name))]
    return tuple(modules)


def look_of(page: str) -> dict[str, str]:
    """The files of a picture's look, as `kit/look.js` would fetch them: styles, markup and what that includes."""
    names = [*STYLE.findall(_text("kit/look.js")), f"{page}/picture.css", f"{page}/picture.html"]
    texts: dict[str, str] = {}
    while names:
        name = names.pop()
        texts[name] = _text(name)
        names += INCLUDE.findall(texts[name])
    return texts


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@lru_cache
def asked_ahead(page: str) -> str:
    """The script that does so; empty for a page without a picture. Made once, as the files and the options stay."""
    if page not in typing.get_args(PictureName):
        return ""
    return SCRIPT.format(
        names=json.dumps(modules_of(page)),
        files=json.dumps(look_of(page)).replace("<", "\\u003c"),  # a script with a tag in it would be taken out
        base=json.dumps(served_below()),
        entry=ENTRY,
        page=page,
    )
