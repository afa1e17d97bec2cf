// Payloads of the page next_word.

import { payloadOf } from "../payloads.js";

export const TEXT = [5, 9, 200, 3, 77, 5, 5, 18];
export const NAMES = ["model", "top-p"];

/**
 * A text and the two likeliest alternatives of the steps `[from, to)`, which say by which settings and step they are.
 *
 * @param {string} key
 * @param {number} from
 * @param {number} to
 * @param {number} count  tokens of the text
 * @returns {import("../../../app/next_word/run.js").NextWordPayload}
 */
export function staged(key, from, to, count = TEXT.length) {
  const { header, arrays, bytes } = payloadOf(TEXT.slice(0, count));
  const steps = Array.from({ length: to - from }, (_, i) => from + i);
  return {
    header: {
      ...header,
      sampling: null,
      branches: [],
      current: "a run",
      follow: 0,
      answered: null,
      stages: { key, from, to, names: NAMES },
      labels: Object.fromEntries(steps.map((step) => [String(step + 100), `${key}${step}`])),
    },
    arrays: {
      ...arrays,
      alt_ids: Int32Array.from(steps.flatMap((step) => [step + 100, step])),
      stage_probs: Float32Array.from(steps.flatMap((step) => [0.5, 0.25, step / 8, 0])),
      stage_kept: Int32Array.from(steps.flatMap((step) => [300, step + 1])),
    },
    bytes,
  };
}
