import assert from "node:assert/strict";
import { test } from "node:test";

import { AttentionRun } from "../../../app/attention/run.js";
import { Values } from "../../../app/attention/values.js";
import { level, payload } from "../runs.js";

/** @import { AttentionPayload } from "../../../app/attention/run.js" */
/** @import { Choice } from "../../../app/attention/values.js" */

const SHAPE = { count: 9, windows: [3, 3], heads: 4, kvHeads: 2 };
const REACH = 2 * (3 - 1);
const HIDDEN_ROWS = 3; // later queries do not see position 0

/** Numbers that differ from one another and fit 16 bits.
 * @param {number[]} shape @param {number} from of the first */
const counted = (shape, from) => Uint16Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => from + i);

/** @returns {AttentionPayload} */
function sent() {
  const { header, arrays } = payload("attention", SHAPE);
  const shapes = {
    mean: [SHAPE.count, 3],
    max: [SHAPE.count, 3],
    rollout: [SHAPE.count, REACH + 1],
    without_first: [HIDDEN_ROWS, 2, SHAPE.heads, 3],
    scores: [SHAPE.count, 2, SHAPE.heads, 3],
    measures: [1, 2, SHAPE.heads],
  };
  const specs = Object.entries(shapes).map(([name, shape]) => [name, { dtype: "<u2", shape, offset: 0 }]);
  return {
    header: {
      ...header,
      finding: { state: "idle", text: "" },
      extras: { key: "r/9", notes: [], measures: ["distance"], queries: {} },
      arrays: Object.fromEntries(specs),
    },
    arrays: {
      ...arrays,
      mean: counted(shapes.mean, 100),
      max: counted(shapes.max, 2000),
      rollout: counted(shapes.rollout, 5000),
      without_first: counted(shapes.without_first, 30000),
      scores: Float32Array.from(counted(shapes.scores, 0), (number) => number / 8),
      measures: new Float32Array(2 * SHAPE.heads),
    },
  };
}

/** What is chosen, over a run as it arrived.
 * @param {Partial<Choice>} choice */
function looking(choice = {}) {
  const run = new AttentionRun("r");
  run.absorb(sent());
  return new Values({
    run,
    extras: run.extras,
    t: 8,
    hovered: null,
    layer: 1,
    head: 2,
    picture: "head",
    hidden: false,
    headName: () => "head 3",
    ...choice,
  });
}

test("the value of a cell is the weight of the chosen layer and head, and 0 outside the window", () => {
  const values = looking();
  for (let query = 0; query < SHAPE.count; query++) {
    for (let offset = 0; offset < 3; offset++)
      assert.equal(values.value(query, offset), level(query, 1, 2, offset) / 65535);
    assert.equal(values.value(query, 3), 0);
  }
});

test("a head below 0 is the mean of the heads", () => {
  const values = looking({ head: -1 });
  const sum = [0, 1, 2, 3].reduce((total, head) => total + level(6, 1, head, 1), 0);
  assert.ok(Math.abs(values.value(6, 1) - sum / 4 / 65535) < 1e-12);
});

test("a picture of all layers takes its own band, whichever layer and head are chosen", () => {
  for (const [picture, from] of /** @type {const} */ ([
    ["mean", 100],
    ["max", 2000],
  ])) {
    assert.equal(looking({ picture }).value(4, 2), (from + 4 * 3 + 2) / 65535);
    assert.equal(looking({ picture, layer: 0, head: 0 }).value(4, 2), (from + 4 * 3 + 2) / 65535);
  }
});

test("the band of the rollout is as wide as the exact reach and the token itself", () => {
  const values = looking({ picture: "rollout" });
  assert.equal(values.width(), REACH + 1);
  assert.equal(values.value(7, REACH), (5000 + 7 * (REACH + 1) + REACH) / 65535);
  assert.equal(values.value(7, REACH + 1), 0);
  assert.equal(looking().width(), 3);
});

test("what is not derived yet is not a number, and reads as a dash", () => {
  assert.ok(Number.isNaN(looking({ picture: "rollout", extras: null }).value(2, 0)));
  assert.ok(Number.isNaN(looking({ picture: "mean" }).value(SHAPE.count, 0)));
  assert.equal(looking({ picture: "mean" }).share(SHAPE.count, 0), "–");
});

test("without position 0 the queries that see it have other weights, the later ones their own", () => {
  const values = looking({ hidden: true });
  for (let query = 0; query < HIDDEN_ROWS; query++)
    for (let offset = 0; offset <= query; offset++)
      assert.equal(values.value(query, offset), (30000 + ((query * 2 + 1) * 4 + 2) * 3 + offset) / 65535);
  assert.equal(values.value(2, 3), 0);
  assert.equal(values.value(HIDDEN_ROWS, 1), level(HIDDEN_ROWS, 1, 2, 1) / 65535);
  const mean = [0, 1, 2, 3].reduce((total, head) => total + 30000 + ((2 * 2 + 1) * 4 + head) * 3 + 1, 0) / 4 / 65535;
  assert.ok(Math.abs(looking({ hidden: true, head: -1 }).value(2, 1) - mean) < 1e-12);
});

test("position 0 is hidden in the picture of one layer only, and only when its weights are there", () => {
  assert.ok(looking({ hidden: true }).hides());
  assert.ok(!looking({ hidden: true, picture: "mean" }).hides());
  assert.ok(!looking({ hidden: true, extras: null }).hides());
  assert.equal(looking({ hidden: true }).what(), "layer 2, head 3, without position 0");
});

test("a weight too small for 16 bits is small and not 0, but position 0 left out is 0", () => {
  const values = looking();
  values.choice.run.pattern?.data.fill(0);
  assert.equal(values.share(5, 1), "<0.01 %");
  const hidden = looking({ hidden: true });
  hidden.hidden()?.data.fill(0);
  assert.equal(hidden.share(2, 2), "0 %");
  assert.equal(hidden.share(2, 1), "<0.01 %");
});

test("the strongest keys are those of a full sort, and never older than the window or the text", () => {
  for (const picture of /** @type {const} */ (["head", "max", "rollout"])) {
    const values = looking({ picture });
    for (const query of [0, 1, 8]) {
      const all = [];
      for (let key = query; key >= 0 && query - key < values.width(); key--)
        all.push({ key, weight: values.value(query, query - key) });
      all.sort((a, b) => b.weight - a.weight);
      assert.deepEqual(
        values.strongest(query, 2).map(([, key]) => key),
        all.slice(0, 2).map(({ key }) => key),
      );
    }
  }
});

test("a score is that of the chosen layer and head, and none where none was read", () => {
  assert.equal(looking().rawScore(4, 1), (((4 * 2 + 1) * 4 + 2) * 3 + 1) / 8);
  assert.ok(Number.isNaN(looking().rawScore(4, 3)));
  assert.ok(Number.isNaN(looking({ extras: null }).rawScore(4, 1)));
});

test("the query is the word under the pointer while the run has it, else the token of the step", () => {
  assert.equal(looking({ hovered: 4 }).query(), 4);
  assert.equal(looking({ hovered: SHAPE.count }).query(), 8);
  assert.equal(looking().query(), 8);
});

test("a payload without extras leaves those that are there", () => {
  const run = new AttentionRun("r");
  const first = sent();
  run.absorb(first);
  const extras = run.extras;
  run.absorb({ header: { ...first.header, extras: null }, arrays: first.arrays });
  assert.equal(run.extras, extras);
});
