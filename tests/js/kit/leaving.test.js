import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** @type {Record<string, (event: any) => void>} what the module listens to */
const heard = {};
class Anchor {
  /** @param {string} pathname */
  constructor(pathname) {
    this.pathname = pathname;
    this.origin = "here";
  }
}
const location = { origin: "here", pathname: "/next_word" };
Object.assign(globalThis, {
  HTMLAnchorElement: Anchor,
  location,
  /** @type {(name: string, listener: (event: any) => void) => void} */
  addEventListener: (name, listener) => {
    heard[name] = listener;
  },
});
const { arrived, departure, leaving } = await import("../../../app/kit/leaving.js");

/** @param {string} pathname */
const click = (pathname) => heard.click({ composedPath: () => [new Anchor(pathname)] });

beforeEach(() => {
  departure.at = -Infinity;
  location.pathname = "/next_word";
});

test("a picture of the page that is being left, come late, does not speak", () => {
  click("/");
  arrived("next_word");
  assert.ok(leaving());
  arrived("start");
  assert.ok(!leaving());
});

for (const page of ["next_word", "attention", "window", "ring", "reach", "shared_heads", "inside_a_block", "break_it"])
  test(`a link to ${page} lets that picture speak and no other`, () => {
    location.pathname = "/";
    click(`/${page}`);
    for (const other of [
      "start",
      "next_word",
      "attention",
      "window",
      "ring",
      "reach",
      "shared_heads",
      "inside_a_block",
      "break_it",
    ].filter((name) => name !== page)) {
      arrived(other);
      assert.ok(leaving(), other);
    }
    arrived(page);
    assert.ok(!leaving());
  });

test("the second tab of break_it speaks on that page, and on no other", () => {
  location.pathname = "/";
  click("/ring");
  arrived("museum");
  assert.ok(leaving());
  click("/break_it");
  arrived("museum");
  assert.ok(!leaving());
});

test("a link to the page that is shown leads nowhere, but back while another is on its way", () => {
  click("/next_word");
  assert.ok(!leaving());
  click("/ring");
  click("/next_word");
  assert.ok(leaving());
  arrived("next_word");
  assert.ok(!leaving());
});

test("going back in the browser leads to what the address says by then", () => {
  location.pathname = "/attention";
  heard.popstate({});
  arrived("next_word");
  assert.ok(leaving());
  arrived("attention");
  assert.ok(!leaving());
});
