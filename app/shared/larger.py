"""The presenter's switch for a page without a picture; the pictures carry their own, of the same look and effect."""

from __future__ import annotations

import json

import streamlit as st

from app.shared.picture import served_below

SWITCH = """
<button type="button" class="larger-switch" title="Everything a third larger, for a projector" aria-pressed="false"
  data-larger-switch>A<span>A</span> larger</button>
<script>
import({module}).then(({{ isLarger, setLarger }}) => {{
  const button = [...document.querySelectorAll("[data-larger-switch]")].at(-1);
  const show = () => button.setAttribute("aria-pressed", String(isLarger()));
  button.addEventListener("click", () => {{
    setLarger(!isLarger());
    show();
  }});
  show();
}}, () => {{}}); // without its module the switch does nothing, as everything else here would
</script>"""


def larger_switch() -> None:
    """Draws it."""
    st.html(
        SWITCH.format(module=json.dumps(f"{served_below()}kit/larger.js")),
        width="content",
        unsafe_allow_javascript=True,
    )
