"""The mount of every picture, called as Streamlit calls it when two payloads come close upon each other, and what all
pictures stand on: drawing in the next frame, and speaking to Python."""

import pytest

from app.shared.picture import FOLDER
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser

CALLS = """async (source) => {
  const url = URL.createObjectURL(new Blob([`const PICTURE = "test";\\n${source}`], { type: "text/javascript" }));
  const mount = (await import(url)).default;
  const place = document.body.appendChild(document.createElement("div"));
  const host = place.attachShadow({ mode: "open" });
  const seen = [];
  const hub = (globalThis["mistral-explorer-test"] = { waiting: new Map() });
  hub.render = (component) => seen.push(component.data);
  hub.dispose = () => seen.push("let go");
  const later = () => new Promise((done) => setTimeout(done, 20));
  const cleanNewer = mount({ data: "newer", parentElement: host });
  mount({ data: "older", parentElement: host })();      // outdated: cleaned up after at once
  await later();
  mount({ data: "early", parentElement: host })();
  const cleanLast = mount({ data: "last", parentElement: host });
  await later();
  cleanNewer();                                         // the place is still there
  await later();
  place.remove();
  cleanLast();
  await later();
  return seen;
}"""


def test_the_newest_payload_stays_and_only_a_place_that_left_is_let_go(visit):
    page = visit("/models")
    page.wait_for_selector("h1")
    assert page.evaluate(CALLS, (FOLDER / "shared" / "mount.js").read_text(encoding="utf-8")) == [
        "newer",
        "last",
        "let go",
    ]


VOICE = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { Surface, departure } = await import(url);
  const said = [];
  const picture = Object.create(Surface.prototype);
  picture.component = { setStateValue: (name, value) => said.push([name, value.t]) };
  departure.at = performance.now();
  picture.emitNew("at", { t: 3 });                      // the page is being left: it is not said, so
  const leaving = said.length;
  departure.at = -Infinity;
  picture.emitNew("at", { t: 3 });                      // it is still to be said
  picture.emitNew("at", { t: 3 });                      // and then once
  picture.emitNew("at", { t: 4 });
  const link = document.body.appendChild(document.createElement("a"));
  link.href = "/another";
  link.addEventListener("click", (event) => event.preventDefault());
  const left = async (options, byStreamlit) => {
    departure.at = -Infinity;
    const click = new MouseEvent("click", { bubbles: true, composed: true, cancelable: true, ...options });
    if (!byStreamlit) Object.defineProperty(click, "defaultPrevented", { value: false });
    link.dispatchEvent(click);
    await new Promise((done) => setTimeout(done, 5));
    return departure.at > 0;
  };
  const ways = [{}, { shiftKey: true }, { ctrlKey: true }, { metaKey: true }];
  const all = async (byStreamlit) => {
    const found = [];
    for (const way of ways) found.push(await left(way, byStreamlit));
    return found;
  };
  return [leaving, said, await all(true), await all(false)];
}"""


def test_what_is_kept_back_while_a_page_is_left_is_still_to_be_said_and_a_new_window_leaves_nothing(visit):
    """Streamlit follows a link of its menu in the same tab whatever key is held; then the page is left."""
    page = visit("/models")
    page.wait_for_selector("h1")
    source = "".join((FOLDER / "kit" / f"{name}.js").read_text(encoding="utf-8") for name in ("base", "surface"))
    leaving, said, followed, opened = page.evaluate(VOICE, source + "\nexport { Surface, departure };")
    assert leaving == 0 and said == [["at", 3], ["at", 4]]
    assert followed == [True] * 4 and opened == [True, False, False, False]


DRAWN = """async (root) => {
  let drawn = 0;
  const watch = new MutationObserver((all) => { drawn += all.length; });
  watch.observe(root, { attributes: true, attributeFilter: ["data-draw-ms"] });
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const word = root.querySelector("[data-part='story'] [data-p='3']");
  await frame();
  drawn = 0;
  dispatchEvent(new Event("resize"));
  word.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, composed: true }));
  await frame();
  return [drawn > 0, word.classList.contains("mx-hover")];
}"""


@pytest.mark.parametrize(("path", "root"), [("next_word", ".mx"), ("attention", ".mx-atlas"), ("ring", ".th")])
def test_a_hover_right_after_a_resize_does_not_keep_the_page_from_being_drawn_anew(visit, path, root):
    """Both wait for the next frame; there the word is marked, and all is drawn in the new size."""
    page = visit(f"/{path}")
    page.wait_for_selector(
        f"{root}[data-ready='1'][data-status='done'], {root}[data-ready='1'][data-status='recorded']"
    )
    settled(page)
    assert page.locator(root).evaluate(DRAWN) == [True, True]
