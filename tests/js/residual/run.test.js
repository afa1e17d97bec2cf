import assert from "node:assert/strict";
import { test } from "node:test";

import { arrow } from "../../../app/residual/words.js";
import { difference, ResidualRun, Store } from "../../../app/residual/run.js";
import { ranksOf, looks } from "../../../app/residual/curves.js";
import { signed, small } from "../../../app/residual/bars.js";
import { strength } from "../../../app/residual/heat.js";

/** One layer with two heads, two positions from 1 on, two tokens followed.
 * @param {Partial<import("../../../app/residual/types.js").ResidualHeader>} more */
const headerOf = (more = {}) =>
  /** @type {import("../../../app/residual/types.js").ResidualHeader} */ ({
    picture: "residual",
    run: "r",
    tokens: [
      ["", "<s>", 1],
      [" a", "a", 5],
      [" b", "b", 6],
    ],
    model: { name: "m", n_layers: 1, n_heads: 2, n_kv_heads: 1, windows: [4], sinks: 0, vocab: 100 },
    pins: [],
    labels: { 5: "a", 6: "b", 7: "c" },
    lens: { key: "k", first: 1, count: 2, error: 0, heads_error: 0 },
    words: null,
    pinned: null,
    patch: null,
    ...more,
  });
const lens = {
  top: Int32Array.of(7, 7, 6, 5),
  probability: Float32Array.of(0.1, 0.2, 0.3, 0.4),
  entropy: Float32Array.of(1, 2, 3, 4),
  kl: Float32Array.of(1, 4, 0, 0),
  tokens: Int32Array.of(6, 7, 5, 7),
  log_prob: Float32Array.of(-1, -2, -3, -4, -5, -6, -7, -8),
  rank: Int32Array.of(1, 2, 3, 4, 0, 6, 0, 8),
  logits: Float32Array.of(1, 2, 3, 4),
  parts: Float32Array.from({ length: 12 }, (_, i) => i),
  heads: Float32Array.from({ length: 8 }, (_, i) => 10 * i),
};

/** @param {import("../../../app/residual/types.js").ResidualHeader} header
 * @param {import("../../../app/residual/types.js").ResidualArrays} arrays */
function runOf(header, arrays = lens, store = new Store()) {
  store.take(header, arrays);
  return new ResidualRun(header, store);
}

test("cells, tokens and contributions are found by position and token", () => {
  const run = runOf(headerOf());
  assert.equal(run.cell("lens", "top", 1, 2), 5);
  assert.ok(Number.isNaN(run.cell("lens", "top", 0, 0)), "what is not in the block is not known");
  assert.deepEqual(run.followed(1), [6, 7]);
  assert.deepEqual(run.followed(2), [5, 7]);
  assert.equal(run.of("log_prob", 0, 2, 7), -4);
  assert.equal(run.of("rank", 1, 1, 7), 6);
  assert.ok(Number.isNaN(run.of("rank", 1, 1, 5)), "a token that is not followed there");
  const added = run.added(2, 7);
  assert.deepEqual([...(added?.parts ?? [])], [9, 10, 11]);
  assert.deepEqual([...(added?.heads ?? [])], [60, 70]);
  assert.equal(added?.logit, 4);
  assert.equal(run.next(1), 6);
  assert.equal(run.next(2), null);
  assert.equal(run.label(7), "c");
});

test("what has come stays under its key, and another key is not it", () => {
  const store = new Store();
  runOf(headerOf(), lens, store);
  assert.equal(store.key("lens"), "k");
  assert.equal(runOf(headerOf(), {}, store).cell("lens", "top", 0, 1), 7);
  const other = headerOf({ lens: { key: "l", first: 0, count: 2, error: 0, heads_error: 0 } });
  assert.ok(Number.isNaN(runOf(other, {}, store).cell("lens", "top", 0, 1)));
});

test("a pinned token is found where it is not followed", () => {
  const header = headerOf({ pins: [9], pinned: { key: "p", first: 1, count: 2 } });
  const pins = {
    pin_log_prob: Float32Array.of(-1, -2, -3, -4),
    pin_rank: Int32Array.of(1, 2, 3, 4),
    pin_logits: Float32Array.of(5, 6),
    pin_parts: Float32Array.of(0, 1, 2, 3, 4, 5),
    pin_heads: Float32Array.of(0, 1, 2, 3),
  };
  const run = runOf(header, { ...lens, ...pins });
  assert.equal(run.of("rank", 1, 2, 9), 4);
  assert.deepEqual([...(run.added(2, 9)?.parts ?? [])], [3, 4, 5]);
});

test("a difference is that of parts, heads and logits alike", () => {
  const one = { parts: Float32Array.of(1, 2, 4), heads: Float32Array.of(1, 1), logit: 7 };
  const other = { parts: Float32Array.of(1, 1, 1), heads: Float32Array.of(0, 1), logit: 3 };
  assert.deepEqual(difference(one, null), { parts: [1, 2, 4], heads: [1, 1], logit: 7, sum: 7 });
  assert.deepEqual(difference(one, other), { parts: [0, 1, 3], heads: [1, 0], logit: 4, sum: 4 });
});

test("bright is what the legend says", () => {
  const run = runOf(headerOf());
  assert.ok(Math.abs(strength(run, "probability", 0, 1) - Math.sqrt(Math.exp(-1))) < 1e-6);
  assert.equal(strength(run, "rank", 1, 1), 1, "the likeliest is full");
  assert.ok(strength(run, "rank", 0, 2) < strength(run, "rank", 0, 1));
  assert.ok(Math.abs(strength(run, "entropy", 0, 1) - 1 / Math.log2(100)) < 1e-6);
  assert.equal(strength(run, "kl", 0, 2), 1);
  assert.equal(strength(run, "kl", 1, 2), 0);
});

test("numbers and arrows are written as they are read", () => {
  assert.deepEqual([signed(-0.304), signed(2)], ["−0.30", "+2.00"]);
  assert.deepEqual([small(0), small(0.0000031)], ["0", "3e−6"]);
  assert.deepEqual([arrow(9, 1), arrow(1, 9), arrow(3, 3)], ["↑", "↓", "→"]);
  assert.deepEqual(ranksOf(4096), [1, 10, 100, 1000]);
});

test("a token has one colour, and no two lines look alike", () => {
  const all = looks([8, 16, 24, 9, 0], ["a", "b", "c", "d", "e", "f", "g", "h"]);
  assert.equal(all.get(8)?.stroke, all.get(16)?.stroke);
  assert.equal(looks([24], ["a", "b", "c", "d", "e", "f", "g", "h"]).get(24)?.stroke, all.get(24)?.stroke);
  assert.equal(new Set([...all.values()].map((look) => JSON.stringify(look))).size, 5);
});
