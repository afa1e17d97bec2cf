import assert from "node:assert/strict";
import { test } from "node:test";

import { SharedRun, size } from "../../../app/shared_heads/run.js";
import { payloadOf } from "../payloads.js";

/** @import { SharedPayload } from "../../../app/shared_heads/run.js" */
/** @import { Beside } from "../../../app/shared_heads/types.js" */

const [DIM, HEADS, COUNT] = [3, 6, 7];

/** A weight that says where it is from; 0 where there is no key.
 * @param {number} query @param {number} layer @param {number} head @param {number} offset */
const level = (query, layer, head, offset) =>
  offset > query ? 0 : 1 + ((query * 7919 + layer * 1543 + head * 389 + offset * 97) % 20000);

/** A number that says where it is from.
 * @param {number} position @param {number} layer @param {number} kv @param {number} i */
const key = (position, layer, kv, i) => position * 1000 + layer * 100 + kv * 10 + i;

/** Keys of the positions and layers, one after another.
 * @param {number} count @param {number[]} layers @param {number} kvHeads */
function keysOf(count, layers, kvHeads) {
  const keys = [];
  for (let position = 0; position < count; position++)
    for (const layer of layers)
      for (let kv = 0; kv < kvHeads; kv++) for (let i = 0; i < DIM; i++) keys.push(key(position, layer, kv, i));
  return Float32Array.from(keys);
}

/** @type {Beside} */
const BESIDE = { kv: true, head_dim: DIM, measurable: true, note: "", more: null, away: null, codes: [] };

/** @param {{ windows?: (number | null)[], kvHeads?: number, sinks?: number, heads?: number }} [shape]
 * @returns {SharedPayload} */
function sent({ windows = [4, 3], kvHeads = 2, sinks = 0, heads = HEADS } = {}) {
  const ids = Array.from({ length: COUNT }, (_, i) => i);
  const width = Math.max(...windows.map((window) => window ?? COUNT));
  const { header, arrays, bytes } = payloadOf(ids, {
    windows,
    heads,
    width,
    weight: (...cell) => level(...cell) / 65535,
  });
  Object.assign(header.model, { n_heads: HEADS, n_kv_heads: kvHeads, sinks });
  const layers = windows.map((_, i) => i);
  const keys = keysOf(COUNT, layers, kvHeads);
  return {
    header: { ...header, beside: { ...BESIDE } },
    arrays: { ...arrays, keys, values: keys.map((one) => -one) },
    bytes,
  };
}

/** @param {...SharedPayload} payloads */
function runOf(...payloads) {
  const run = new SharedRun("r");
  for (const one of payloads) run.absorb(one);
  return run;
}

/** The same without keys, with the mean of the heads, and what came apart of one layer.
 * @param {number} layer @param {string} name */
function apart(layer, name) {
  const whole = sent({ heads: 1 });
  whole.header.beside = { ...BESIDE, kv: false, more: { key: name, layers: [layer], again: true } };
  const rows = new Uint16Array(COUNT * HEADS * 4);
  rows.forEach((_, i) => {
    rows[i] = level(Math.floor(i / (HEADS * 4)), layer, Math.floor(i / 4) % HEADS, i % 4);
  });
  const keys = keysOf(COUNT, [layer], 2);
  const { keys: _, values: __, ...arrays } = whole.arrays;
  whole.arrays = { ...arrays, more_keys: keys, more_values: keys.map((one) => -one), more_pattern: rows };
  whole.header.arrays = { more_pattern: { dtype: "<u2", shape: [COUNT, 1, HEADS, 4], offset: 0 } };
  return whole;
}

test("consecutive query heads read one key/value head, whatever their number", () => {
  for (const [kvHeads, groups] of /** @type {[number, number[][]][]} */ ([
    [1, [[0, 1, 2, 3, 4, 5]]],
    [
      2,
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
    ],
    [6, [[0], [1], [2], [3], [4], [5]]],
  ])) {
    const run = runOf(sent({ kvHeads }));
    assert.deepEqual(
      groups.map((_, kv) => run.group(kv)),
      groups,
    );
    for (const [kv, heads] of groups.entries()) for (const head of heads) assert.equal(run.kvOf(head), kv);
  }
});

test("keys and values are those of the position, the layer and the key/value head", () => {
  const run = runOf(sent());
  assert.deepEqual(
    [...(run.vector("keys", 5, 1, 1) ?? [])],
    [0, 1, 2].map((i) => key(5, 1, 1, i)),
  );
  assert.deepEqual(
    [...(run.vector("values", 2, 0, 0) ?? [])],
    [0, 1, 2].map((i) => -key(2, 0, 0, i)),
  );
  assert.equal(run.vector("keys", COUNT, 0, 0), null);
  assert.ok(run.hasKv(0) && run.byHead(1));
});

test("what came apart of a layer is that layer's, and of others there is nothing", () => {
  const run = runOf(apart(1, "one"));
  assert.ok(run.byHead(1) && run.hasKv(1) && !run.byHead(0) && !run.hasKv(0));
  assert.deepEqual(
    [...(run.vector("keys", 5, 1, 1) ?? [])],
    [0, 1, 2].map((i) => key(5, 1, 1, i)),
  );
  for (const offset of [0, 2]) assert.equal(run.weight(6, 1, 4, offset), level(6, 1, 4, offset) / 65535);
  assert.equal(run.weight(6, 1, 4, 3), 0, "out of the window of that layer");
  run.absorb(apart(0, "two"));
  assert.ok(run.byHead(0) && run.byHead(1), "what came before stays");
});

test("the keys in sight are those of the window, and the first ones that are kept", () => {
  const plain = runOf(sent());
  assert.deepEqual(plain.inSight(6, 0), [3, 4, 5, 6]);
  assert.deepEqual(plain.inSight(1, 0), [0, 1]);
  assert.equal(plain.keysRead(6), 4 + 3);
  assert.equal(plain.keysRead(1), 2 + 2);
  const sinking = runOf(sent({ sinks: 1 }));
  assert.deepEqual(sinking.inSight(6, 1), [0, 4, 5, 6]);
  assert.equal(sinking.keysRead(6), 5 + 4);
  const all = runOf(sent({ windows: [null, 3] }));
  assert.deepEqual(all.inSight(6, 0), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(all.keysRead(6), 7 + 3);
});

test("two heads agree by the smaller weight of each key; a head alone agrees with nobody", () => {
  const run = runOf(sent());
  const own = [0, 1, 2].map((offset) => [0, 1, 2].map((head) => run.weight(6, 1, head, offset)));
  const smaller = (/** @type {number} */ a, /** @type {number} */ b) =>
    own.reduce((sum, row) => sum + Math.min(row[a], row[b]), 0);
  const shares = [smaller(0, 1), smaller(0, 2), smaller(1, 2)];
  const agreement = run.agreement(6, 1, 0);
  assert.ok(agreement);
  assert.ok(Math.abs(agreement.mean - (shares[0] + shares[1] + shares[2]) / 3) < 1e-12);
  assert.ok(Math.abs(agreement.most.share - Math.max(...shares)) < 1e-12);
  assert.ok(Math.abs(agreement.least.share - Math.min(...shares)) < 1e-12);
  assert.ok(Math.abs(smaller(agreement.most.one, agreement.most.other) - agreement.most.share) < 1e-12);
  assert.ok(Math.abs(run.overlap(6, 1, 2, 2) - own.reduce((sum, row) => sum + row[2], 0)) < 1e-12);
  assert.equal(runOf(sent({ kvHeads: 6 })).agreement(6, 1, 0), null);
});

test("bytes have the unit that Python gives them", () => {
  assert.deepEqual([0, 512, 1024, 131072, 536870912, 1.2 * 2 ** 30].map(size), [
    "0 B",
    "512 B",
    "1.0 KiB",
    "128 KiB",
    "512 MiB",
    "1.2 GiB",
  ]);
});
