// The numbers of the pictures of the window, as tables.

import { caseOf } from "./case.js";
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
  const { shape, window, felt, arrows } = caseOf(run, choice.plus);
  return {
    title: `A tiny model with a window of ${window}`,
    names: ["layer", "position that looks", "at", "weight, mean of the heads", "felt: change of the last logits"],
    rows: [
      ...arrows.map(({ layer, query, key, weight }) => [layer + 1, query, key, weight, null]),
      ...Array.from(felt, (value, at) => [null, shape.tokens - 1, at, null, value]),
    ],
  };
}
