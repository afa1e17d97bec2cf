// A run with its alternatives: at every step the likeliest tokens, and what each sampling stage leaves of them.

import { Run } from "../kit/run.js";

/** @typedef {import("./types.js").NextWordHeader} NextWordHeader */
/** @typedef {import("./types.js").NextWordArrays} NextWordArrays */
/** @typedef {import("../kit/wire.js").Payload<NextWordHeader, NextWordArrays>} NextWordPayload */
/**
 * The alternatives of one step.
 *
 * @typedef {Object} Step
 * @property {string} key  of the settings that were applied
 * @property {string[]} names  of the sampling stages; the first is the model itself
 * @property {Int32Array} ids  token ids, likeliest first
 * @property {Float32Array} probs  [stages, ids] probability after each stage; 0 = cut
 * @property {Int32Array} left  [stages] how many of all tokens are left
 */

/**
 * Whether a stage leaves something else than the one before it.
 *
 * @param {Step} step
 * @param {string} name  of the stage, not the first
 */
export function changes({ names, ids, probs, left }, name) {
  const [at, k] = [names.indexOf(name), ids.length];
  const before = probs.subarray((at - 1) * k, at * k);
  return left[at] !== left[at - 1] || before.some((value, i) => value !== probs[at * k + i]);
}

/** @extends {Run<NextWordPayload>} */
export class NextWordRun extends Run {
  /** @param {string} id */
  constructor(id) {
    super(id);
    /** @type {Step[]} */
    this.steps = [];
    /** @type {string | null} */
    this.stageKey = null;
    this.stagesTo = 0;
    /** @type {Map<number, string>} printable forms by token id */
    this.names = new Map();
  }

  /** @param {NextWordPayload} payload */
  absorb(payload) {
    const change = super.absorb(payload);
    this.absorbStages(payload);
    return change;
  }

  /** @param {number} count */
  truncate(count) {
    super.truncate(count);
    this.steps.length = Math.min(this.steps.length, count);
    this.stagesTo = Math.min(this.stagesTo, count);
  }

  /** @param {NextWordPayload} payload */
  absorbStages({ header: { stages, labels }, arrays: { alt_ids, stage_probs, stage_kept } }) {
    if (!stages || !alt_ids || !stage_probs || !stage_kept) return;
    const { key, from, to, names } = stages;
    const kinds = names.length;
    const k = alt_ids.length / Math.max(1, to - from);
    if (key === this.stageKey && to <= this.stagesTo && this.steps[from]?.key === key) return;
    for (const [id, label] of Object.entries(labels)) this.names.set(Number(id), label);
    for (let step = from; step < to; step++) {
      const i = step - from;
      this.steps[step] = {
        key,
        names,
        ids: alt_ids.subarray(i * k, (i + 1) * k),
        probs: stage_probs.subarray(i * kinds * k, (i + 1) * kinds * k),
        left: stage_kept.subarray(i * kinds, (i + 1) * kinds),
      };
    }
    if (key !== this.stageKey) this.stagesTo = 0;
    this.stageKey = key;
    while (this.steps[this.stagesTo]?.key === key) this.stagesTo++; // acknowledged is what has no gap
  }

  /** @param {number} id  of a token */
  nameOf(id) {
    return this.names.get(id) ?? `#${id}`;
  }
}
