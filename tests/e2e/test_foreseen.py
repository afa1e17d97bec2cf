"""A click on another word shows at once what the page knows of that branch, before the server says anything."""

import pytest

from app import compute
from tests.e2e import browser as harness
from tests.e2e.test_next_word import PLAYER, data, done, expected_ids, link, story

pytestmark = pytest.mark.browser
STEP = 24
FORESEEN = f"{PLAYER}[data-foreseen='1']"


class Held:
    """The connection of a page: what the server sends waits while it is held."""

    def __init__(self, page) -> None:
        self.page, self.held, self.waiting = page, False, []
        page.route_web_socket("**/_stcore/stream", self.connect)

    def connect(self, socket) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: self.waiting.append(message) if self.held else socket.send(message))
        self.socket = socket

    def let_go(self) -> None:
        self.held = False
        for message in self.waiting:
            self.socket.send(message)


def at_a_step(page, path: str) -> dict[str, str]:
    page.goto(path)
    first = done(page)
    page.locator(PLAYER).press("Home")
    for _ in range(STEP):
        page.locator(PLAYER).press("ArrowRight")
    page.wait_for_selector(f"{PLAYER}[data-step='{STEP}']")
    page.wait_for_timeout(1500)  # until the server knows the place and has nothing more to say
    return first


def another_word(page):
    """The third row of those that can be clicked, its token and its name."""
    row = page.locator("[data-part='bars'] button:not([disabled])").nth(2)
    return row, int(row.get_attribute("data-id")), row.locator(".mx-word").inner_text()


def test_a_branch_is_there_before_the_server_answers(app, chromium):
    page = harness.open_page(chromium)
    connection = Held(page)
    first = at_a_step(page, app.url + link())
    before = story(page)
    row, token, name = another_word(page)
    connection.held = True
    row.click()
    page.wait_for_selector(FORESEEN, timeout=2000)
    here = data(page)
    assert (here["run"], here["step"], here["count"]) == (first["run"], str(STEP), str(STEP + 1))
    assert page.locator("[data-part='story'] .mx-coming").inner_text().strip() == name
    label = compute.tokenizer("storyteller").label
    words = page.locator("[data-part='story'] .mx-tok").all_inner_texts()
    assert [word.strip() for word in words] == [*(label(one) for one in expected_ids()[: STEP + 1]), name]
    assert f"next: {name}, your choice" in page.locator("[data-part='step']").inner_text()
    chosen = page.locator("[data-part='bars'] .mx-chosen")
    assert chosen.count() == 1 and int(chosen.get_attribute("data-id")) == token
    assert not page.locator("[data-part='bars'] button:not([disabled])").count()
    page.locator(PLAYER).press("ArrowLeft")
    page.wait_for_selector(f"{FORESEEN}[data-step='{STEP - 1}']")
    connection.let_go()
    page.wait_for_selector(f"{PLAYER}[data-foreseen='0']:not([data-run='{first['run']}'])")
    second = done(page)
    assert second["count"] == first["count"] and f"forced={STEP + 1}%3A{token}" in page.url
    assert not page.locator(".mx-coming").count()
    page.locator("[data-part='branches'] button").first.click()
    page.wait_for_selector(f"{PLAYER}[data-run='{first['run']}']")
    assert story(page) == before
    assert not page.watch.problems(), page.watch.problems()
    page.context.close()


def test_a_text_that_grows_meanwhile_loses_nothing(app, chromium):
    page = harness.open_page(chromium)
    connection = Held(page)
    page.goto(app.url + link(n=400, seed=7))
    page.wait_for_selector(f"{PLAYER}[data-status='running']")
    harness.wait_for_tokens(page.locator(PLAYER), STEP + 2)
    page.locator(PLAYER).press("Home")
    for _ in range(STEP):
        page.locator(PLAYER).press("ArrowRight")
    first = data(page)
    another_word(page)[0].click()
    page.wait_for_selector(f"{PLAYER}[data-foreseen='0']:not([data-run='{first['run']}'])")
    page.locator("[data-part='branches'] button").first.click()
    page.wait_for_selector(f"{PLAYER}[data-run='{first['run']}']")
    page.locator(".st-key-button-resume button").click()
    done(page, first["run"])
    page.locator(PLAYER).press("End")
    label = compute.tokenizer("storyteller").label
    words = page.locator("[data-part='story'] .mx-tok .mx-w").all_inner_texts()
    assert [word.strip() for word in words[-20:]] == [label(one) for one in expected_ids(400, 7)[-20:]]
    assert not connection.waiting and not page.watch.problems(), page.watch.problems()
    page.context.close()


def test_a_branch_that_is_refused_is_taken_off_again(tmp_path, chromium):
    with harness.sound_server(tmp_path / "log.txt", entry="tests/e2e/once_app.py") as running:
        page = harness.open_page(chromium)
        first = at_a_step(page, running.url + link())
        before = story(page)
        another_word(page)[0].click()
        page.get_by_text("many texts were begun here just now").wait_for()
        page.wait_for_selector(f"{PLAYER}[data-foreseen='0'][data-run='{first['run']}'][data-step='{STEP}']")
        assert story(page) == before and not page.locator(".mx-coming").count()
        assert page.locator("[data-part='bars'] button:not([disabled])").count() > 5
        assert not page.watch.problems(), page.watch.problems()
        page.context.close()
