"""`make class`: the application for a room. Prints where it is, the code of the lesson, and both as a picture.

    python -m app.class_room [--port 8501] [--address 192.168.1.20] [--code ABCDEF]

It answers the machines of the network, under its own address alone; `app/gate.py` asks for the code. When it is
stopped, nothing is kept.
"""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import subprocess
import sys

import segno

from app.gate import CODE_VARIABLE, DOOR, LENGTH, LETTERS, PRESENTER_VARIABLE, new_code


def own_address() -> str:
    """The address of this machine in its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of RFC 5737, for documents: the system only chooses a way
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


def command(address: str, port: int) -> list[str]:
    """What starts the server."""
    return [
        *(sys.executable, "-m", "streamlit", "run", "app/server.py"),
        *("--server.port", str(port), "--server.address", "0.0.0.0"),
        *("--server.allowedHosts", address, "--server.allowedHosts", "localhost", "--server.allowedHosts", "127.0.0.1"),
        *("--server.enableXsrfProtection", "true"),
        *("--browser.serverAddress", address),  # else Streamlit asks a server outside under which one it is seen
    ]


def announcement(address: str, port: int, code: str, word: str) -> str:
    """What the teacher reads: the address, the code, and the presenter's own address."""
    return (
        f"\n  The presenter, and nobody else, opens\n  http://localhost:{port}{DOOR}?code={code}&presenter={word}\n"
        f"\n  Open   http://{address}:{port}\n  Code   {code}\n\n  or point a camera at the picture.\n"
        "  Ctrl+C ends the lesson; nothing is kept.\n"
    )


def qr(address: str, port: int, code: str) -> segno.QRCode:
    """The address with the code in it."""
    return segno.make(f"http://{address}:{port}{DOOR}?code={code}", error="m")


def main() -> int:
    """Returns the server's exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.class_room", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--address", default=None, help="of this machine, as the others reach it")
    parser.add_argument("--code", default=None, help=f"{LENGTH} letters; default: drawn")
    options = parser.parse_args()
    code = (options.code or new_code()).upper()
    if len(code) != LENGTH or set(code) - set(LETTERS):
        parser.error(f"the code is {code!r}; it must be {LENGTH} of the letters {LETTERS}")
    address = options.address or own_address()
    word = secrets.token_urlsafe(12)
    print(announcement(address, options.port, code, word), flush=True)
    qr(address, options.port, code).terminal(compact=True)
    try:
        return subprocess.call(
            command(address, options.port), env={**os.environ, CODE_VARIABLE: code, PRESENTER_VARIABLE: word}
        )
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
