import assert from "node:assert/strict";
import { test } from "node:test";

import { Memory } from "../../../app/kit/memory.js";
import { Run } from "../../../app/kit/run.js";

test("of nine runs the one that was used longest ago is forgotten", () => {
  const memory = new Memory(Run);
  const runs = ["a", "b", "c", "d", "e", "f", "g", "h"].map((id) => memory.runOf(id));
  assert.equal(memory.runOf("a"), runs[0]);
  memory.runOf("i");
  assert.deepEqual([...memory.runs.keys()], ["c", "d", "e", "f", "g", "h", "a", "i"]);
  assert.equal(memory.runOf("a"), runs[0]);
  assert.notEqual(memory.runOf("b"), runs[1]);
});
