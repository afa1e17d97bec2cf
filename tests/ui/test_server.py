"""The entry: which script it runs, and on which event loop."""

import importlib.util
import subprocess
import sys

import pytest
import uvicorn

from app import server
from tests.ui.test_pages import ROOT


def test_the_server_runs_the_frame_of_all_pages():
    assert server.app.script_path.resolve() == ROOT / "app" / "main.py"


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not made for Windows")
def test_an_answer_is_sent_at_once():
    """uvloop switches the waiting of small packets off; the loop of the standard library forgets to, here."""
    assert importlib.util.find_spec("uvloop") is not None
    assert uvicorn.Config(server.app).get_loop_factory().__module__.startswith("uvloop")


def test_the_entry_is_recognised_as_a_server():
    found = subprocess.run(
        [sys.executable, "-c", "from streamlit.web.server import app_discovery as d; "
         "from pathlib import Path; print(d.discover_asgi_app(Path('app/server.py')))"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "app.server" in found.stdout or "server:app" in found.stdout, found.stdout + found.stderr


def test_every_message_is_sent_whole():
    """Of one that it has sent before Streamlit would send the name alone, and a page left quickly has forgotten it."""
    found = subprocess.run(
        [sys.executable, "-c", "from streamlit import config; print(config.get_option('global.minCachedMessageSize'))"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert float(found.stdout.split()[-1]) > 2**31
