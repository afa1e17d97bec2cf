// What a query gives a key, in the picture that is chosen: the run's own weights, or what was derived from them.

import { csv, save } from "../kit/csv.js";
import { percent } from "../kit/format.js";

/** @import { AttentionRun, Extras } from "./run.js" */
/** One layer, or all layers together.
 * @typedef {"head" | "mean" | "max" | "rollout"} Picture */
/** What is chosen on the page.
 * @typedef {Object} Choice
 * @property {AttentionRun} run
 * @property {Extras | null} extras  what was derived from the run, as far as it is there
 * @property {number} t  position of the step
 * @property {number | null} hovered  position of the word under the pointer
 * @property {number} layer
 * @property {number} head  -1 = mean of the heads
 * @property {Picture} picture
 * @property {boolean} hidden  whether position 0 is left out
 * @property {() => string} headName */

const ACROSS_LAYERS = {
  mean: "mean of all layers and heads",
  max: "largest of all layers and heads",
  rollout: "rollout through all layers",
};

export class Values {
  /** @param {Choice} choice */
  constructor(choice) {
    this.choice = choice;
  }

  what() {
    const { picture, layer } = this.choice;
    if (picture !== "head") return ACROSS_LAYERS[picture];
    return `layer ${layer + 1}, ${this.choice.headName()}${this.hides() ? ", without position 0" : ""}`;
  }

  /** Whose view is on screen: the word under the pointer, else the token of the step. */
  query() {
    const { run, hovered, t } = this.choice;
    return hovered !== null && hovered < run.count ? hovered : t;
  }

  hides() {
    return this.hidden() !== null;
  }

  /** The weights without position 0, while they are chosen and there. */
  hidden() {
    const { hidden, picture, extras } = this.choice;
    return hidden && picture === "head" ? (extras?.hidden ?? null) : null;
  }

  /** Keys that a query of the picture can look at. */
  width() {
    const { run, layer, picture } = this.choice;
    if (picture === "head") return run.windows[layer];
    return picture === "rollout" ? run.reach + 1 : Math.max(...run.windows);
  }

  /** How far back each key is that a query of the picture can look at; those of a layer, or of this window.
   * @param {number} query @param {number} width
   * @returns {number[]} */
  offsets(query, width = this.width()) {
    return this.choice.run.offsets(query, width);
  }

  /** Whether a query of the picture can look at what is so far back.
   * @param {number} query @param {number} offset */
  sees(query, offset) {
    return offset >= 0 && offset <= query && (offset < this.width() || query - offset < this.choice.run.sinks);
  }

  /** @param {number} query @param {number} layer @param {number} head -1 = mean of the heads @param {number} offset */
  weight(query, layer, head, offset) {
    const { run } = this.choice;
    const hidden = this.hidden();
    if (!hidden || query >= hidden.rows) return run.weight(query, layer, head, offset);
    const column = run.column(run.windows[layer], query, offset);
    if (column < 0 || column >= hidden.width) return 0;
    const heads = run.heads;
    /** @param {number} h */
    const one = (h) => hidden.data[((query * run.layers + layer) * heads + h) * hidden.width + column] / 65535;
    if (head >= 0) return one(head);
    let sum = 0;
    for (let h = 0; h < heads; h++) sum += one(h);
    return sum / heads;
  }

  /** In the picture that is chosen; NaN = not derived yet.
   * @param {number} query @param {number} offset */
  value(query, offset) {
    const { run, picture, layer, head, extras } = this.choice;
    if (picture === "head") return this.weight(query, layer, head, offset);
    const band = extras?.bands[picture];
    if (!band || query >= band.rows) return NaN;
    // rollout lies by offset alone
    const column = picture === "rollout" ? offset : run.column(Math.max(...run.windows), query, offset);
    return column >= 0 && column < band.width ? band.data[query * band.width + column] / 65535 : 0;
  }

  /** A query and a key of the picture as a row of a table: each with its token, then weight and score.
   * @param {number} query @param {number} offset
   * @returns {import("../kit/csv.js").Cell[]} */
  pair(query, offset) {
    const { labels } = this.choice.run;
    const key = query - offset;
    const score = this.scored() ? this.rawScore(query, offset) : null;
    return [query, labels[query], key, labels[key], this.value(query, offset), score];
  }

  /** Whether its weights have scores: those of one head have, where nothing is left out. */
  scored() {
    const { picture, head } = this.choice;
    return picture === "head" && head >= 0 && !this.hides();
  }

  /** What the picture shows of the whole run, as a file: a line for each query and each key that it sees. */
  save() {
    const { run, picture, layer, head } = this.choice;
    /** @type {import("../kit/csv.js").Cell[][]} */
    const rows = [];
    for (let query = 0; query < run.count; query++) {
      for (const offset of this.offsets(query)) rows.push(this.pair(query, offset));
    }
    const name = picture === "head" ? `layer${layer + 1}-${head < 0 ? "mean" : `head${head + 1}`}` : picture;
    const without = this.hides() ? "-without-position-0" : "";
    save(`attention-${name}${without}.csv`, csv(["query", "token", "key", "key token", "weight", "score"], rows));
  }

  /** In words; a weight that is too small for 16 bits is small, not 0.
   * @param {number} query @param {number} offset */
  share(query, offset) {
    const value = this.value(query, offset);
    return percent(value === 0 && !(this.hides() && query === offset) ? 1e-9 : value);
  }

  /** Before the softmax; NaN = not read.
   * @param {number} query @param {number} offset */
  rawScore(query, offset) {
    const { run, layer, head, extras } = this.choice;
    const scores = extras?.scores;
    const column = run.column(run.windows[layer], query, offset);
    if (!scores || query >= scores.rows || column < 0 || column >= scores.width) return NaN;
    return scores.data[((query * run.layers + layer) * run.heads + head) * scores.width + column];
  }

  /** The keys that get most, strongest first.
   * @param {number} query @param {number} count */
  strongest(query, count) {
    /** @type {[weight: number, key: number][]} */
    const pairs = [];
    for (const offset of this.offsets(query)) pairs.push([this.value(query, offset), query - offset]);
    return pairs.sort((a, b) => b[0] - a[0]).slice(0, count);
  }
}
