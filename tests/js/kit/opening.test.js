import assert from "node:assert/strict";
import { test } from "node:test";

/** @type {((event: { isTrusted: boolean }) => void)[]} */
let listeners = [];
/** @type {string[]} */
let opened = [];
const location = { href: "here" };
Object.assign(globalThis, {
  location,
  history: { pushState: (/** @type {null} */ _, /** @type {string} */ __, /** @type {string} */ to) => go(to) },
  PopStateEvent: class {},
  dispatchEvent: () => {
    opened.push(location.href);
  },
  /** @type {(name: string, listener: (event: { isTrusted: boolean }) => void) => void} */
  addEventListener: (_, listener) => {
    listeners.push(listener);
  },
  /** @type {(name: string, listener: (event: { isTrusted: boolean }) => void) => void} */
  removeEventListener: (_, listener) => {
    listeners = listeners.filter((one) => one !== listener);
  },
});
const { openHere } = await import("../../../app/kit/opening.js");

/** @param {string} to */
function go(to) {
  location.href = to;
}

/** @param {import("node:test").TestContext} context @param {(tick: (looks: number) => void) => void} then */
function opening(context, then) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  [listeners, opened] = [[], []];
  go("here");
  openHere("there");
  then((looks) => {
    for (let i = 0; i < looks; i++) context.mock.timers.tick(300);
  });
}

test("an address that stays is opened once, and is no longer watched after a while", (context) => {
  opening(context, (tick) => {
    tick(30);
    assert.deepEqual([opened, listeners.length], [["there"], 0]);
  });
});

test("one that is put back is opened again, as often as it is", (context) => {
  opening(context, (tick) => {
    tick(1);
    for (const times of [2, 3]) {
      go("here");
      tick(3);
      assert.deepEqual([opened.length, location.href], [times, "there"]);
    }
  });
});

test("who goes elsewhere, or back by hand, is left alone", (context) => {
  opening(context, (tick) => {
    go("elsewhere");
    tick(5);
    assert.deepEqual([opened.length, location.href], [1, "elsewhere"]);
  });
  context.mock.timers.reset();
  opening(context, (tick) => {
    for (const one of listeners) one({ isTrusted: true });
    go("here");
    tick(5);
    assert.deepEqual([opened.length, location.href, listeners.length], [1, "here", 0]);
  });
});
