import assert from "node:assert/strict";
import { test } from "node:test";

import { RingRun } from "../../../app/ring/run.js";
import { payloadOf } from "../payloads.js";

/** @import { RingPayload } from "../../../app/ring/run.js" */
/** @import { Beside } from "../../../app/ring/types.js" */

/** @typedef {{ count: number, windows: (number | null)[], heads: number, kvHeads: number }} Shape */

/** @type {Shape} */
const SHAPE = { count: 7, windows: [4, 4], heads: 6, kvHeads: 2 };
const DIM = 3;

/** A weight that says where it is from, as 16 bits; 0 where there is no key.
 * @param {number} query @param {number} layer @param {number} head @param {number} offset */
const level = (query, layer, head, offset) =>
  offset > query ? 0 : 1 + ((query * 7919 + layer * 1543 + head * 389 + offset * 97) % 20000);

/** @type {typeof level} */
const weight = (...cell) => level(...cell) / 65535;

/** A number that says where it is from.
 * @param {number} position @param {number} layer @param {number} group @param {number} i */
const key = (position, layer, group, i) => position * 1000 + layer * 100 + group * 10 + i;

/** @type {Beside} */
const RING = {
  kv: true,
  kv_shape: { n_kv_heads: 2, head_dim: DIM },
  single: false,
  kv_note: "",
  kv_bytes: null,
  kv_dtype: "",
  live: false,
  measurable: false,
  chunk_size: null,
  ask: null,
  put: "",
  forgotten: null,
  slot: null,
  codes: [],
};

/** Tokens [from, to) of the run, with keys, and with values that are minus the keys.
 * @param {Partial<Shape>} [shape] @param {Partial<Beside>} [beside]
 * @returns {RingPayload} */
function sent(shape = {}, beside = {}) {
  const sizes = { ...SHAPE, ...shape };
  const { count, windows, heads, kvHeads } = sizes;
  const ids = Array.from({ length: count }, (_, i) => i);
  const width = Math.max(...windows.map((window) => window ?? count));
  const { header, arrays, bytes } = payloadOf(ids, { windows, heads, width, weight });
  header.model.n_heads = SHAPE.heads;
  header.model.n_kv_heads = kvHeads;
  const keys = [];
  for (let position = 0; position < count; position++)
    for (let layer = 0; layer < windows.length; layer++)
      for (let group = 0; group < kvHeads; group++)
        for (let i = 0; i < DIM; i++) keys.push(key(position, layer, group, i));
  return {
    header: { ...header, beside: { ...RING, ...beside } },
    arrays: { ...arrays, keys: Float32Array.from(keys), values: Float32Array.from(keys, (number) => -number) },
    bytes,
  };
}

/** @param {ReturnType<typeof sent>[]} payloads */
function runOf(...payloads) {
  const run = new RingRun("r");
  for (const one of payloads) {
    run.absorb(one);
    run.takeSlot(one);
  }
  return run;
}

/** @param {Float32Array | null} vector */
const numbers = (vector) => vector && [...vector];

test("a vector is the key or the value of one position, layer and key/value head", () => {
  const run = runOf(sent());
  for (let position = 0; position < SHAPE.count; position++)
    for (const layer of [0, 1])
      for (const group of [0, 1]) {
        const expected = [0, 1, 2].map((i) => key(position, layer, group, i));
        assert.deepEqual(numbers(run.vector("keys", position, layer, group)), expected);
        const negative = expected.map((number) => -number);
        assert.deepEqual(numbers(run.vector("values", position, layer, group)), negative);
      }
});

test("there is no vector of an empty slot nor of a token that is not there yet", () => {
  const run = runOf(sent());
  assert.equal(run.vector("keys", -1, 0, 0), null);
  assert.equal(run.vector("keys", SHAPE.count, 0, 0), null);
});

test("payloads that overlap leave every key where it belongs", () => {
  const run = runOf(sent({ count: 4 }), sent({ count: 7 }));
  assert.equal(run.count, 7);
  for (let position = 0; position < 7; position++)
    assert.deepEqual(
      numbers(run.vector("keys", position, 1, 1)),
      [0, 1, 2].map((i) => key(position, 1, 1, i)),
    );
});

/** A run without keys and values, of which one slot was asked for. */
function withOneSlot() {
  const one = sent({}, { kv: false, single: true, slot: { layer: 1, position: 3, text: "computed anew" } });
  const { keys: _, values: __, ...arrays } = one.arrays;
  const slot_keys = Float32Array.from([1, 2, 3, 4, 5, 6]);
  const slot_values = Float32Array.from([7, 8, 9, 10, 11, 12]);
  return { ...one, arrays: { ...arrays, slot_keys, slot_values } };
}

test("of a run without keys the one slot that was asked for has its numbers, and no other", () => {
  const run = runOf(withOneSlot());
  assert.deepEqual(numbers(run.vector("keys", 3, 1, 0)), [1, 2, 3]);
  assert.deepEqual(numbers(run.vector("values", 3, 1, 1)), [10, 11, 12]);
  assert.equal(run.vector("keys", 3, 0, 0), null);
  assert.equal(run.vector("keys", 2, 1, 0), null);
  assert.equal(run.one?.text, "computed anew");
});

test("a slot that was asked for and has no numbers leaves none, those of an earlier one included", () => {
  const asked = withOneSlot();
  const { slot_keys: _, slot_values: __, ...arrays } = asked.arrays;
  const run = runOf(asked, { ...asked, arrays });
  assert.equal(run.one, null);
  assert.equal(run.vector("keys", 3, 1, 0), null);
});

/** Mean weight of some heads, from the numbers that were sent.
 * @param {number[]} heads @param {number} query @param {number} layer @param {number} offset */
const mean = (heads, query, layer, offset) =>
  heads.reduce((sum, head) => sum + level(query, layer, head, offset) / 65535, 0) / heads.length;

/** @param {number} actual @param {number} expected */
const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

test("the weight of a group is the mean of the query heads that share its key/value head", () => {
  const run = runOf(sent());
  for (let query = 0; query < SHAPE.count; query++)
    for (const layer of [0, 1])
      for (let offset = 0; offset < 4; offset++) {
        near(run.weight(query, layer, -2, offset), mean([0, 1, 2], query, layer, offset));
        near(run.weight(query, layer, -3, offset), mean([3, 4, 5], query, layer, offset));
        near(run.weight(query, layer, -1, offset), mean([0, 1, 2, 3, 4, 5], query, layer, offset));
        near(run.weight(query, layer, 4, offset), mean([4], query, layer, offset));
      }
});

test("where only the mean of the heads was sent, a group has that mean", () => {
  const run = runOf(sent({ heads: 1, kvHeads: 1 }));
  near(run.weight(5, 1, -3, 2), mean([0], 5, 1, 2));
});

test("a key is read by its own query and the W - 1 after it, as far as the text goes", () => {
  const run = runOf(sent());
  const steps = run.readings(2, 1, 3).map(([step]) => step);
  assert.deepEqual(steps, [2, 3, 4, 5]);
  for (const [step, weight] of run.readings(2, 1, 3)) near(weight, mean([3], step, 1, step - 2));
  assert.deepEqual(
    run.readings(5, 1, 3).map(([step]) => step),
    [5, 6],
  );
});

test("without a window a key is read by every later query", () => {
  const run = runOf(sent({ windows: [4, null] }));
  assert.deepEqual(
    run.readings(1, 1, 0).map(([step]) => step),
    [1, 2, 3, 4, 5, 6],
  );
  assert.equal(run.largest, Infinity);
  assert.equal(run.oneWindow, false);
});

test("layers of different windows get a mark where the last ring loses its first word", () => {
  const marks = runOf(sent({ windows: [2, 5] })).landmarks();
  assert.deepEqual(
    marks.filter((mark) => mark.kind === "reach").map((mark) => mark.at),
    [5],
  );
  assert.ok(
    !runOf(sent())
      .landmarks()
      .some((mark) => mark.kind === "reach"),
  );
});
