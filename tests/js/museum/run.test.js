// The museum of mistakes in words and cells: what is read, besides or not at all.

import assert from "node:assert/strict";
import { test } from "node:test";

import { firstPlace, MuseumRun, ranges, stretch } from "../../../app/museum/run.js";
import { said, sentence } from "../../../app/museum/said.js";
import { verdict } from "../../../app/museum/caught.js";

/** Shares of a text of four tokens. @param {number[][]} rows */
const shares = (rows) => Uint16Array.from(rows.flat().map((share) => Math.round(share * 65535)));

/** @param {object} [meta] @param {object} [arrays] */
function run(meta = {}, arrays = {}) {
  const tokens = ["<s>", " a", " b", " c"].map((text, id) => [text, text, id]);
  const header = { run: "r", tokens, measured: null, at: null, window: 2, drawing: "reads", stories: [], ...meta };
  return new MuseumRun(/** @type {any} */ (header), /** @type {any} */ (arrays));
}

const RIGHT = shares([
  [1, 0, 0, 0],
  [0.5, 0.5, 0, 0],
  [0, 0.5, 0.5, 0],
  [0, 0, 0.5, 0.5],
]);

test("positions are said as ranges", () => {
  assert.equal(ranges([]), "none");
  assert.equal(ranges([3]), "3");
  assert.equal(ranges([0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8");
});

test("what is read besides, not at all, and from empty slots is said of the word that is looked at", () => {
  const wrong = shares([
    [1, 0, 0, 0],
    [0.25, 0.25, 0, 0],
    [1 / 3, 1 / 3, 1 / 3, 0],
    [0, 0, 0, 1],
  ]);
  const shown = run({}, { read_right: RIGHT, read_wrong: wrong });
  assert.match(said(shown, 0), /^Token 0, “<s>”, should read 1 token: 0\. With the mistake it reads the same\.$/);
  assert.match(said(shown, 1), /50 % of what it reads is empty slots/);
  assert.match(said(shown, 2), /should read 2 tokens: 1–2\. With the mistake it reads 0 besides\./);
  assert.match(said(shown, 3), /With the mistake it misses 2\./);
  assert.deepEqual(shown.read("wrong", 3), { keys: [3], empty: 0 });
});

test("a key that seems to stand ahead is said to", () => {
  const turned = { turned_right: Float32Array.of(0, 1, 2, 3), turned_wrong: Float32Array.of(0, 1, 0, 1) };
  assert.match(
    said(run({ drawing: "distance" }, turned), 2),
    /token 1, stands 1 back and seems to stand 1 ahead of it/,
  );
});

test("the eye goes to the first wrong position, else to where the hand was", () => {
  assert.equal(firstPlace(run({ measured: { errs_from: 2 }, at: 1 })), 2);
  assert.equal(firstPlace(run({ measured: { errs_from: null }, at: 1 })), 1);
  assert.equal(firstPlace(run()), 3);
});

test("a stretch of the mask holds its word and never leaves the text", () => {
  assert.deepEqual(stretch(100, 50, 20), { from: 40, size: 20 });
  assert.deepEqual(stretch(100, 2, 20), { from: 0, size: 20 });
  assert.deepEqual(stretch(100, 99, 20), { from: 80, size: 20 });
  assert.deepEqual(stretch(5, 3, 20), { from: 0, size: 5 });
});

test("where it errs is said, and rounding is called so", () => {
  const facts = { written: /** @type {[string, string]} */ (["", ""]), same: 0, largest: 12 };
  assert.match(sentence({ ...facts, errs_from: 16, expected: 16 }, 3), /bit for bit before position 16, as it must be/);
  assert.match(sentence({ ...facts, errs_from: 15, expected: 16 }, 3), /the story says 16/);
  assert.match(sentence({ ...facts, errs_from: 2, expected: null }, 1e-5), /^Rounding alone/);
  assert.match(sentence({ ...facts, errs_from: null, expected: null }, 0), /^No bit/);
});

test("the lesson follows from the checks that fail", () => {
  const none = { lines: [] };
  assert.match(verdict({ ...none, by: ["golden logits"], others_alone: true }, "half-split"), /agrees with itself/);
  assert.match(verdict({ ...none, by: ["chunked prefill"], others_alone: false }, "x"), /^Yes: chunked prefill/);
  assert.match(verdict({ ...none, by: [], others_alone: false }, "other-order"), /none should/);
  assert.match(verdict({ ...none, by: [], others_alone: false }, "trim-after-wrap"), /only what it tries/);
});
