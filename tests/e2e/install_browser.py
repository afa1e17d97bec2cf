"""Makes sure that there is a Chromium for the browser tests: `python -m tests.e2e.install_browser`.

Debian's package when the user is root and apt-get is there; elsewhere Playwright's own browser;
if neither works, a sentence that says what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.e2e.browser import chromium


def main() -> int:
    """Returns the exit status."""
    if chromium():
        return 0
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium", "fonts-dejavu"]):
            subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=False)
        if chromium():
            return 0
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if installed_by_playwright():
        return 0
    print(
        "No Chromium was found and none could be installed. Install the package 'chromium' and run again.",
        file=sys.stderr,
    )
    return 1


def installed_by_playwright() -> bool:
    """Whether Playwright's own Chromium can be started."""
    from playwright.sync_api import Error, sync_playwright

    try:
        with sync_playwright() as playwright:
            playwright.chromium.launch().close()
    except Error:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
