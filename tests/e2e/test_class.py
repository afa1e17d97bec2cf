"""A class in a real browser: a wrong code, the right one, the page behind the door; and what stays outside."""

import urllib.request

import pytest

from tests.e2e import browser as harness

pytestmark = pytest.mark.browser
CODE = "KLMNPQ"
WORD = "a-long-word"


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    with harness.sound_server(
        tmp_path_factory.mktemp("class") / "log.txt", EXPLORER_CLASS_CODE=CODE, EXPLORER_CLASS_PRESENTER=WORD
    ) as running:
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


def enter(room, chromium, word=""):
    page = harness.open_page(chromium, width=1024, height=768)
    page.goto(f"{room.url}/class?code={CODE}" + (f"&presenter={word}" if word else ""))
    page.wait_for_selector("[data-room] [role='status']")
    return page


def bar(page):
    return page.locator("[data-room]").last


def at(page, selector, step):
    """The page itself: the picture of the start page steps through a text too."""
    page.wait_for_selector(f"{selector}[data-mode='desk'][data-ready='1'][data-step='{step}']", timeout=60_000)


def lead(room, teacher, pupils):
    """The presenter opens a text at position 30, and all pupils come there."""
    teacher.goto(f"{room.url}/next_word?model=storyteller&text=The+king+had+two+sons&seed=0&n=60&t=30&layer=3")
    at(teacher, ".page-next-word", 30)
    bar(teacher).get_by_role("button", name="lead the class").click()
    for pupil in pupils:
        at(pupil, ".page-next-word", 30)


def leave(*pages):
    for page in pages:
        assert not page.watch.problems(), page.watch.problems()
        page.context.close()


def test_three_pupils_follow_the_presenter_until_one_lets_go(room, chromium):
    teacher = enter(room, chromium, WORD)
    pupils = [enter(room, chromium) for _ in range(3)]
    bar(teacher).get_by_text("3 pupils here").wait_for()
    assert not bar(pupils[0]).get_by_role("button", name="lead the class").count()
    bar(teacher).get_by_role("button", name="lead the class").click()
    lead(room, teacher, pupils)
    teacher.locator(".page-next-word").press("ArrowLeft")
    teacher.locator(".page-next-word").press("ArrowUp")
    for pupil in pupils:
        pupil.wait_for_selector(".page-next-word[data-step='29'][data-layer='3']")
    alone = pupils[2]
    bar(alone).get_by_role("button", name="let go").click()
    bar(alone).get_by_text("You look around on your own.").wait_for()
    teacher.get_by_role("link", name="Ring", exact=True).click()
    for pupil in pupils[:2]:
        at(pupil, ".page-ring", 29)
    assert alone.locator(".page-next-word").get_attribute("data-step") == "29"
    bar(alone).get_by_role("button", name="follow the class").click()
    at(alone, ".page-ring", 29)
    leave(teacher, *pupils)


def test_a_message_that_is_lost_is_said_again(room, chromium):
    teacher, pupil = enter(room, chromium, WORD), enter(room, chromium)
    lead(room, teacher, [pupil])
    lost = []

    def drop(route):
        if route.request.method != "POST" or len(lost) == 2:
            return route.fallback()
        lost.append(route.request.post_data)
        return route.abort()

    teacher.route("**/class/room*", drop)
    teacher.locator(".page-next-word").press("ArrowLeft")
    at(pupil, ".page-next-word", 29)
    assert len(lost) == 2 and all('"t":29' in said for said in lost)
    bar(teacher).get_by_role("button", name="stop leading").click()
    bar(pupil).get_by_text("Nobody leads now.").wait_for()
    teacher.watch.console.clear()  # the browser notes what was lost
    leave(teacher, pupil)


def test_a_word_that_the_presenter_changes_changes_for_all(room, chromium):
    teacher, pupil = enter(room, chromium, WORD), enter(room, chromium)
    lead(room, teacher, [pupil])
    before = teacher.locator(".page-next-word").get_attribute("data-run")
    teacher.locator("[data-part='bars'] button:not([disabled])").nth(1).click()
    at(teacher, f".page-next-word:not([data-run='{before}'])", 31)
    run = teacher.locator(".page-next-word").get_attribute("data-run")
    at(pupil, f".page-next-word[data-run='{run}']", 31)
    leave(teacher, pupil)


def test_a_pupils_text_is_offered_and_shown_to_all(room, chromium):
    teacher, pupil, other = enter(room, chromium, WORD), enter(room, chromium), enter(room, chromium)
    bar(pupil).get_by_role("button", name="let go").click()
    pupil.goto(f"{room.url}/next_word?model=storyteller&text=A+fox+came+by&seed=3&n=40&t=20&layer=2")
    at(pupil, ".page-next-word", 20)
    bar(pupil).get_by_role("button", name="offer my text").click()
    bar(teacher).get_by_role("button", name="lead the class").click()
    bar(teacher).get_by_role("button", name="A fox came by").click()
    at(teacher, ".page-next-word", 20)
    at(other, ".page-next-word", 20)
    run = pupil.locator(".page-next-word").get_attribute("data-run")
    assert other.locator(".page-next-word").get_attribute("data-run") == run
    bar(teacher).get_by_role("button", name="clear").click()
    leave(teacher, pupil, other)


def test_answers_are_counted_live_before_anybody_is_told(room, chromium):
    teacher = enter(room, chromium, WORD)
    pupils = [enter(room, chromium) for _ in range(3)]
    for pupil, given in zip(
        pupils, ("Yes, it is forgotten", "Yes, it is forgotten", "No, it still counts"), strict=True
    ):
        pupil.wait_for_selector("[data-ready='1'][data-stage='ask']", timeout=60_000)
        pupil.get_by_role("button", name=given).click()
    counts = bar(teacher).locator("[data-answer]")
    teacher.wait_for_function("() => document.querySelectorAll('[data-answer]').length === 2")
    assert sorted(counts.evaluate_all("all => all.map((one) => one.dataset.count)")) == ["1", "2"]
    assert bar(teacher).locator("figcaption").inner_text() == "Is it forgotten?: 3 answers"
    assert not bar(pupils[0]).locator("[data-answer]").count()
    leave(teacher, *pupils)
