import assert from "node:assert/strict";
import { test } from "node:test";

import { Run } from "../../../app/kit/run.js";
import { payloadOf } from "../payloads.js";

const TEXT = [5, 9, 200, 3, 77, 5, 5, 18, 42, 7];

/** @param {number} t @param {number} layer @param {number} head @param {number} offset */
const weight = (t, layer, head, offset) => ((t * 31 + layer * 17 + head * 7 + offset * 3) % 50) / 50;

/** @param {Run} run */
function holds(run, ids = TEXT) {
  assert.equal(run.count, ids.length);
  assert.deepEqual(run.ids, ids);
  assert.deepEqual(
    run.texts,
    ids.map((id) => ` t${id}`),
  );
  assert.deepEqual(
    run.labels,
    ids.map((id) => `t${id}`),
  );
  ids.forEach((id, t) => {
    assert.equal(run.bits(t), Math.fround(id / 100));
    assert.equal(run.p(t), t ? Math.fround(id / 1000) : Number.NaN);
    assert.equal(run.rankOf(t), t ? id % 7 : -1);
  });
}

/** @param {Run} run @param {number} width */
function attends(run, width, windows = 2, heads = 2) {
  for (let t = 0; t < run.count; t++)
    for (let layer = 0; layer < windows; layer++)
      for (let offset = 0; offset < width; offset++) {
        let sum = 0;
        for (let head = 0; head < heads; head++) {
          sum += weight(t, layer, head, offset) / heads;
          const close = Math.abs(run.weight(t, layer, head, offset) - weight(t, layer, head, offset));
          assert.ok(close < 2e-5, `head ${head} of layer ${layer} at ${t}, ${offset} back`);
        }
        assert.ok(Math.abs(run.weight(t, layer, -1, offset) - sum) < 2e-5, "the mean of the heads");
      }
}

test("payloads that follow each other are one text", () => {
  const run = new Run("a run");
  assert.deepEqual(run.absorb(payloadOf(TEXT, { to: 4 })), { gap: false, grew: true, rewritten: false });
  assert.deepEqual(run.absorb(payloadOf(TEXT, { from: 4 })), { gap: false, grew: true, rewritten: false });
  holds(run);
});

test("of payloads that overlap only what is new is appended", () => {
  const run = new Run("a run");
  run.absorb(payloadOf(TEXT, { to: 6, width: 4, weight }));
  run.absorb(payloadOf(TEXT, { from: 2, width: 4, weight }));
  holds(run);
  attends(run, 4);
  assert.deepEqual(run.absorb(payloadOf(TEXT)), { gap: false, grew: false, rewritten: false });
  holds(run);
});

test("tokens that are missing are said to be missing, and nothing is appended behind the gap", () => {
  const run = new Run("a run");
  run.absorb(payloadOf(TEXT, { to: 3 }));
  assert.deepEqual(run.absorb(payloadOf(TEXT, { from: 5 })), { gap: true, grew: false, rewritten: false });
  holds(run, TEXT.slice(0, 3));
  run.absorb(payloadOf(TEXT, { from: 3 }));
  holds(run);
});

test("a text that differs takes the place of the old one", () => {
  const run = new Run("a run");
  run.absorb(payloadOf(TEXT));
  const other = TEXT.with(4, 78);
  assert.equal(run.absorb(payloadOf(other)).rewritten, true);
  holds(run, other);
});

test("a text that differs before what a payload contains is forgotten and asked for again", () => {
  const run = new Run("a run");
  run.absorb(payloadOf(TEXT));
  const other = TEXT.with(1, 10);
  assert.deepEqual(run.absorb(payloadOf(other, { from: 6 })), { gap: true, grew: false, rewritten: true });
  assert.equal(run.count, 0);
  run.absorb(payloadOf(other));
  holds(run, other);
});

test("a text that has become shorter is cut where Python has it end", () => {
  const run = new Run("a run");
  run.absorb(payloadOf(TEXT));
  assert.equal(run.absorb(payloadOf(TEXT.slice(0, 6))).rewritten, true);
  holds(run, TEXT.slice(0, 6));
  const other = TEXT.with(6, 19);
  run.absorb(payloadOf(other, { from: 6, to: 8 }));
  assert.equal(run.absorb(payloadOf(other, { from: 7 })).rewritten, false);
  holds(run, other);
});

test("a text of more tokens than a column has room for loses none", () => {
  const long = Array.from({ length: 1000 }, (_, i) => (i * 13) % 256);
  const run = new Run("a run");
  for (let from = 0; from < 1000; from += 90)
    run.absorb(payloadOf(long, { from, to: Math.min(1000, from + 90), width: 4, weight }));
  holds(run, long);
  attends(run, 4);
});

test("attention rows that get longer with the text are spread out anew", () => {
  const run = new Run("a run");
  const windows = [null, null];
  const growing = (/** @type {number} */ to) => ({ windows, width: to, weight, to });
  for (const to of [2, 3, 7, 10]) run.absorb(payloadOf(TEXT, { from: Math.max(0, to - 4), ...growing(to) }));
  assert.equal(run.width, 10);
  for (let t = 0; t < 10; t++)
    for (let offset = 0; offset <= t; offset++)
      assert.ok(Math.abs(run.weight(t, 1, 1, offset) - weight(t, 1, 1, offset)) < 4e-5, `${t}, ${offset} back`);
});

test("a payload with shorter attention rows than the run has fits into it", () => {
  const run = new Run("a run");
  const windows = [null, null];
  run.absorb(payloadOf(TEXT, { windows, width: 10, weight }));
  run.absorb(payloadOf(TEXT.slice(0, 5), { windows, width: 10, weight }));
  run.absorb(payloadOf(TEXT, { from: 5, windows, width: 6, weight }));
  assert.equal(run.width, 10);
  for (let t = 5; t < 10; t++) {
    for (let offset = 0; offset < 6; offset++)
      assert.ok(Math.abs(run.weight(t, 1, 0, offset) - weight(t, 1, 0, offset)) < 2e-5);
    assert.equal(run.weight(t, 1, 0, 8), 0);
  }
});

test("attention that was not sent, or of a token that is not here, is not a number", () => {
  const run = new Run("a run");
  run.absorb(payloadOf(TEXT));
  assert.equal(run.weight(3, 0, 0, 1), Number.NaN);
  const other = new Run("a run");
  other.absorb(payloadOf(TEXT, { to: 4, width: 4, weight }));
  assert.equal(other.weight(4, 0, 0, 1), Number.NaN);
  assert.equal(other.weight(3, 0, 0, 4), 0);
});

test("attention of a layer that was not kept is not a number, and a picture opens with one that was", () => {
  const run = new Run("a run");
  const payload = payloadOf(TEXT, { windows: [4, 4, 4, 4], width: 4, weight });
  Object.assign(payload.header.pattern ?? {}, { missing: [0, 2] });
  run.absorb(payload);
  assert.equal(run.weight(3, 2, 0, 1), Number.NaN);
  assert.ok(Math.abs(run.weight(3, 1, 0, 1) - weight(3, 1, 0, 1)) < 2e-5);
  assert.equal(run.middle, 3);
  assert.deepEqual(
    run.layerChoices().map(([, label]) => label),
    ["1, not kept", "2", "3, not kept", "4"],
  );
  const whole = new Run("another");
  whole.absorb(payloadOf(TEXT, { windows: [4, 4, 4, 4], width: 4, weight }));
  assert.equal(whole.middle, 2);
});

test("of a text that was stopped there are no marks beyond its end; of a growing one those that will come", () => {
  const run = new Run("a run");
  const payload = payloadOf(TEXT, { to: 6, windows: [4, 4] });
  Object.assign(payload.header, { total: 400, status: "running" });
  run.absorb(payload);
  const kinds = () => run.landmarks().map(({ kind }) => kind);
  assert.deepEqual(kinds(), ["prompt", "overwrite", "reach"]);
  run.meta.status = "done";
  assert.deepEqual(kinds(), ["prompt", "overwrite"]);
});

test("the marks on the timeline are those that lie within the text", () => {
  const run = new Run("a run");
  run.absorb(payloadOf(TEXT, { windows: [4, 4] }));
  assert.deepEqual(
    run.landmarks().map(({ at, kind }) => [at, kind]),
    [
      [1, "prompt"],
      [4, "overwrite"],
      [7, "reach"],
    ],
  );
  run.absorb(payloadOf(TEXT, { windows: [9, null] }));
  assert.deepEqual(
    run.landmarks().map(({ at, kind }) => [at, kind]),
    [
      [1, "prompt"],
      [9, "overwrite"],
    ],
  );
});
