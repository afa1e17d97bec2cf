import assert from "node:assert/strict";
import { test } from "node:test";

import { Windows } from "../../../app/kit/windows.js";

/** @param {(number | null)[]} windows */
function of(windows) {
  const made = new Windows();
  made.setReach(windows);
  return made;
}

/**
 * Layers, counted from the top, after which a position this far back has been read: by walking every way.
 *
 * @param {number[]} windows
 * @param {number} distance
 */
function walked(windows, distance) {
  let reached = new Set([0]);
  for (let k = 0; k <= windows.length; k++) {
    if (reached.has(distance)) return k;
    const window = windows[windows.length - 1 - k];
    const next = new Set();
    for (const from of reached) for (let step = 0; step < window; step++) next.add(from + step);
    reached = next;
  }
  return -1;
}

for (const windows of [[4], [1, 1], [3, 3, 3], [2, 5, 3], [6, 1, 2, 4]]) {
  test(`with windows of ${windows.join(", ")} hops and reach are those of every way walked`, () => {
    const made = of(windows);
    for (let distance = 0; distance < 20; distance++) assert.equal(made.hops(distance), walked(windows, distance));
    const far = Array.from({ length: 20 }, (_, distance) => distance).findLast((d) => walked(windows, d) >= 0);
    assert.equal(made.reach, far);
    assert.equal(made.smallest, Math.min(...windows));
  });
}

test("a layer without a window reaches everything, in as many hops as it lies below the top", () => {
  const made = of([3, null, 3]);
  assert.equal(made.reach, Infinity);
  assert.deepEqual(
    [0, 2, 3, 1000].map((distance) => made.hops(distance)),
    [0, 1, 2, 2],
  );
});

test("a slot holds what a ring that is written token by token has in it", () => {
  const made = of([5]);
  for (const window of [1, 2, 5, 8]) {
    const ring = new Array(window).fill(-1);
    for (let t = 0; t < 40; t++) {
      ring[t % window] = t;
      assert.deepEqual(
        ring.map((_, slot) => made.held(slot, t, window)),
        ring,
      );
    }
  }
});

test("windows are named by their sizes, and by how many layers have none", () => {
  assert.equal(of([null, null]).windowName(), "no window");
  assert.equal(of([4096, 4096]).windowName(), "window 4,096");
  assert.equal(of([16, 1024]).windowName(), "windows 16 to 1,024");
  assert.equal(of([16, null, null]).windowName(), "window 16, 2 layers without");
});

test("kept first positions are seen by every query, lie in slots of their own and are never overwritten", () => {
  for (const window of [1, 3, 8])
    for (const sinks of [0, 1, 2, 4]) {
      const made = new Windows();
      made.setReach([window, window], sinks);
      const slots = new Array(window + sinks).fill(-1);
      for (let t = 0, next = 0; t < 3 * window + 9; t++, next = next + 1 < slots.length ? next + 1 : sinks) {
        assert.equal(made.slot(t, made.slotsOf(0)), next);
        assert.equal(made.overwrites(t, 0), slots[next]);
        if (slots[next] >= 0) assert.equal(made.leaves(slots[next], window), t);
        slots[next] = t;
        slots.forEach((position, slot) => {
          assert.equal(made.held(slot, t, slots.length), position);
          if (position >= 0) assert.ok(made.sees(0, t, position));
        });
        const nearest = slots.filter((position) => position >= 0).map((position) => t - position);
        assert.deepEqual(
          made.offsets(t, window),
          nearest.sort((a, b) => a - b),
        );
        for (let key = 0; key <= t; key++) {
          assert.equal(made.sees(0, t, key), slots.includes(key));
          const column = made.column(window, t, t - key);
          const wanted = t - key < window ? t - key : key < sinks ? window + key : -1;
          assert.equal(column, wanted);
          assert.equal(made.outside(t, window).includes(key), key < sinks && t - key >= window);
        }
      }
      for (let position = 0; position < sinks; position++) {
        assert.equal(made.leaves(position, window), Infinity);
        assert.equal(made.hops(500 - position, position), 1);
      }
      assert.equal(made.hops(500, sinks), -1);
    }
});
