import assert from "node:assert/strict";
import { test } from "node:test";

import { litLines } from "../../../app/kit/source.js";

/** @type {import("../../../app/kit/types.js").Code} */
const CODE = {
  name: "f",
  file: "a/b.py",
  line: 40,
  text: "def f(x):\n    y = x + 1\n    return y",
  marks: { add: [1], all: [1, 2] },
  inference: "",
  transformers: "",
};

test("the lines of a step are those of its mark; a step without a mark lights none", () => {
  assert.deepEqual(litLines(CODE, "add"), [1]);
  assert.deepEqual(litLines(CODE, "all"), [1, 2]);
  assert.deepEqual(litLines(CODE, ""), []);
  assert.deepEqual(litLines(CODE, "unknown"), []);
});
