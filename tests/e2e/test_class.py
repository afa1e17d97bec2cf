"""A class in a real browser: a wrong code, the right one, the page behind the door; and what stays outside."""

import urllib.request

import pytest

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser
CODE = "KLMNPQ"


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    with harness.sound_server(tmp_path_factory.mktemp("class") / "log.txt", EXPLORER_CLASS_CODE=CODE) as running:
        yield running


def test_a_pupil_comes_in_with_the_code_and_not_without(room, chromium):
    page = harness.open_page(chromium, width=390, height=844)
    page.goto(room.url + "/next_word")
    assert page.url.endswith("/class") and page.get_by_role("heading").inner_text() == "Class code"
    field = page.get_by_label("The six letters on the board")
    field.fill("AAAAAA")
    page.get_by_role("button", name="Come in").click()
    page.get_by_text("That is not the code of this lesson").wait_for()
    page.watch.console.clear()  # the browser notes the refusal itself
    field = page.get_by_label("The six letters on the board")
    assert field.input_value() == "AAAAAA" and field.bounding_box()["height"] >= 44
    field.fill(CODE.lower())
    page.get_by_role("button", name="Come in").click()
    page.wait_for_selector(".start-card")
    page.goto(room.url + "/next_word")
    page.wait_for_selector(".page-next_word[data-ready='1'], [data-ready='1']")
    assert not page.watch.problems()
    page.context.close()
    other = harness.open_page(chromium)
    other.goto(room.url + "/")
    assert other.url.endswith("/class"), "another browser has to know it too"
    other.context.close()
    assert urllib.request.urlopen(room.url + "/healthz", timeout=5).read() == b"ok"
    assert CODE not in room.log
