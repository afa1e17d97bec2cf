import assert from "node:assert/strict";
import { test } from "node:test";

import { HopBins } from "../../../app/reach/hops.js";
import { numbers, reaching, readingOf, touchedBy } from "./texts.js";

const WINDOWS = [[4], [3, 3, 3], [2, 5, 1, 3], [6, 2, 2], [1, 1]];
const COUNT = 30;

/** @param {(windows: number[], anchor: number) => void} check */
function everywhere(check) {
  for (const windows of WINDOWS) for (let anchor = 0; anchor < COUNT; anchor++) check(windows, anchor);
}

/** The first row in which a position is touched, walked edge by edge; L + 1 = never.
 * @param {boolean[][]} rows  from the anchor on
 * @param {number} position */
function firstTouched(rows, position) {
  const row = rows.findIndex((touched) => touched[position]);
  return row < 0 ? rows.length : row;
}

test("hops on from a word are the layers after which it first touches a position", () => {
  everywhere((windows, source) => {
    const bins = new HopBins(readingOf(windows, COUNT, { reading: "forward", source }));
    const rows = touchedBy(windows, COUNT, source);
    for (let position = 0; position < COUNT; position++)
      assert.equal(bins.hops(position), position < source ? -1 : firstTouched(rows, position));
  });
});

test("hops back from a prediction are the layers, from the top, through which a position first gets there", () => {
  everywhere((windows, target) => {
    const bins = new HopBins(readingOf(windows, COUNT, { reading: "backward", target }));
    const rows = reaching(windows, COUNT, target).reverse();
    for (let position = 0; position < COUNT; position++)
      assert.equal(bins.hops(position), position > target ? -1 : firstTouched(rows, position));
  });
});

test("the bins hold every position on this side of the origin once, at the distances that they name", () => {
  for (const reading of /** @type {const} */ (["forward", "backward", "corridor"])) {
    everywhere((windows, anchor) => {
      const choice = { reading, source: anchor, target: reading === "corridor" ? COUNT - 1 : anchor };
      const bins = new HopBins(readingOf(windows, COUNT, choice));
      const held = [];
      for (let hops = 0; hops < bins.count; hops++) {
        const ends = bins.positions(hops);
        const [near, far] = bins.distances(hops);
        for (let position = 0; ends && position < COUNT; position++) {
          if (position < ends[0] || position > ends[1]) continue;
          const distance = Math.abs(position - anchor);
          assert.ok(near <= distance && distance <= far);
          assert.equal(bins.hops(position), hops);
          held.push(position);
        }
      }
      const side = Array.from({ length: COUNT }, (_, i) => i).filter((i) => (bins.back ? i <= anchor : i >= anchor));
      assert.deepEqual(
        held.sort((a, b) => a - b),
        side,
      );
    });
  }
});

test("a bin without a token in the text has no positions and no peak", () => {
  const bins = new HopBins(readingOf([4, 4], 6, { reading: "forward", source: 1 }, { kl: new Float32Array(6) }));
  assert.deepEqual(bins.positions(2), [5, 5], "6 to 7 are beyond the text");
  assert.equal(bins.positions(3), null);
  assert.equal(bins.peak(0, 3), null);
  assert.equal(bins.peak(null, 3), null);
});

test("columns run to the right forward, and to the left back from a prediction", () => {
  const forward = new HopBins(readingOf([4, 4], COUNT, { reading: "forward", source: 5 }));
  const backward = new HopBins(readingOf([4, 4], COUNT, { reading: "backward", target: 25 }));
  assert.deepEqual(
    [0, 1, 2, 3].map((hops) => forward.column(hops)),
    [0, 1, 2, 3],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((hops) => backward.column(hops)),
    [3, 2, 1, 0],
  );
});

test("inside is where theory lets something arrive: all positions of the bin, and the text need not have them", () => {
  const long = 90; // so long that no bin within reach is cut off
  for (const windows of [...WINDOWS, [7, 7]]) {
    const forward = new HopBins(readingOf(windows, long, { reading: "forward", source: 0 }));
    const backward = new HopBins(readingOf(windows, long, { reading: "backward", target: long - 1 }));
    const ahead = touchedBy(windows, long, 0);
    const back = reaching(windows, long, long - 1);
    for (const [bins, cells] of /** @type {const} */ ([
      [forward, ahead],
      [backward, back],
    ])) {
      const short = new HopBins(readingOf(windows, 1, { reading: bins.back ? "backward" : "forward" }));
      for (let row = 0; row <= windows.length; row++) {
        for (let hops = 0; hops < bins.count; hops++) {
          const ends = bins.positions(hops);
          if (!ends) continue; // a layer that sees only itself has an empty bin
          const touched = cells[row].slice(ends[0], ends[1] + 1);
          assert.equal(bins.inside(row, hops), touched.every(Boolean), `${windows} ${row} ${hops}`);
          assert.equal(bins.inside(row, hops), touched.some(Boolean), `${windows} ${row} ${hops}`);
          assert.equal(short.inside(row, hops), bins.inside(row, hops));
        }
      }
    }
  }
});

test("inside a corridor is what the source touches and the target can still use, in part of the bin at least", () => {
  const long = 60;
  for (const windows of [
    [4, 4, 4],
    [2, 5, 3],
    [6, 2, 2],
  ]) {
    for (let distance = 0; distance <= 14; distance++) {
      const choice = { source: 20, target: 20 + distance };
      const bins = new HopBins(readingOf(windows, long, { reading: "corridor", ...choice }));
      const ahead = touchedBy(windows, long, choice.source);
      const back = reaching(windows, long, choice.target);
      for (let row = 0; row <= windows.length; row++) {
        for (let hops = 0; hops < bins.count; hops++) {
          const ends = bins.positions(hops);
          if (!ends) continue;
          const some = ahead[row].some((on, i) => on && back[row][i] && i >= ends[0] && i <= ends[1]);
          assert.equal(bins.inside(row, hops), some, `${windows}, ${distance} apart, row ${row}, ${hops} hops`);
        }
      }
    }
  }
});

test("the peak of a bin is its largest value by size, in every row and under the grid", () => {
  const next = numbers(7);
  for (const windows of WINDOWS) {
    for (const reading of /** @type {const} */ (["forward", "backward", "corridor"])) {
      const cells = (windows.length + 1) * COUNT;
      const grid = Float32Array.from({ length: cells }, () => (next() < 0.3 ? 0 : next() - 0.5));
      const kl = Float32Array.from({ length: COUNT }, next);
      const bins = new HopBins(readingOf(windows, COUNT, { reading, source: 11, target: 17 }, { grid, kl }));
      for (const row of [null, ...grid.subarray(0, windows.length + 1).keys()]) {
        const below = reading === "backward" ? grid.subarray(0, COUNT) : kl;
        const values = row === null ? below : grid.subarray(row * COUNT, (row + 1) * COUNT);
        for (let hops = 0; hops < bins.count; hops++) {
          const sizes = [...values].map((value, i) => (bins.hops(i) === hops ? Math.abs(value) : -1));
          const largest = Math.max(...sizes);
          const peak = bins.peak(row, hops);
          if (largest < 0) assert.equal(peak, null);
          else assert.deepEqual(peak, { position: sizes.indexOf(largest), value: values[sizes.indexOf(largest)] });
        }
      }
    }
  }
});

test("what was not measured is no peak while the bin has something measured", () => {
  const grid = Float32Array.from({ length: 3 * 9 }, (_, i) => (i % 9 < 4 ? NaN : 1e-9 * (i % 9)));
  const bins = new HopBins(readingOf([5, 5], 9, { reading: "forward", source: 1 }, { grid }));
  assert.equal(bins.peak(0, 1)?.position, 5);
  assert.ok(Number.isNaN(bins.peak(0, 0)?.value));
});
