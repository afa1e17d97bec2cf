import assert from "node:assert/strict";
import { test } from "node:test";

import { clamp, grouped, percent, plural, shorten } from "../../../app/kit/format.js";
import { python } from "../payloads.js";

test("a share is written as Python writes it", () => {
  const shares = [0, 1, 0.2434, 0.0123, 0.00001, 0.9999, 1e-4, 0.00994, 0.00996, 0.0994, 0.0996];
  for (let i = 1; i < 997; i++) shares.push(i / 997, (i / 997) ** 3);
  // ties of decimal digits
  for (let i = 1; i < 1000; i++) shares.push(Math.min(1, i / 800), i / 1000, i / 10_000, i / 100_000);
  const list = JSON.stringify(shares);
  const program = `import json; from app.theme import percent; print(json.dumps([percent(s) for s in ${list}]))`;
  assert.deepEqual(shares.map(percent), JSON.parse(python(program).toString()));
});

test("a share that is not quite all or nothing is never rounded to it, and what is no number is a dash", () => {
  assert.deepEqual([0, 1].map(percent), ["0 %", "100 %"]);
  for (let i = 1; i < 100_000; i++) {
    assert.notEqual(percent(i / 100_000), "0 %");
    assert.notEqual(percent(i / 100_000), "100 %");
  }
  for (let power = 4; power < 16; power++) {
    assert.notEqual(percent(10 ** -power), "0 %");
    assert.notEqual(percent(1 - 10 ** -power), "100 %");
  }
  assert.deepEqual([Number.NaN, Infinity].map(percent), ["–", "–"]);
});

test("numbers have thousands, and one thing is not many", () => {
  assert.equal(grouped(1234567.4), "1,234,567");
  assert.equal(plural(1, "token"), "1 token");
  assert.equal(plural(1000, "token"), "1,000 tokens");
  assert.equal(plural(2, "key/value", "keys and values"), "2 keys and values");
});

test("a text that is cut is as long as it may be, and says that it is cut", () => {
  assert.equal(shorten("forgotten", 9), "forgotten");
  assert.equal(shorten("forgotten", 8), "forgott…");
  assert.equal(shorten("forgotten", 1), "f…");
});

test("what lies outside bounds is put on the nearer one", () => {
  assert.deepEqual(
    [-2, 0.5, 7].map((value) => clamp(value, 0, 1)),
    [0, 0.5, 1],
  );
});
