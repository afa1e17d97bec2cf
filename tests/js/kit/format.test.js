import assert from "node:assert/strict";
import { test } from "node:test";

import { percent } from "../../../app/kit/format.js";

test("a share that is not quite all or nothing is never rounded to it", () => {
  assert.equal(percent(0), "0 %");
  assert.equal(percent(1), "100 %");
  assert.equal(percent(0.00001), "<0.01 %");
  assert.equal(percent(0.9999), ">99.9 %");
  assert.equal(percent(Number.NaN), "–");
});
