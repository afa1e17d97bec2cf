"""What is this? A recorded run plays by itself, stops where a word has left every ring, and asks about it.

Nothing here imports torch: the first picture must be there at once.
"""

import streamlit as st

from app import compute
from app.navigation import go_to
from app.session import state
from app.shared.frame import closing
from app.start.going_on import going_on
from app.start.origin import origin
from app.start.picture import start_picture
from mistral_core.trace.trace import TraceError

SOURCE = (
    "The text and every shade are read from one run of the bundled model, recorded by the command line and "
    "stored with this program; nothing is drawn by hand. The window and the ring: Mistral 7B (arXiv 2310.06825), "
    "section 2, “Sliding Window Attention” and “Rolling Buffer Cache”. Code: mistral_core/mask.py, "
    "mistral_core/kv_cache.py; the staircase is MistralConfig.exact_reach."
)
MAX_PROMPT = 2000  # characters that the address of the next page can carry comfortably


def show_recording() -> None:
    """The picture, or one sentence on why there is none."""
    try:
        trace, payload = compute.recording(), compute.recording_payload()
    except TraceError as error:
        st.warning(f"The recorded story cannot be shown ({error}). Write your own below.")
        return
    windows = sorted({str(window) for window in trace.config.windows if window is not None})
    st.markdown(
        f"Each of the {trace.config.n_layers} layers keeps notes on the last **{' or '.join(windows)} tokens** (pieces "
        "of words) only, the orange bracket: in a ring of slots, the newest overwrites the oldest. "
        "What is gone, is it forgotten?"
    )
    result = start_picture.show(payload, key=state.START_PICTURE)
    if going := result.get("go"):
        go_to(going["to"], **going_on(going["to"]))


def prompt_problem(text: str) -> str | None:
    """Why this prompt cannot be sent on, in one sentence; `None` if it can."""
    if not text.strip():
        return "Write a few words first, for example: Once upon a time"
    if len(text) > MAX_PROMPT:
        return f"This prompt has {len(text):,} characters; at most {MAX_PROMPT:,} fit here. Please shorten it."
    return None


def prompt_box() -> None:
    """The door to the next page."""
    with st.form(state.START_FORM, border=False):
        left, right = st.columns([5, 1.2], vertical_alignment="bottom")
        text = left.text_input(
            "Begin a story, and watch it being written", placeholder="Once upon a time there was a little girl who"
        )
        sent = right.form_submit_button("Write with this", type="primary", width="stretch")
    if sent and (problem := prompt_problem(text)):
        st.info(problem)
    elif sent:
        go_to("next_word", text=text)


st.title("What does a language model see while it writes?")
show_recording()
prompt_box()
closing("start", SOURCE, origin)
