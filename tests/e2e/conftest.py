"""One server and one browser for all browser tests; each test gets a fresh page and must leave it without a problem.

They end with the folder: what other tests of the same process start wants no running event loop.
"""

import pytest

from tests.e2e import browser as harness


@pytest.fixture(scope="package")
def app(tmp_path_factory):
    with harness.sound_server(tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


@pytest.fixture(scope="package")
def chromium():
    with harness.browser() as launched:
        yield launched


@pytest.fixture
def visit(app, chromium):
    """`visit(path, **options)` opens a page; at the end no page may have had a console error or a foreign request."""
    opened = []

    def go(path: str = "/", **options):
        page = harness.open_page(chromium, **options)
        opened.append(page)
        page.goto(app.url + path)
        return page

    yield go
    for page in opened:
        exceptions = [element.inner_text() for element in page.query_selector_all("[data-testid='stException']")]
        problems = page.watch.problems() + exceptions
        page.context.close()
        assert not problems, problems
