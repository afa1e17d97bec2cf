// The numbers of the museum's pictures, right and wrong beside each other, as tables.

/** @import MuseumPage from "./page.js" */
/** @import { Cell, Numbers } from "../kit/numbers.js" */
/** @import { MuseumRun } from "./run.js" */

const LEAST = 1e-4; // of a share that is none

/** What is drawn of the open mistake.
 * @param {MuseumPage} page
 * @returns {Numbers | null} */
export function drawnTable({ run, at, measured }) {
  const kind = measured ? run.meta.drawing : null;
  if (!kind) return null;
  const { names, rows } = KINDS[kind](run, at);
  return { title: `${run.story.title}: right and wrong`, names, rows };
}

/** @param {ArrayLike<number> | undefined} values @returns {number[]} */
const listed = (values) => Array.from(values ?? []);

/** @type {Record<NonNullable<import("./types.js").MuseumHeader["drawing"]>,
 *   (run: MuseumRun, at: number) => { names: string[], rows: Cell[][] }>} */
const KINDS = {
  reads: (run) => ({
    names: ["query", "token", "key", "key token", "share, right", "share, wrong"],
    rows: run.labels.flatMap((label, query) =>
      run.labels.flatMap((other, key) => {
        const [right, wrong] = [run.share("right", query, key), run.share("wrong", query, key)];
        return Math.max(right, wrong) > LEAST ? [[query, label, key, other, right, wrong]] : [];
      }),
    ),
  }),
  order: ({ arrays }) => {
    const wrong = listed(arrays.order_wrong);
    return {
      names: ["place in the list", "position, right", "position, wrong"],
      rows: listed(arrays.order_right).map((position, i) => [i, position, wrong[i] ?? null]),
    };
  },
  distance: (run, at) => {
    const reach = Math.min(run.meta.window ?? run.count, at + 1);
    const [right, wrong] = [listed(run.arrays.turned_right), listed(run.arrays.turned_wrong)];
    return {
      names: ["key", "token", "tokens back, right", "tokens back, wrong"],
      rows: Array.from({ length: reach }, (_, i) => at - reach + 1 + i).map((key) => [
        ...[key, run.labels[key], right[at] - right[key], wrong[at] - wrong[key]],
      ]),
    };
  },
  dials: ({ arrays }) => {
    const [right, wrong] = [listed(arrays.pairs_right), listed(arrays.pairs_wrong)];
    const angles = listed(arrays.angle_wrong);
    const pair = (/** @type {number[]} */ of, /** @type {number} */ i) => `${of[2 * i]} with ${of[2 * i + 1]}`;
    return {
      names: ["numbers, right", "radians a token, right", "numbers, wrong", "radians a token, wrong"],
      rows: listed(arrays.angle_right).map((angle, i) => [pair(right, i), angle, pair(wrong, i), angles[i] ?? null]),
    };
  },
  heads: ({ arrays }) => {
    const wrong = listed(arrays.reader_wrong);
    return {
      names: ["query head", "reads K/V head, right", "reads K/V head, wrong"],
      rows: listed(arrays.reader_right).map((kv, head) => [head + 1, kv + 1, wrong[head] + 1]),
    };
  },
};

/** By how much the logits are off at every position.
 * @param {MuseumPage} page
 * @returns {Numbers | null} */
export function errorTable({ run, measured }) {
  const { error, kl } = run.arrays;
  if (!measured || !error || !kl) return null;
  return {
    title: `${run.story.title}: error by position`,
    names: ["position", "token", "largest error of a logit", "KL, nats"],
    rows: run.labels.map((label, position) => [position, label, error[position], kl[position]]),
  };
}
