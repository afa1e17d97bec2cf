import assert from "node:assert/strict";
import { test } from "node:test";

import { Foreseen } from "../../../app/next_word/foreseen.js";
import { staged, TEXT } from "./staged.js";
import { NextWordRun } from "../../../app/next_word/run.js";

/** @param {number} count */
function parentOf(count) {
  const run = new NextWordRun("a run");
  run.absorb(staged("a", 0, count, count));
  return run;
}

for (const position of [1, 4, TEXT.length])
  test(`another word at ${position}: the text before it, the word itself, and nothing of what followed`, () => {
    const parent = parentOf(TEXT.length);
    const run = new Foreseen(parent, position, 101, 17);
    assert.equal(run.count, position);
    assert.deepEqual(run.ids, [...TEXT.slice(0, position), 101]);
    assert.equal(run.labels[position], "a1");
    assert.equal(run.steps.length, position);
    assert.deepEqual(run.steps, parent.steps.slice(0, position));
    assert.equal(run.meta.status, "running");
    for (let at = 1; at < position; at++) assert.equal(run.p(at), parent.p(at));
  });

test("the run that it left is untouched, and goes on growing by itself", () => {
  const parent = parentOf(5);
  const run = new Foreseen(parent, 3, 101, 17);
  assert.deepEqual([parent.ids, parent.count, parent.steps.length], [TEXT.slice(0, 5), 5, 5]);
  parent.absorb(staged("a", 5, TEXT.length, TEXT.length));
  assert.deepEqual([parent.ids, parent.count], [TEXT, TEXT.length]);
  assert.deepEqual([run.ids.length, run.count, run.steps.length], [4, 3, 3]);
});

test("what was on its way before the question is told from the answer", () => {
  const run = new Foreseen(parentOf(5), 3, 101, 17);
  const { header } = staged("a", 0, 5, 5);
  for (const answered of [null, 16]) assert.ok(run.before({ ...header, run: "a run", answered }));
  assert.ok(!run.before({ ...header, run: "a run", answered: 17 }), "it was refused");
  for (const answered of [null, 17]) assert.ok(!run.before({ ...header, run: "another", answered }));
});
