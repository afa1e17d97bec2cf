import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { settled, throttled } from "../../../app/kit/timing.js";

/** A clock that is moved by hand; `performance.now` goes with it. */
function clock() {
  let now = 1000;
  mock.timers.enable({ apis: ["setTimeout"] });
  const read = mock.method(performance, "now", () => now);
  return {
    /** @param {number} ms */
    pass(ms) {
      for (let i = 0; i < ms; i++) {
        now += 1;
        mock.timers.tick(1);
      }
    },
    stop() {
      mock.timers.reset();
      read.mock.restore();
    },
  };
}

test("what is throttled is done at once, then not before its time, and the last call is never lost", () => {
  const time = clock();
  /** @type {number[]} */
  const done = [];
  const act = throttled((/** @type {number} */ value) => done.push(value), 100);
  act(1);
  assert.deepEqual(done, [1]);
  act(2);
  time.pass(50);
  act(3);
  time.pass(49);
  assert.deepEqual(done, [1]);
  time.pass(1);
  assert.deepEqual(done, [1, 3]);
  time.pass(100);
  act(4);
  assert.deepEqual(done, [1, 3, 4]);
  time.stop();
});

test("what waits for a rest is done once after it, with the last values, unless it is cancelled", () => {
  const time = clock();
  /** @type {string[]} */
  const done = [];
  const act = settled((/** @type {string} */ value) => done.push(value), 400);
  act("a");
  time.pass(399);
  act("b");
  time.pass(399);
  assert.deepEqual(done, []);
  time.pass(1);
  assert.deepEqual(done, ["b"]);
  act("c");
  act.cancel();
  time.pass(1000);
  assert.deepEqual(done, ["b"]);
  time.stop();
});
