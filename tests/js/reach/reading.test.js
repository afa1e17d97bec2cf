import assert from "node:assert/strict";
import { test } from "node:test";

import { inReading, movedTo } from "../../../app/reach/choice.js";
import { firstWall } from "../../../app/reach/cut.js";
import { SCALES } from "../../../app/reach/decades.js";
import { Network } from "../../../app/reach/network.js";
import { ReachRun } from "../../../app/reach/run.js";
import { header, reaching, readingOf, touchedBy } from "./texts.js";

const WINDOWS = [[4], [3, 3, 3], [2, 5, 1, 3], [null, 2], [2, null, 3], [null]];
const COUNT = 24;

test("the cells within the edge are those that a walk along the attention edges touches", () => {
  for (const windows of WINDOWS) {
    for (const [source, target] of [
      [0, 0],
      [3, 9],
      [7, 8],
      [10, 23],
      [23, 23],
    ]) {
      const ahead = touchedBy(windows, COUNT, source);
      const back = reaching(windows, COUNT, target);
      const walked = {
        forward: ahead,
        backward: back,
        corridor: ahead.map((cells, row) => cells.map((on, i) => on && back[row][i])),
      };
      for (const reading of /** @type {const} */ (["forward", "backward", "corridor"])) {
        const asked = readingOf(windows, COUNT, { reading, source, target });
        for (const [row, cells] of walked[reading].entries())
          assert.deepEqual(
            cells.map((_, i) => asked.within(row, i)),
            cells,
            `${reading}, ${windows}, row ${row}`,
          );
      }
    }
  }
});

test("another window is one and the same in every layer, and the edge of what was asked moves with it", () => {
  const trained = readingOf([16, 4], COUNT, { reading: "forward", source: 2 });
  assert.equal(trained.network.reach, 18);
  assert.equal(trained.asking({ window: 3 }).network.reach, 4);
  assert.deepEqual(trained.asking({ window: 3 }).network.forwardEdges, [0, 2, 4]);
  assert.equal(trained.network.reach, 18, "the reading that is drawn stays what it is");
});

test("a layer without a window lets everything through, from its row on", () => {
  const network = new Network([3, null, 2]);
  assert.deepEqual(network.forwardEdges, [0, 2, Infinity, Infinity]);
  assert.deepEqual(network.backwardEdges, [Infinity, Infinity, 1, 0]);
  assert.equal(network.large, false, "hops cannot be counted where one hop goes everywhere");
});

test("hops of a distance are the layers from the top that are needed for it", () => {
  const network = new Network([6, 2, 2]);
  assert.deepEqual(
    [0, 1, 2, 3, 7, 8].map((distance) => network.hops(distance)),
    [0, 1, 2, 3, 3, -1],
  );
});

test("nothing is measured while a question waits, and the numbers of the last answer are not taken for its own", () => {
  const grid = new Float32Array(2 * COUNT).fill(0.5);
  const answered = readingOf(
    [4],
    COUNT,
    { reading: "forward", source: 2 },
    { grid, kl: new Float32Array(COUNT).fill(1) },
  );
  assert.equal(answered.value(1, 3), 0.5);
  assert.ok(answered.tint(3, SCALES.deep) > 0);
  const waiting = answered.asking({ source: 5 });
  assert.ok(Number.isNaN(waiting.value(1, 3)));
  assert.equal(waiting.tint(3, SCALES.deep), 0);
  assert.equal(waiting.choice.source, 5);
});

test("a click moves the end that it is for, and a corridor never turns round", () => {
  const choice = header([4], COUNT, { reading: "corridor", source: 5, target: 9, replacement: 3 }).choice;
  assert.deepEqual(movedTo(choice, 12, "source"), { ...choice, source: 9, replacement: null });
  assert.deepEqual(movedTo(choice, 2, "target"), { ...choice, target: 5 });
  assert.deepEqual(movedTo({ ...choice, reading: "forward" }, 5, "target"), { ...choice, reading: "forward" });
  assert.equal(movedTo({ ...choice, reading: "backward" }, 7, "source").target, 7);
});

const text = { count: 100, reach: 12, window: 4, targeted: false, felt: (/** @type {number} */ _) => NaN };

test("a corridor begins with a pair that can reach each other", () => {
  const far = header([4], 100, { reading: "forward", source: 10, target: 60 }).choice;
  assert.deepEqual(inReading(far, "corridor", text), { ...far, reading: "corridor", target: 14 });
  const back = { ...far, reading: /** @type {const} */ ("backward") };
  assert.deepEqual(inReading(back, "corridor", text), { ...back, reading: "corridor", source: 56 });
  const near = { ...far, target: 15 };
  assert.deepEqual(inReading(near, "corridor", text), { ...near, reading: "corridor" });
});

test("a corridor begins with the strongest measured effect beyond one window, and leaves what was chosen", () => {
  const forward = header([4], 100, { reading: "forward", source: 10, target: 13 }).choice;
  const at = (/** @type {Record<number, number>} */ values) => (/** @type {number} */ p) => values[p] ?? 0;
  const felt = at({ 11: 9, 13: 8, 14: 0.1, 17: 0.4, 21: 0.3, 22: 5, 40: 7 }); // a window is 4, the edge 12
  assert.equal(inReading(forward, "corridor", { ...text, felt }).target, 17);
  assert.equal(inReading(forward, "corridor", { ...text, felt, targeted: true }).target, 13);
  const back = { ...forward, reading: /** @type {const} */ ("backward"), target: 25 };
  assert.equal(inReading(back, "corridor", { ...text, felt, targeted: true }).source, 17);
  assert.equal(
    inReading(back, "corridor", { ...text, felt: () => 0 }).source,
    21,
    "nothing is felt: a third of the reach",
  );
});

test("back from a prediction shows the whole staircase, unless the visitor chose one", () => {
  const choice = header([4], 100, { reading: "forward", source: 10, target: 60 }).choice;
  assert.equal(inReading(choice, "backward", { ...text, count: 100 }).target, 22);
  assert.equal(inReading(choice, "backward", { ...text, count: 15 }).target, 14);
  assert.equal(inReading(choice, "backward", { ...text, targeted: true }).target, 60);
});

test("a wall first stands in the middle of a corridor, else half a window off, and always between two words", () => {
  const text = { source: 8, target: 20 };
  assert.equal(firstWall(readingOf([16, 16], COUNT, { reading: "forward", ...text })), 16);
  assert.equal(firstWall(readingOf([16, 16], COUNT, { reading: "backward", ...text })), 12);
  assert.equal(firstWall(readingOf([16, 16], COUNT, { reading: "corridor", ...text })), 14);
  assert.equal(firstWall(readingOf([16, 16], 12, { reading: "forward", ...text })), 10);
  assert.equal(firstWall(readingOf([null], COUNT, { reading: "forward", ...text })), 0);
});

test("a token says of which word it is a piece, and a whole word, a sign and a number say nothing", () => {
  const texts = ["", " The", " fo", "x", " ran", ",", " run", "ning", " 19", "7", "\nSo", "ä", "r"];
  const run = new ReachRun({ ...header([4], 1), tokens: texts.map((text, i) => [text, text.trim(), i]) });
  assert.deepEqual(
    texts.map((_, position) => run.wordAround(position)),
    ["", "", "fox", "fox", "", "", "running", "running", "", "", "Soär", "Soär", "Soär"],
  );
});
