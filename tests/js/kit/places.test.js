import assert from "node:assert/strict";
import { test } from "node:test";

Object.assign(globalThis, { addEventListener() {} }); // the module of leaving listens to the page, and there is none
const { keepPlace, placeOf, reportedPlace, takePlace, unreported } = await import("../../../app/kit/places.js");
const { departure } = await import("../../../app/kit/leaving.js");

/**
 * A picture of a run of 20 tokens and 4 layers, somewhere in it.
 *
 * @param {string} id
 * @param {Partial<import("../../../app/kit/places.js").Placed>} change
 */
function picture(id, change = {}) {
  const made = {
    run: { id, count: 20, layers: 4, middle: 2, meta: { mode: /** @type {"desk" | "start"} */ ("desk") } },
    t: 3,
    layer: 1,
    head: 2,
    /** @type {number | null} */
    target: null,
    moved: true,
    settled: 0,
    settle: () => {
      made.settled += 1;
    },
    /** @type {(t: number, layer: number, head: number) => void} */
    goQuietly: (t, layer, head) => {
      Object.assign(made, { t, layer, head });
    },
    ...change,
  };
  return made;
}

test("a run that nobody put anywhere has no place", () => {
  keepPlace(picture("untouched", { moved: false }));
  assert.equal(placeOf("untouched", null), null);
});

test("where a hand put the eye the next page opens", () => {
  keepPlace(picture("moved"));
  const next = picture("moved", { t: 0, layer: 0, head: -1, moved: false });
  const place = placeOf("moved", null);
  assert.ok(place);
  takePlace(next, place);
  assert.deepEqual([next.t, next.layer, next.head, next.moved], [3, 1, 2, true]);
});

test("the end of a text stays its end when it grows", () => {
  keepPlace(picture("growing", { t: 19 }));
  const place = placeOf("growing", null);
  assert.ok(place?.end);
  const longer = picture("growing");
  longer.run.count = 33;
  takePlace(longer, place);
  assert.equal(longer.t, 32);
});

test("a newer place from a link goes before what a hand did, and an older one does not come back", () => {
  const link = { t: 8, layer: 0, head: -1 };
  assert.equal(placeOf("linked", link)?.t, 8);
  keepPlace(picture("linked", { t: 5 }));
  assert.equal(placeOf("linked", link)?.t, 5, "the same link is known already");
  assert.equal(placeOf("linked", { ...link, t: 9 })?.t, 9);
});

test("what Python was not told before the page was left, the next page tells", () => {
  const left = picture("left", { t: 6 });
  keepPlace(left);
  departure.at = performance.now();
  assert.equal(reportedPlace(left), null, "nobody would hear it");
  departure.at = -Infinity;
  const place = unreported("left");
  assert.ok(place);
  const next = picture("left");
  takePlace(next, place);
  assert.equal(next.settled, 1);
  assert.deepEqual(reportedPlace(next), { run: "left", t: 6, layer: 1, head: 2 });
  assert.equal(unreported("left"), null);
});

test("a group of heads is known on its own page only: elsewhere it is the mean", () => {
  const group = picture("grouped", { head: -3 });
  keepPlace(group);
  assert.equal(placeOf("grouped", null)?.head, -1);
  assert.equal(reportedPlace(group)?.head, -1);
});

test("the first minute keeps no place", () => {
  const start = picture("start");
  start.run.meta.mode = "start";
  keepPlace(start);
  assert.equal(placeOf("start", null), null);
});
