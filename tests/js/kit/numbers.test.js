import assert from "node:assert/strict";
import { test } from "node:test";

import { fileName, written } from "../../../app/kit/numbers.js";

test("a cell says four digits of a number, and that there is none", () => {
  assert.deepEqual(
    [0.123456, -2.5e-7, 1234, -3, 0, 5e-27, -Infinity, null, NaN, "a word"].map((cell) => written(cell)),
    ["0.1235", "−2.5e−7", "1,234", "−3", "0", "5e−27", "−∞", "–", "–", "a word"],
  );
});

test("a file is named after what is in it", () => {
  assert.equal(
    fileName("Ring of layer 4 at step 139, weights: head 3"),
    "ring-of-layer-4-at-step-139-weights-head-3.csv",
  );
});
