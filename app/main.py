"""Entry of the application: the menu at the top, the frame around every page.

Run with `make run`. The repository's root is put on the path because Streamlit puts only the
folder of this file there.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from app import compute, navigation  # noqa: E402
from app.session import state, visitors  # noqa: E402
from app.shared.ahead import asked_ahead  # noqa: E402
from app.shared.class_bar import class_bar  # noqa: E402
from app.shared.visit import visit  # noqa: E402
from app.theme import page_colours  # noqa: E402

st.set_page_config(page_title="Mistral Explorer", page_icon=str(ROOT / "assets" / "logo.svg"), layout="wide")
st.html(f"<style>{page_colours()}\n{(ROOT / 'assets' / 'styles.css').read_text(encoding='utf-8')}</style>")
if full := visitors.no_room():
    st.warning(full)
    st.stop()
st.logo(str(ROOT / "assets" / "logo.svg"), size="small")
current = st.navigation(navigation.pages(), position="top")
scripts = "".join((ROOT / "assets" / f"{name}.html").read_text(encoding="utf-8") for name in ("larger", "connection"))
st.html(
    scripts + asked_ahead(current.url_path or navigation.ENTRIES[0].name) + visit(state.desk()) + class_bar(),
    unsafe_allow_javascript=True,
)
current.run()
compute.warm_up()
