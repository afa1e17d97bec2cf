"""The mount of every picture, called as Streamlit calls it when two payloads come close upon each other, and what all
pictures stand on: drawing in the next frame, and speaking to Python."""

import pytest

from app.shared.ahead import modules_of
from app.shared.picture import COMPONENT
from tests.e2e.browser import settled

pytestmark = pytest.mark.browser
APP = f"/_stcore/bidi-components/{COMPONENT}"
"""Where the modules of app/ are served."""

CALLS = """async (app) => {
  const { default: mount, programs } = await import(`${app}/kit/mount.js`);
  const place = document.body.appendChild(document.createElement("div"));
  const host = place.attachShadow({ mode: "open" });
  const root = host.appendChild(document.createElement("div"));
  const seen = [];
  class View {
    root = root;
    take({ header }) { seen.push(header.says); }
    dispose() { seen.push("let go"); }
  }
  programs.set("test", Promise.resolve({ View, look: {} }));
  const data = (says) => {
    const text = new TextEncoder().encode(JSON.stringify({ picture: "test", says, arrays: {} }));
    const bytes = new Uint8Array(4 + text.length);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(text, 4);
    return bytes;
  };
  const later = () => new Promise((done) => setTimeout(done, 20));
  const cleanNewer = mount({ data: data("newer"), parentElement: host });
  mount({ data: data("older"), parentElement: host })();      // outdated: cleaned up after at once
  await later();
  mount({ data: data("early"), parentElement: host })();
  const cleanLast = mount({ data: data("last"), parentElement: host });
  await later();
  cleanNewer();                                         // the place is still there
  await later();
  place.remove();
  cleanLast();
  await later();
  return seen;
}"""


def test_the_newest_payload_stays_and_only_a_place_that_left_is_let_go(visit):
    page = visit("/next_word")
    page.wait_for_selector(".mx[data-ready='1']")
    assert page.evaluate(CALLS, APP) == ["newer", "last", "let go"]


ASKED = """() => performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname)"""


@pytest.mark.parametrize(
    "page_name",
    ["start", "next_word", "attention", "window", "ring", "reach", "shared_heads", "inside_a_block", "break_it"],
)
def test_a_first_visit_asks_for_every_module_once_and_for_no_look(visit, page_name):
    """The look comes with the page's first element; each module has been asked for before an import needs it."""
    page = visit(f"/{page_name}" if page_name != "start" else "/")
    page.wait_for_selector("[data-ready='1']", timeout=60_000)
    asked = [path.removeprefix(APP + "/") for path in page.evaluate(ASKED) if path.startswith(APP)]
    assert sorted(asked) == sorted(modules_of(page_name))


VOICE = """async (app) => {
  const [{ Surface }, { departure }] = await Promise.all(["surface", "leaving"].map((name) => import(`${app}/kit/${name}.js`)));
  const said = [];
  const picture = Object.create(Surface.prototype);
  picture.lastValues = {};
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
    leaving, said, followed, opened = page.evaluate(VOICE, APP)
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


@pytest.mark.parametrize(
    ("path", "root"), [("next_word", ".mx"), ("attention", ".page-attention"), ("ring", ".page-ring")]
)
def test_a_hover_right_after_a_resize_does_not_keep_the_page_from_being_drawn_anew(visit, path, root):
    """Both wait for the next frame; there the word is marked, and all is drawn in the new size."""
    page = visit(f"/{path}")
    page.wait_for_selector(
        f"{root}[data-ready='1'][data-status='done'], {root}[data-ready='1'][data-status='recorded']"
    )
    settled(page)
    assert page.locator(root).evaluate(DRAWN) == [True, True]
