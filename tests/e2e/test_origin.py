"""Sessions are opened by pages of this server alone, and refusing others asks nobody outside."""

import base64
import http.client
from urllib.parse import urlsplit

import pytest

from tests.e2e import browser as harness

SPY = """
import os, socket
for name in ("connect", "connect_ex"):
    def spied(self, address, real=getattr(socket.socket, name)):
        if not (isinstance(address, tuple) and str(address[0]) in ("127.0.0.1", "::1")):
            open(os.environ["SPIED"], "a").write(f"connect {address}\\n")
            raise OSError("no way out")
        return real(self, address)
    setattr(socket.socket, name, spied)
def looked_up(host, *rest, real=socket.getaddrinfo, **more):
    if host not in ("127.0.0.1", "localhost", "::1", None):
        open(os.environ["SPIED"], "a").write(f"look up {host}\\n")
        raise OSError("no way out")
    return real(host, *rest, **more)
socket.getaddrinfo = looked_up
"""


@pytest.fixture(scope="module")
def spied(tmp_path_factory):
    """The application with every way out closed; where it would have gone is written down."""
    folder = tmp_path_factory.mktemp("origin")
    (folder / "sitecustomize.py").write_text(SPY)
    told = folder / "told.txt"
    told.touch()
    path = f"{harness.ROOT}:{folder}"
    with harness.server(folder / "log.txt", PYTHONPATH=path, SPIED=str(told)) as running:
        yield running, told


def opened(running, **headers: str) -> int:
    """The answer to the opening of a websocket."""
    place = urlsplit(running.url)
    line = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    key = base64.b64encode(bytes(16)).decode()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    line.request("GET", "/_stcore/stream", headers={"Host": place.netloc, **upgrade, **headers})
    status = line.getresponse().status
    line.close()
    return status


def test_a_page_of_another_server_opens_no_session_and_nobody_outside_is_asked(spied):
    running, told = spied
    told.write_text("")
    for origin in (
        "http://evil.example",
        "https://evil.example:8501",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
    ):
        assert opened(running, Origin=origin) == 403, origin
    assert opened(running, Origin=running.url) == 101, "its own pages do"
    assert opened(running) == 101, "and a program that is no browser"
    assert told.read_text() == ""


def test_under_a_foreign_name_no_session_is_opened(spied):
    """A name that a stranger lets point to this machine (DNS rebinding); page and host agree then."""
    running, told = spied
    told.write_text("")
    port = urlsplit(running.url).port
    assert opened(running, Host=f"evil.example:{port}", Origin=f"http://evil.example:{port}") == 403
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert opened(running, Host=f"{name}:{port}", Origin=f"http://{name}:{port}") == 101, name
    assert told.read_text() == ""
