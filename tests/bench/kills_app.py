"""The application as a server, and an address that kills the thread that writes: `/kill`, for `kills.py` alone."""

import ctypes
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from app import server  # noqa: E402

ENGINE = "mistral-engine"


def kill(request):
    """The thread ends wherever it is: an exception that nothing of ours catches comes up in it."""
    found = [thread for thread in threading.enumerate() if thread.name == ENGINE and thread.ident is not None]
    for thread in found:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    return PlainTextResponse(str(len(found)))


routes = [*server.ROUTES, Route("/kill", kill)]
app = st.App(ROOT / "app" / "main.py", middleware=server.MIDDLEWARE, routes=routes)
