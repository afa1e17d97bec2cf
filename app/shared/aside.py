"""A place on every page that a module of the browser fills."""

from __future__ import annotations

import json

from app.shared.picture import served_below

SCRIPT = """
<aside class="{name}" {says} data-{name}></aside>
<script>
import({module}).then(({{ {fill} }}) => {{
  const places = document.querySelectorAll("[data-{name}]");
  {fill}({arguments});
}}, () => {{}}); // a page that cannot load its modules says so where its picture stands
</script>"""


def aside(name: str, says: str, *, module: str, fill: str, given: str | None = None) -> str:
    """The place, and the script that has it filled; a page that is drawn again has another place, the last one counts.

    Args:
        name: of the place, for styles. says: attributes, for those who do not see it.
        module: below `app/`. fill: the function of it that takes the place, and `given` after that.
    """
    place = "places[places.length - 1]"
    arguments = place if given is None else f"{place}, {json.dumps(given)}"
    address = json.dumps(served_below() + module)
    return SCRIPT.format(name=name, says=says, module=address, fill=fill, arguments=arguments)
