import assert from "node:assert/strict";
import { test } from "node:test";

import { carriers, share, strongest } from "../../../app/start/corridor.js";

const STORY = {
  position: 1,
  target: 4,
  through: [
    [0, -2, 0, 0, 0],
    [0, 1, -2, 1, 0],
    [0, 0, 0, 0, 0],
  ],
};

test("the shares of a row add up to all of the change, whatever its signs", () => {
  for (const row of [0, 1]) {
    const sum = [0, 1, 2, 3, 4].reduce((total, position) => total + share(STORY, row, position), 0);
    assert.equal(sum, 1);
  }
  assert.equal(share(STORY, 1, 2), 0.5);
  assert.equal(share(STORY, 2, 3), 0, "of nothing there are no shares");
});

test("the states that carry most come largest first, and none that carries almost nothing", () => {
  assert.deepEqual(carriers(STORY, 0), [[1, 1]]);
  assert.deepEqual(carriers(STORY, 1, 2), [
    [2, 0.5],
    [1, 0.25],
  ]);
  assert.deepEqual(
    [0, 1].map((row) => strongest(STORY, row)),
    [1, 2],
  );
});
