"""Reach: one word is changed, and the state grid shows how far that is felt, in theory and measured."""

import streamlit as st

from app.reach.asking import act, ask, opening, question_address
from app.reach.picture import reach_picture
from app.reach.profile_panel import can_see_does_use
from app.reach.push_back_panel import push_it_back
from app.reach.routes_panel import routes
from app.reach.sending import busy, reach_payload
from app.reach.theory import another_shape
from app.session import state
from app.session.address import arrive
from app.session.progress import without_window
from app.shared.compare import compare, pictures
from app.shared.frame import closing, notice, part

SOURCE = (
    "Theory: Mistral 7B (arXiv 2310.06825), section 2; the paper writes k × W, the exact edge is k × (W − 1), "
    "since W counts the token itself. Forward: activation patching (arXiv 2004.12265, 2202.05262). Corridor: "
    "conductance (arXiv 1805.12233). Code: mistral_core/analysis/reach.py, mistral_core/analysis/influence.py, "
    "mistral_core/analysis/push_back.py. The same numbers: `python -m mistral_core influence`."
)

desk = state.desk()
query = st.query_params.to_dict()
if arrive(desk, query):
    opening(desk, query)

st.title("Reach: how far does a change travel?")
st.caption(
    "This model was trained without a window: each layer may look at the whole text. Where can a word be felt, and "
    "where is it? Choose a window W to see what it would do without most of it."
    if without_window(desk)
    else "Each layer of this model looks back over one short window only, yet what it finds is passed on, layer by "
    "layer. How far does one word reach: where can it be felt, and where is it?"
)
notice(desk)
pictures(
    desk,
    reach_picture,
    reach_payload,
    key=state.REACH_PICTURE,
    every=1.0,
    busy=busy,
    acts={"ask": ask, "act": act},
    more_address=question_address,
)
compare(desk)
with part("push back"):
    push_it_back(desk)
with part("routes"):
    routes(desk)
with part("profile"):
    can_see_does_use(desk)
another_shape(desk)
closing("reach", SOURCE)
