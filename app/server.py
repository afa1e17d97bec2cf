"""The entry: the application as a server, `streamlit run app/server.py`.

Streamlit hands an application of this kind to uvicorn, which takes uvloop for its event loop where that is installed.
It sends every answer at once. The loop of the standard library does so too, but not on the socket that Streamlit
opens: there the second part of an answer waits until the browser has confirmed the first, 44 ms in place of 0.8 for
each of the hundred small files of a first visit, and as much for many a message of a run (measured with
Streamlit 1.67; RFC 896 and RFC 1122, 4.2.3.2, meet there).
"""

import functools
import os
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config

from app import health, log, room
from app.gate import CODE_VARIABLE, Gate
from app.origin import SameOrigin
from app.parting import Parting
from app.session.visitors import few_arenas, most
from app.whole_page import send_pages_whole
from mistral_core.serving.task import take_turns_sooner

take_turns_sooner()
few_arenas()
send_pages_whole()
log.set_up()
log.event("server_start", class_code=CODE_VARIABLE in os.environ, most_visitors=most())

# Streamlit says all its settings with every run of a script, and looks them up anew for each: a fifth of what a full
# room cost. They do not change while a server runs.
vars(config)["get_options_for_section"] = functools.cache(config.get_options_for_section)

ROUTES = (*health.ROUTES, *room.ROUTES)
MIDDLEWARE = [Middleware(Gate), Middleware(SameOrigin), Middleware(Parting)]
app = st.App(Path(__file__).parent / "main.py", middleware=MIDDLEWARE, routes=ROUTES)
