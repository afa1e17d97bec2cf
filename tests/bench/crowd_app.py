"""The application as a server in which a crowd of engine clients writes: `/crowd/28`, for `clicks.py` alone."""

import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402
from starlette.responses import JSONResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from app import compute, server  # noqa: E402
from mistral_core.checkpoint import registry  # noqa: E402
from tests.bench.classroom import Session, prompt  # noqa: E402

TOKENS = 200
"""Of each text; when it is written, its pupil begins another one."""


class Crowd:
    """Pupils without pages, each one text after the other, until all are sent home."""

    def __init__(self, count: int) -> None:
        self.over, self.sessions = threading.Event(), []
        self.threads = [threading.Thread(target=self.pupil, args=(number,), daemon=True) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def pupil(self, number: int) -> None:
        """Writes until the crowd goes home."""
        tokenizer, seed = compute.tokenizer(registry.DEFAULT_MODEL), number
        while not self.over.is_set():
            session = Session(compute.engine(), seed, tokenizer.encode(prompt(number)), TOKENS)
            self.sessions.append(session)
            session.visit()
            seed += len(self.threads)

    def found(self) -> dict:
        """What was written until now, and milliseconds until the first word of each text that has one."""
        return {
            "tokens": sum(session.written for session in self.sessions),
            "first_token": [1000 * session.first for session in self.sessions if session.first],
            "problems": [session.problem for session in self.sessions if session.problem],
        }


here = []
"""The crowd, if there is one."""


def looked(request):
    """What the crowd wrote until now."""
    return JSONResponse(here[0].found() if here else {})


def crowd(request):
    """So many come in place of those who are here; 0: these go home."""
    for gone in here:
        gone.over.set()
        for thread in gone.threads:
            thread.join()
    count = request.path_params["count"]
    here[:] = [Crowd(count)] if count else []
    return looked(request)


routes = [*server.ROUTES, Route("/crowd", looked), Route("/crowd/{count:int}", crowd)]
app = st.App(ROOT / "app" / "main.py", middleware=server.MIDDLEWARE, routes=routes)
