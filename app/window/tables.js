// The numbers of the pictures of the window, as tables.

import { arrowsTo } from "./case.js";
import { weights, why } from "./run.js";
import { WHY } from "./row.js";

/** @import WindowPage from "./page.js" */
/** @import { Numbers } from "../kit/numbers.js" */

/** The pairs that are drawn.
 * @param {WindowPage} page
 * @returns {Numbers} */
export function maskTable({ run, mask, layer, head, window, fresh }) {
  const { first, count } = mask.view;
  const { sinks } = run.own;
  const all = Array.from({ length: count }, (_, i) => first + i);
  return {
    title: `Mask of layer ${layer + 1}, head ${head + 1}, queries ${first} to ${first + count - 1}`,
    names: ["query", "token", "key", "key token", "tokens back", "score", "seen", "weight"],
    rows: all.flatMap((query) => {
      const scores = fresh ? run.scores(layer, head, query) : null;
      const made = scores ? weights(scores, query, window, sinks) : null;
      return all.map((key) => [
        ...[query, run.labels[query], key, run.labels[key], query - key],
        scores ? scores[key] : null,
        WHY[why(query, key, window, sinks)],
        made ? made[key] : null,
      ]);
    }),
  };
}

/** Every prediction.
 * @param {WindowPage} page
 * @returns {Numbers | null} */
export function changeTable({ run, fresh }) {
  const { kl, largest } = run.arrays;
  if (!fresh || !kl || !largest || !run.meta.against) return null;
  return {
    title: "What another window changes",
    names: ["position", "token", "KL of the prediction, nats", "largest change of a logit"],
    rows: run.labels.map((label, position) => [position, label, kl[position], largest[position]]),
  };
}

/** The arrows of the case that can be counted, and what each token changes.
 * @param {WindowPage} page
 * @returns {Numbers} */
export function caseTable({ run, choice }) {
  const which = choice.plus ? 1 : 0;
  const [cases, layers, heads, tokens] = run.meta.arrays.case_pattern.shape;
  const size = run.arrays.case_pattern.length / cases;
  const pattern = run.arrays.case_pattern.subarray(which * size, (which + 1) * size);
  const arrows = arrowsTo(pattern, { layers, heads, tokens }, run.meta.cases[which].window);
  return {
    title: `A tiny model with a window of ${run.meta.cases[which].window}`,
    names: ["layer", "position that looks", "at", "weight, mean of the heads", "felt: change of the last logits"],
    rows: [
      ...arrows.map(({ layer, query, key, weight }) => [layer + 1, query, key, weight, null]),
      ...Array.from({ length: tokens }, (_, at) => [
        null,
        tokens - 1,
        at,
        null,
        run.arrays.case_felt[which * tokens + at],
      ]),
    ],
  };
}
