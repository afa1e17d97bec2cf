import assert from "node:assert/strict";
import { test } from "node:test";

import { chunkPlan, firstLoss, rewindPlan, ringAfter } from "../../../app/ring/plans.js";

/** A ring into which positions are written one after the other: nothing of plans.js is used.
 * @param {number} window @param {number} sinks */
function simulated(window, sinks) {
  /** @type {number[]} */
  const slots = new Array(window + sinks).fill(-1);
  let next = 0;
  return {
    slots,
    /** @param {number} position */
    write(position) {
      slots[next] = position;
      next++;
      if (next === slots.length) next = sinks;
    },
  };
}

/** @param {number} seen @param {number} window @param {number} sinks */
function ringOf(seen, window, sinks = 0) {
  const ring = simulated(window, sinks);
  for (let position = 0; position < seen; position++) ring.write(position);
  return ring.slots;
}

/** Keys that a query may see and that do not lie in these slots.
 * @param {number} query @param {number} window @param {number[]} slots @param {number} sinks */
function lacking(query, window, slots, sinks = 0) {
  const list = [];
  for (let key = 0; key <= query; key++)
    if ((query - key < window || key < sinks) && !slots.includes(key)) list.push(key);
  return list;
}

const WINDOWS = [1, 2, 5, 8];

test("a ring holds what a ring holds that was written token by token", () => {
  for (const window of WINDOWS)
    for (let seen = 0; seen <= 3 * window + 1; seen++) assert.deepEqual(ringAfter(seen, window), ringOf(seen, window));
});

test("a chunk reads the ring before it and leaves the ring after it", () => {
  for (const window of WINDOWS)
    for (let start = 0; start < 2 * window + 2; start++)
      for (let size = 1; size <= 2 * window + 2; size++) {
        const plan = chunkPlan(start, start + size, window);
        assert.deepEqual(plan.before, ringOf(start, window));
        assert.deepEqual(plan.after, ringOf(start + size, window));
      }
});

test("the first chunk in which the order matters is the first whose plan takes a key", () => {
  for (const window of WINDOWS)
    for (let prompt = 1; prompt <= 3 * window + 2; prompt++)
      for (let size = 1; size <= prompt; size++) {
        const chunks = Array.from({ length: Math.ceil(prompt / size) }, (_, i) => i);
        const takes = (/** @type {number} */ i) =>
          chunkPlan(i * size, Math.min(prompt, (i + 1) * size), window).doomed.length > 0;
        assert.equal(firstLoss(prompt, size, window), chunks.find(takes) ?? 0, `${prompt} by ${size}, W = ${window}`);
      }
  assert.equal(firstLoss(20, 8, Infinity), 0);
});

test("a chunk writes each slot at most once, and only what is still there at its end", () => {
  for (const window of WINDOWS)
    for (const size of [1, window, window + 1, 3 * window]) {
      const start = window + 1;
      const plan = chunkPlan(start, start + size, window);
      const ring = ringOf(start + size, window);
      assert.deepEqual(
        plan.writes,
        ring.filter((position) => position >= start).sort((a, b) => a - b),
      );
      assert.equal(new Set(plan.writes.map((position) => position % window)).size, plan.writes.length);
    }
});

test("a query sees itself and the W - 1 keys before it, never one before the text", () => {
  assert.deepEqual(chunkPlan(0, 9, 4).sees(6), [3, 4, 5, 6]);
  assert.deepEqual(chunkPlan(0, 9, 4).sees(1), [0, 1]);
  assert.deepEqual(chunkPlan(0, 9, 1).sees(6), [6]);
});

test("doomed are the keys that a query of the chunk would miss in the ring if the chunk were written first", () => {
  for (const window of WINDOWS)
    for (let start = 0; start < 2 * window + 2; start++)
      for (let size = 1; size <= 2 * window + 2; size++) {
        const ring = ringOf(start + size, window);
        const doomed = new Set();
        const plan = chunkPlan(start, start + size, window);
        for (let query = start; query < start + size; query++) {
          const missing = lacking(query, window, ring);
          assert.deepEqual(plan.missing(query), missing);
          for (const key of missing) doomed.add(key);
        }
        assert.deepEqual(new Set(plan.doomed), doomed, `W ${window}, chunk ${start} to ${start + size - 1}`);
        assert.deepEqual(
          plan.doomed,
          [...plan.doomed].sort((a, b) => a - b),
        );
      }
});

test("one token at a time dooms nothing, two dooms the oldest key that the first of them sees", () => {
  for (const window of WINDOWS) assert.deepEqual(chunkPlan(3 * window, 3 * window + 1, window).doomed, []);
  assert.deepEqual(chunkPlan(12, 14, 4).doomed, [9]);
  assert.deepEqual(chunkPlan(12, 14, 1).doomed, [12]);
});

test("a chunk longer than the ring dooms keys of its own", () => {
  const { doomed, writes } = chunkPlan(8, 18, 4);
  assert.deepEqual(writes, [14, 15, 16, 17]);
  assert.deepEqual(doomed, [5, 6, 7, 8, 9, 10, 11, 12, 13]);
});

test("going back needs the W - 1 keys before the query, and lost are those that the ring has overwritten", () => {
  for (const window of WINDOWS)
    for (let t = 0; t < 3 * window + 2; t++)
      for (let back = 0; back <= t + 1; back++) {
        const plan = rewindPlan(t, back, window);
        const ring = ringOf(t + 1, window);
        assert.equal(plan.from, t - back + 1);
        const needed = [];
        for (let key = 0; back && key < plan.from; key++) if (plan.from - key < window) needed.push(key);
        assert.deepEqual(plan.needed, needed);
        assert.deepEqual(
          plan.lost,
          needed.filter((key) => !ring.includes(key)),
        );
      }
});

test("the farthest that a ring can go back is everything until it has rolled, then one token", () => {
  for (const window of [2, 5, 8])
    for (let t = 0; t < 3 * window; t++) {
      let farthest = 0;
      while (farthest <= t && !rewindPlan(t, farthest + 1, window).lost.length && farthest < t + 1) farthest++;
      assert.equal(rewindPlan(t, 0, window).reach, farthest, `W ${window}, step ${t}`);
    }
});

test("with kept first positions a ring, a chunk and the way back are those of a ring that was written", () => {
  for (const window of WINDOWS)
    for (const sinks of [1, 2, 4])
      for (let start = 0; start < 2 * window + sinks + 2; start++)
        for (let size = 1; size <= window + 3; size++) {
          const end = start + size;
          const plan = chunkPlan(start, end, window, sinks);
          const after = ringOf(end, window, sinks);
          assert.deepEqual(plan.before, ringOf(start, window, sinks));
          assert.deepEqual(plan.after, after);
          assert.deepEqual([...plan.writes].sort(), after.filter((p) => p >= start).sort());
          for (let query = start; query < end; query++) {
            const keys = Array.from({ length: query + 1 }, (_, key) => key);
            const seen = keys.filter((key) => query - key < window || key < sinks);
            assert.deepEqual(plan.sees(query), seen);
            assert.deepEqual(plan.missing(query), lacking(query, window, after, sinks));
          }
          if (start % size === 0) {
            const first = firstLoss(end, size, window + sinks);
            if (plan.doomed.length)
              assert.ok(first <= start / size, `${start} + ${size}, W = ${window}, ${sinks} kept`);
            if (first === start / size && first > 0) assert.ok(plan.doomed.length > 0);
          }
          const t = end - 1;
          for (let back = 0; back <= t + 1; back++) {
            const way = rewindPlan(t, back, window, sinks);
            const needs = lacking(t - back + 1, window, after, sinks).filter((key) => key < t - back + 1);
            assert.deepEqual(way.lost, back ? needs : []);
          }
        }
});
