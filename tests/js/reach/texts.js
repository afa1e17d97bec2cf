// Readings of made-up texts for tests: any windows, any choice, any values.

import { ReachRun } from "../../../app/reach/run.js";
import { Reading } from "../../../app/reach/reading.js";

/**
 * @typedef {import("../../../app/reach/types.js").ReachHeader} ReachHeader
 * @typedef {import("../../../app/reach/types.js").ReachArrays} ReachArrays
 * @typedef {import("../../../app/reach/types.js").ChoiceHeader} Choice
 */

/** @type {Choice} */
const CHOICE = { reading: "forward", source: 0, target: 0, replacement: null, cut: "", window: null, sinks: 0 };

/**
 * @param {(number | null)[]} windows  by layer
 * @param {number} count  tokens
 * @param {Partial<Choice>} choice
 * @returns {ReachHeader}
 */
export function header(windows, count, choice = {}) {
  return {
    picture: "reach",
    run: "a",
    asked: 0,
    total: count,
    status: "done",
    message: "",
    n_prompt: 1,
    layer: null,
    can_measure: true,
    model: {
      name: "made up",
      n_layers: windows.length,
      windows,
      trained: windows,
      imposed: false,
      trained_sinks: 0,
      options: [],
    },
    short: null,
    doing: null,
    stopped: false,
    tokens: Array.from({ length: count }, (_, i) => [` w${i}`, `w${i}`, i]),
    forward_edges: [],
    backward_edges: [],
    reach: null,
    choice: { ...CHOICE, ...choice },
    replacement: "",
    options: [],
    explained: "",
    facts: {},
    measured: count,
    arrays: {},
  };
}

/**
 * @param {(number | null)[]} windows
 * @param {number} count
 * @param {Partial<Choice>} choice
 * @param {Partial<ReachArrays>} [arrays]  absent = not measured
 */
export function readingOf(windows, count, choice, arrays) {
  const run = new ReachRun(header(windows, count, choice));
  const allowed = new Uint8Array((windows.length + 1) * count).fill(1);
  return new Reading(run, run.meta.choice, { allowed, ...arrays }, arrays !== undefined);
}

/**
 * What a change of `source` can touch, walked edge by edge: layer i's query at q reads the keys q - window + 1 to q.
 *
 * @param {(number | null)[]} windows
 * @param {number} count
 * @param {number} source
 * @returns {boolean[][]} by row and position
 */
export function touchedBy(windows, count, source) {
  const rows = [Array.from({ length: count }, (_, position) => position === source)];
  for (const window of windows) {
    const below = rows[rows.length - 1];
    rows.push(
      below.map((_, query) => below.some((on, key) => on && key <= query && query - key < (window ?? Infinity))),
    );
  }
  return rows;
}

/**
 * What the state `[row, position]` can do to the prediction at `target`, walked edge by edge.
 *
 * @param {(number | null)[]} windows
 * @param {number} count
 * @param {number} target
 * @returns {boolean[][]} by row and position
 */
export function reaching(windows, count, target) {
  const rows = [Array.from({ length: count }, (_, position) => position === target)];
  for (const window of [...windows].reverse()) {
    const above = rows[0];
    rows.unshift(
      above.map((_, key) => above.some((on, query) => on && key <= query && query - key < (window ?? Infinity))),
    );
  }
  return rows;
}

/** Numbers that look random and are the same in every run.
 * @param {number} seed */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
