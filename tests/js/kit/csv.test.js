import assert from "node:assert/strict";
import { test } from "node:test";

import { csv } from "../../../app/kit/csv.js";

test("words with commas, quotes and line breaks stay one cell, and none is an empty one", () => {
  assert.equal(
    csv(
      ["i", "word"],
      [
        [0, 'say, "so"\n'],
        [1, null],
        [2, NaN],
      ],
    ),
    'i,word\r\n0,"say, ""so""\n"\r\n1,\r\n2,\r\n',
  );
});

test("every float32 comes back from what is saved", () => {
  const numbers = Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i * 12.9898) * 10 ** ((i % 60) - 30));
  const text = csv(
    ["x"],
    Array.from(numbers, (number) => [number]),
  );
  const read = Float32Array.from(text.trim().split("\r\n").slice(1), Number);
  assert.deepEqual(read, numbers);
});
