import assert from "node:assert/strict";
import { test } from "node:test";

import { onePerPage } from "../../../app/kit/history.js";

/** A browser's history, from its first entry on.
 * @param {string} first */
function browser(first) {
  const place = { href: first };
  const entries = [first];
  const history = {
    /** @type {History["pushState"]} */
    pushState: (_data, _unused, url) => {
      place.href = String(new URL(url ?? "", place.href));
      entries.push(place.href);
    },
    /** @type {History["replaceState"]} */
    replaceState: (_data, _unused, url) => {
      place.href = String(new URL(url ?? "", place.href));
      entries[entries.length - 1] = place.href;
    },
  };
  return { place, entries, history };
}

test("steps within a page are one entry, and every page that one comes to is one", () => {
  const { place, entries, history } = browser("http://x/");
  onePerPage(history, place);
  for (const url of ["/next_word", "/next_word?t=1", "?t=2", "/ring", "/ring?t=2", "/ring?t=3", "/next_word?t=3"])
    history.pushState({}, "", url);
  history.pushState({}, "");
  assert.deepEqual(entries, ["http://x/", "http://x/next_word?t=2", "http://x/ring?t=3", "http://x/next_word?t=3"]);
});
