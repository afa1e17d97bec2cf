"""The mount of every picture, called as Streamlit calls it when two payloads come close upon each other."""

import pytest

from app.components.picture import FOLDER

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
    assert page.evaluate(CALLS, (FOLDER / "mount.js").read_text(encoding="utf-8")) == ["newer", "last", "let go"]
