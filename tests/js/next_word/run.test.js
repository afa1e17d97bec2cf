import assert from "node:assert/strict";
import { test } from "node:test";

import { changes, NextWordRun } from "../../../app/next_word/run.js";
import { NAMES, staged } from "./staged.js";

/** @param {import("../../../app/next_word/run.js").Step} step @param {number} t */
function isOf(step, t) {
  assert.deepEqual(step.names, NAMES);
  assert.deepEqual([...step.ids], [t + 100, t]);
  assert.deepEqual([...step.probs], [0.5, 0.25, t / 8, 0]);
  assert.deepEqual([...step.left], [300, t + 1]);
}

test("each step has its alternatives, and tokens are named by what was sent with them", () => {
  const run = new NextWordRun("a run");
  run.absorb(staged("a", 0, 5));
  run.steps.forEach(isOf);
  assert.equal(run.stagesTo, 5);
  assert.equal(run.nameOf(102), "a2");
  assert.equal(run.nameOf(7), "#7");
});

test("only steps without a gap are acknowledged", () => {
  const run = new NextWordRun("a run");
  run.absorb(staged("a", 0, 2));
  run.absorb(staged("a", 4, 6));
  assert.equal(run.stagesTo, 2);
  run.absorb(staged("a", 1, 4));
  assert.equal(run.stagesTo, 6);
  run.steps.forEach(isOf);
});

test("other settings take the place of the old alternatives, which stay on screen until then", () => {
  const run = new NextWordRun("a run");
  run.absorb(staged("a", 0, 6));
  run.absorb(staged("b", 2, 4));
  assert.equal(run.stageKey, "b");
  assert.equal(run.stagesTo, 0);
  assert.deepEqual(
    run.steps.map((step) => step.key),
    ["a", "a", "b", "b", "a", "a"],
  );
  run.absorb(staged("b", 0, 6));
  assert.equal(run.stagesTo, 6);
});

test("a shorter text takes the alternatives of its later steps with it", () => {
  const run = new NextWordRun("a run");
  run.absorb(staged("a", 0, 8));
  run.absorb(staged("a", 0, 3, 3));
  assert.equal(run.steps.length, 3);
  assert.equal(run.stagesTo, 3);
});

test("a stage that takes nothing away changes nothing: as many tokens are left, with the same probabilities", () => {
  /** @param {number[]} probs @param {number[]} left */
  const step = (probs, left) => ({
    key: "a",
    names: ["model", "top-p", "unsaid"],
    ids: Int32Array.of(7, 8),
    probs: Float32Array.from([0.5, 0.25, ...probs]),
    left: Int32Array.from([300, ...left]),
  });
  assert.equal(changes(step([0.75, 0.25, 0.75, 0.25], [2, 2]), "unsaid"), false);
  assert.equal(changes(step([0.75, 0.25, 1, 0], [2, 1]), "unsaid"), true);
  assert.equal(changes(step([0.75, 0.25, 0.75, 0.25], [9, 8]), "unsaid"), true); // of none of these two
  assert.equal(changes(step([1, 0, 0, 1], [1, 1]), "unsaid"), true); // nothing was left, so another one came
  assert.equal(changes(step([0.5, 0.25, 0.5, 0.25], [300, 300]), "top-p"), false);
});
