// A run as the attention page keeps it: what the player keeps, and what Python derived from its whole length.

import { Run } from "../kit/run.js";

/** @import { AttentionArrays, AttentionHeader, ExtrasHeader } from "./types.js" */
/** @typedef {{ header: AttentionHeader, arrays: AttentionArrays }} AttentionPayload */
/** @typedef {ReturnType<typeof extrasOf>} Extras */

/** An array with its rows (queries) and the width of its last axis (offsets); null where it was not sent.
 * @template {Uint16Array | Float32Array} T
 * @param {AttentionHeader} header @param {keyof AttentionArrays} name @param {T | undefined} data */
function rowsOf(header, name, data) {
  if (!data) return null;
  const { shape } = header.arrays[name];
  return { data, rows: shape[0], width: shape[shape.length - 1] };
}

/** @param {ExtrasHeader} extras @param {AttentionPayload} payload */
const extrasOf = (extras, { header, arrays }) => ({
  key: extras.key,
  notes: extras.notes,
  measures: extras.measures.length ? extras.measures : null,
  numbers: arrays.measures ?? null,
  bands: {
    mean: rowsOf(header, "mean", arrays.mean),
    max: rowsOf(header, "max", arrays.max),
    rollout: rowsOf(header, "rollout", arrays.rollout),
  },
  hidden: rowsOf(header, "without_first", arrays.without_first),
  scores: rowsOf(header, "scores", arrays.scores),
});

/** @extends {Run<AttentionPayload>} */
export class AttentionRun extends Run {
  /** @param {string} id */
  constructor(id) {
    super(id);
    /** @type {Extras | null} */
    this.extras = null;
  }

  /** @param {AttentionPayload} payload */
  absorb(payload) {
    const change = super.absorb(payload);
    const { extras } = payload.header;
    if (extras) this.extras = extrasOf(extras, payload);
    return change;
  }
}
