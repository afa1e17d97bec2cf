import assert from "node:assert/strict";
import { test } from "node:test";

import { TokenRun } from "../../../app/inside_a_block/run.js";
import { payloadOf } from "../payloads.js";

/** @import { TokenPayload } from "../../../app/inside_a_block/run.js" */
/** @import { InsideHeader } from "../../../app/inside_a_block/types.js" */

const IDS = Array.from({ length: 9 }, (_, i) => i + 20);

/** @type {InsideHeader} */
const EMPTY = {
  n: 1,
  t: 6,
  head: 1,
  status: "done",
  text: "",
  shape: { dim: 3, head_dim: 2, hidden_dim: 4, norm_eps: 1e-5, rope_theta: 1e4 },
  changes: [],
  gap: null,
  boxes: [],
  seen: [],
  worked: [],
  split: null,
  split_note: "",
  ending: null,
  codes: [],
};

/** @param {Partial<InsideHeader> | null} inside @param {object} [arrays]
 * @returns {TokenPayload} */
function answer(inside, arrays = {}) {
  const payload = payloadOf(IDS, { windows: [3, null] });
  const header = { ...payload.header, inside: inside && { ...EMPTY, ...inside } };
  return /** @type {TokenPayload} */ ({ ...payload, header, arrays: { ...payload.arrays, ...arrays } });
}

function looked() {
  const run = new TokenRun("a run");
  const payload = answer(
    {
      boxes: [
        { layer: 0, box: "resid_pre", shape: [3], at: 0 },
        { layer: 0, box: "scores", shape: [2, 3], at: 3 },
        { layer: -1, box: "final_norm", shape: [3], at: 9 },
        { layer: 0, box: "rot_k", shape: [1, 2], at: 12 },
      ],
      seen: [{ layer: 0, positions: [4, 5, 6] }],
      worked: [
        {
          layer: 0,
          box: "q",
          cell: [1, 0],
          first: true,
          left_name: "a",
          right_name: "b",
          labels: [],
          steps: [],
          result: 11,
          stored: 11,
          error: 0,
          agrees: true,
          at: 1,
          count: 2,
        },
      ],
    },
    {
      numbers: Float32Array.of(1, 2, 3, 0.5, -Infinity, 2, 1, -Infinity, 3, 7, 8, 9, 4, 5),
      terms: Float32Array.of(9, 9, 1, 3, 2, 4),
    },
  );
  run.absorb(payload);
  run.takeInside(payload);
  return run;
}

test("numbers lie where the header says, and the end belongs to every layer", () => {
  const run = looked();
  assert.deepEqual([...(run.numbers(6, 0, "resid_pre")?.data ?? [])], [1, 2, 3]);
  assert.deepEqual([...(run.numbers(6, 1, "final_norm")?.data ?? [])], [7, 8, 9]);
  assert.deepEqual(run.numbers(6, 0, "ring"), run.numbers(6, 0, "rot_k"));
  assert.equal(run.numbers(6, 1, "resid_pre"), null);
  assert.equal(run.numbers(5, 0, "resid_pre"), null);
});

test("the mask says which keys are seen: a key that a change hides is not", () => {
  const run = looked();
  assert.equal(run.maskFrom(6, 0), 1);
  assert.deepEqual([...(run.numbers(6, 0, "mask")?.data ?? [])], [0, 0, 0, 1, 0, 1]);
});

test("terms come with their number, and the first one of a head is known", () => {
  const run = looked();
  const token = run.tokens.get(6);
  const worked = token?.worked.get("0/q/1,0");
  assert.deepEqual(
    [worked?.left, worked?.right],
    [
      [1, 2],
      [3, 4],
    ],
  );
  assert.deepEqual(token?.first.get("0/1/q"), [1, 0]);
});

test("an answer that is still being read is no answer, and tokens that are gone are forgotten", () => {
  const run = looked();
  run.takeInside(answer({ n: 2, status: "reading", text: "reading" }));
  assert.equal(run.answered, 1);
  assert.equal(run.reply?.text, "reading");
  run.takeInside(answer(null));
  assert.equal(run.answered, 1);
  run.truncate(6);
  assert.equal(run.tokens.size, 0);
});
