import assert from "node:assert/strict";
import { test } from "node:test";

import { BOXES, inWords, written } from "../../../app/inside_a_block/boxes.js";
import { layOut, statistics } from "../../../app/inside_a_block/strip.js";
import { tokensOf, turning } from "../../../app/inside_a_block/rope_panel.js";
import { python } from "../payloads.js";

test("the boxes are those that Python works out, in the same order, with the same hooks", () => {
  const program = "import json; from mistral_core.analysis.worked_cell import STORED; print(json.dumps(STORED))";
  /** @type {Record<string, string>} */
  const stored = JSON.parse(String(python(program)));
  assert.deepEqual(
    BOXES.map(({ id }) => id),
    Object.keys(stored),
  );
  for (const { id, hook } of BOXES) assert.ok(id === "ring" || hook === stored[id], id);
});

test("no two boxes stand in the same place of the diagram", () => {
  const cells = new Set();
  for (const { id, place } of BOXES) {
    const [row, column, below, beyond] = place.split(" / ").map(Number);
    for (let r = row; r < below; r++)
      for (let c = column; c < beyond; c++) {
        assert.ok(!cells.has(`${r},${c}`), id);
        cells.add(`${r},${c}`);
      }
  }
});

test("a shape is said in words", () => {
  assert.equal(inWords("resid_pre", [256]), "256 numbers");
  assert.equal(inWords("q", [8, 32]), "256 numbers, 8 heads of 32");
  assert.equal(inWords("k", [1, 32]), "32 numbers, 1 key/value head of 32");
  assert.equal(inWords("scores", [6, 1]), "6 numbers, 6 heads of 1 key");
});

test("numbers are written with four digits, a true minus and infinity", () => {
  assert.equal(written(-67.10634), "−67.1063");
  assert.equal(written(345.6789), "345.68");
  assert.equal(written(0), "0");
  assert.equal(written(-0.0000123), "−1.23e−5");
  assert.equal(written(null), "−∞");
  assert.equal(written(-Infinity), "−∞");
});

test("statistics leave minus infinity out and are those of the definition", () => {
  const facts = statistics(Float32Array.of(3, -4, -Infinity, 0, 1));
  assert.equal(facts.count, 4);
  assert.equal(facts.mean, 0);
  assert.equal(facts.deviation, Math.sqrt(26 / 4));
  assert.equal(facts.length, Math.sqrt(26));
  assert.deepEqual([facts.least, facts.most, facts.top], [-4, 3, 4]);
});

test("a list is laid out in rows, heads in theirs", () => {
  assert.deepEqual(layOut([256]), [8, 32]);
  assert.deepEqual(layOut([256], 64), [4, 64]);
  assert.deepEqual(layOut([5]), [1, 5]);
  assert.deepEqual(layOut([8, 16]), [8, 16]);
});

test("pairs turn as Python says", () => {
  const program =
    "import json; from mistral_core.analysis.score_split import wavelengths; " +
    "print(json.dumps(wavelengths(32, 1e4).tolist()))";
  const expected = JSON.parse(String(python(program)));
  expected.forEach((/** @type {number} */ tokens, /** @type {number} */ pair) => {
    const { wavelength, each } = turning(pair, 32, 1e4);
    assert.ok(Math.abs(wavelength / tokens - 1) < 1e-12);
    assert.ok(Math.abs(each * tokens - 2 * Math.PI) < 1e-9);
  });
  assert.deepEqual([6.28, 1234.5, 5e6].map(tokensOf), ["6.3", "1,235", "5.0e+6"]);
});
