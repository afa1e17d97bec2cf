import { test } from "node:test";
import assert from "node:assert/strict";
import { lost, note, noteAddress, recalled, runOf } from "../../../app/kit/visit.js";

/** As `sessionStorage`. */
function drawer() {
  /** @type {Map<string, string>} */
  const held = new Map();
  return {
    getItem: (/** @type {string} */ key) => held.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void held.set(key, value),
  };
}

/** @param {string} text @param {string} more */
const address = (text, more = "") => `?model=m&text=${text}&seed=0&n=9${more}`;

test("a run is named by its request, wherever in it one is, and not by an address that was typed in part", () => {
  assert.deepEqual(runOf(address("a", "&t=3&layer=2&topk=5")), runOf(address("a", "&topk=5")));
  assert.notDeepEqual(runOf(address("a")), runOf(address("a", "&topk=5")));
  for (const search of ["", "?model=m", "?text=a&seed=0&n=9", "?model=m&text=&seed=0&n=9"])
    assert.equal(runOf(search), null);
});

test("another session lacks every text but the one that the address names, and is told once", () => {
  const kept = drawer();
  assert.equal(lost(kept, "one", ""), null, "the first visit has lost nothing");
  for (const text of ["a", "b", "a"]) noteAddress(kept, address(text));
  note(kept, { typed: "c", files: ["d"] });
  assert.equal(lost(kept, "one", address("a")), null, "the visit goes on");
  const gone = lost(kept, "two", address("a", "&t=4"));
  assert.deepEqual(
    gone?.runs.map(([, text]) => text),
    ["b"],
  );
  assert.deepEqual([gone?.typed, gone?.files], ["c", ["d"]]);
  assert.equal(lost(kept, "two", address("a")), null);
});

test("what was typed and is written is no loss, and no more texts are kept than a session has", () => {
  const kept = drawer();
  lost(kept, "one", "");
  for (let i = 0; i < 20; i++) noteAddress(kept, address(`t${i}`));
  note(kept, { typed: "t19" });
  const gone = lost(kept, "two", address("t19"));
  assert.equal(gone?.typed, "");
  assert.equal(gone?.runs.length, 7);
});

test("a browser that keeps nothing, or something else, is no fault", () => {
  const closed = { getItem: () => "{broken", setItem: () => assert.fail("full") };
  assert.deepEqual(recalled(closed).runs, {});
  assert.equal(lost(closed, "one", ""), null);
});
