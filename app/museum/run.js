// The text that is read, and what is known of the open mistake: all of it comes with every payload.

import { clamp } from "../kit/format.js";
import { WholeText } from "../kit/whole.js";

/**
 * @typedef {import("./types.js").MuseumHeader} MuseumHeader
 * @typedef {import("./types.js").MuseumArrays} MuseumArrays
 */

const LEVELS = 65535;
const FAR = 40;
const LEAST = 1e-4; // of a share that is none

/** @extends {WholeText<MuseumHeader>} */
export class MuseumRun extends WholeText {
  /**
   * @param {MuseumHeader} header
   * @param {MuseumArrays} arrays
   */
  constructor(header, arrays) {
    super(header);
    this.arrays = arrays;
  }

  get story() {
    const { stories, mistake } = this.meta;
    return stories.find(({ name }) => name === mistake) ?? stories[0];
  }

  /** Share of a position in what a query reads.
   * @param {"right" | "wrong"} side
   * @param {number} query
   * @param {number} key */
  share(side, query, key) {
    const values = this.arrays[side === "right" ? "read_right" : "read_wrong"];
    return values ? values[query * this.count + key] / LEVELS : 0;
  }

  /** What a query reads: the positions, and the share that is empty slots.
   * @param {"right" | "wrong"} side
   * @param {number} query */
  read(side, query) {
    const keys = [];
    let sum = 0;
    for (let key = 0; key < this.count; key++) {
      const share = this.share(side, query, key);
      if (share > LEAST) keys.push(key);
      sum += share;
    }
    const empty = 1 - sum;
    return { keys, empty: empty > 0.005 ? empty : 0 };
  }
}

/** Positions as ranges: 3–5, 9.
 * @param {number[]} positions  growing */
export function ranges(positions) {
  /** @type {[number, number][]} */
  const runs = [];
  for (const position of positions) {
    const last = runs.at(-1);
    if (last && last[1] === position - 1) last[1] = position;
    else runs.push([position, position]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ") || "none";
}

/** Where the eye goes first: to the first wrong position, or to where the hand was.
 * @param {MuseumRun} run */
export function firstPlace(run) {
  const { measured, at, drawing } = run.meta;
  if (drawing === "order") return run.count - 1;
  if (drawing === "dials") return at ?? Math.min(FAR, run.count - 1); // at the first token nothing has turned yet
  return measured?.errs_from ?? at ?? run.count - 1;
}

/** The stretch of positions around a query that has room.
 * @param {number} count @param {number} at @param {number} most */
export function stretch(count, at, most) {
  const size = Math.max(1, Math.min(count, most));
  return { from: clamp(at - Math.floor(size / 2), 0, count - size), size };
}
