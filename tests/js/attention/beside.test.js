import assert from "node:assert/strict";
import { test } from "node:test";

import { movedWeight } from "../../../app/attention/beside.js";

/**
 * @param {number[]} weights  by offset
 * @param {string} [picture]
 * @returns {any}
 */
const values = (weights, picture = "head") => ({
  choice: { picture },
  offsets: () => weights.map((_, i) => i),
  sees: (/** @type {number} */ _query, /** @type {number} */ offset) => offset < weights.length,
  value: (/** @type {number} */ _query, /** @type {number} */ offset) => weights[offset],
});

test("half the sum of all differences: 0 for the same weights, 1 where they share no key", () => {
  assert.equal(movedWeight(values([0.25, 0.75]), values([0.25, 0.75]), 5), 0);
  assert.equal(movedWeight(values([1, 0]), values([0, 1]), 5), 1);
  assert.equal(movedWeight(values([0.5, 0.5]), values([0.25, 0.75]), 5), 0.25);
});

test("a narrower window has no weight where it does not look", () => {
  assert.equal(movedWeight(values([0.5, 0.25, 0.25]), values([1]), 5), 0.5);
  assert.equal(movedWeight(values([1]), values([0.5, 0.25, 0.25]), 5), 0.5);
});

test("the largest weights of all heads do not sum to 1, so none of them lies elsewhere", () => {
  assert.ok(Number.isNaN(movedWeight(values([1], "max"), values([1], "max"), 5)));
});
