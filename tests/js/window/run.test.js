import assert from "node:assert/strict";
import { test } from "node:test";

import { WindowRun, rowsOf, weights, why } from "../../../app/window/run.js";
import { arrowsTo } from "../../../app/window/case.js";
import { python } from "../payloads.js";

/** @import { WindowArrays, WindowHeader } from "../../../app/window/types.js" */

/** What a tiny model with fewer keys than queries gave, with the weights that it made itself. */
const PROGRAM = `
import json, torch
from mistral_core.analysis.mask_reading import read_mask
from mistral_core.hooks import recording
from mistral_core.model import random_model
from tests.conftest import TINY
from dataclasses import replace
model = random_model(replace(TINY, sinks=1), seed=11, std=0.4)
ids = [(7 * i) % 290 + 3 for i in range(17)]
made = read_mask(model, ids, (2, 0))
names = [f"layers.{layer}.attention.hook_{kind}" for layer in (2, 0) for kind in ("attn_scores", "pattern")]
with recording(names) as seen, torch.inference_mode():
    model(torch.tensor([ids]))
print(json.dumps({
  "q": made.queries.ravel().tolist(), "k": made.keys.ravel().tolist(),
  "scores": [seen[name][0].nan_to_num(neginf=-1e9).tolist() for name in names[::2]],
  "pattern": [seen[name][0].tolist() for name in names[1::2]],
}))`;
const WINDOW = 5;
const COUNT = 17;

const { q, k, scores, pattern } = JSON.parse(String(python(PROGRAM)));

/** @type {WindowHeader} */
const HEADER = {
  picture: "window",
  run: "a run",
  asked: 0,
  status: "done",
  message: "",
  n_prompt: 2,
  total: COUNT,
  model: { name: "tiny", n_layers: 3, n_heads: 6, n_kv_heads: 2, windows: [5, 5, 5], sinks: 1, vocab: 300 },
  widest: 32,
  can_measure: true,
  tokens: Array.from({ length: COUNT }, (_, i) => [` t${i}`, `t${i}`, i]),
  at: null,
  choice: { window: null, plus: false },
  windows: [5, 5, 5],
  layers: [2, 0],
  error: 0,
  against: "",
  reading: null,
  cases: [],
  codes: [],
  arrays: {},
};
/** @type {WindowArrays} */
const ARRAYS = {
  queries: Float32Array.from(q),
  keys: Float32Array.from(k),
  case_pattern: new Float32Array(),
  case_felt: new Float32Array(),
};
const run = new WindowRun(HEADER, ARRAYS);

test("scores and weights of every head and query are those of the model", () => {
  for (const [i, layer] of [2, 0].entries())
    for (let head = 0; head < 6; head++)
      for (let query = 0; query < COUNT; query++) {
        const made = run.scores(layer, head, query);
        assert.ok(made);
        const weighed = weights(made, query, WINDOW, 1);
        for (let key = 0; key < COUNT; key++) {
          const seen = why(query, key, WINDOW, 1);
          const own = scores[i][head][query][key];
          assert.equal(own < -1e8, seen === "future" || seen === "older", `${query} ${key}`);
          if (own > -1e8) assert.ok(Math.abs(made[key] - own) < 1e-4);
          assert.ok(Math.abs(weighed[key] - pattern[i][head][query][key]) < 1e-5);
        }
      }
});

test("a layer whose numbers have not come has no scores", () => {
  assert.equal(run.scores(1, 0, 3), null);
  assert.equal(run.kept(1), -1);
});

test("why a key is not seen", () => {
  assert.deepEqual(
    [8, 7, 3, 2, 0].map((key) => why(7, key, 5, 1)),
    ["future", "allowed", "allowed", "older", "kept"],
  );
  assert.equal(why(900, 1, Number.POSITIVE_INFINITY, 0), "allowed");
});

test("the table has later keys, the window, some older ones, and the kept ones once", () => {
  assert.deepEqual(rowsOf(9, 12, 3, 1, { later: 5, older: 2 }), [11, 10, 9, 8, 7, 6, 5, 0]);
  assert.deepEqual(rowsOf(2, 3, 8, 2, { later: 2, older: 4 }), [2, 1, 0]);
});

test("arrows lead to exactly the tokens that two layers reach", () => {
  const shape = { layers: 2, heads: 2, tokens: 9 };
  const even = new Float32Array(2 * 2 * 9 * 9).fill(0.25);
  const arrows = arrowsTo(even, shape, 3);
  const tokens = new Set(arrows.filter(({ layer }) => layer === 0).map(({ key }) => key));
  assert.deepEqual([...tokens].sort(), [4, 5, 6, 7, 8]);
  assert.equal(arrows.length, 3 + 9);
  assert.ok(arrows.every(({ weight }) => weight === 0.25));
});
