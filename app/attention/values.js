// What a query gives a key, in the picture that is chosen: the run's own weights, or what was derived from them.

import { Playhead } from "../kit/playhead.js";
import { percent } from "../kit/format.js";

export class Values extends Playhead {
  absorbExtras(run, { header, arrays }) {
    const band = (name) =>
      arrays[name] && { data: arrays[name], width: header.arrays[name].shape[1], rows: header.arrays[name].shape[0] };
    const hidden = arrays.without_first && {
      data: arrays.without_first,
      rows: header.arrays.without_first.shape[0],
      width: header.arrays.without_first.shape[3],
    };
    const scores = arrays.scores && {
      data: arrays.scores,
      rows: header.arrays.scores.shape[0],
      width: header.arrays.scores.shape[3],
    };
    run.extras = {
      ...header.extras, // key, notes, measures, queries
      measures: header.extras.measures.length ? header.extras.measures : null,
      numbers: arrays.measures,
      bands: { mean: band("mean"), max: band("max"), rollout: band("rollout") },
      hidden,
      scores,
    };
  }

  what() {
    if (this.picture === "head")
      return `layer ${this.layer + 1}, ${this.headName()}${this.hides() ? ", without position 0" : ""}`;
    return {
      mean: "mean of all layers and heads",
      max: "largest of all layers and heads",
      rollout: "rollout through all layers",
    }[this.picture];
  }

  /** Whose view is shown: the word under the pointer, else the token of the step. */
  query() {
    return this.hovered !== null && this.hovered < this.run.count ? this.hovered : this.t;
  }
  hides() {
    return this.hidden && this.picture === "head" && Boolean(this.extras?.hidden);
  }

  /** Keys that a query of the shown picture can look at. */
  width() {
    const { run } = this;
    if (this.picture === "head") return run.windows[this.layer];
    return this.picture === "rollout" ? run.reach + 1 : Math.max(...run.windows);
  }

  weight(query, layer, head, offset) {
    const { run } = this;
    const hidden = this.hides() ? this.extras.hidden : null;
    if (!hidden || query >= hidden.rows) return run.weight(query, layer, head, offset);
    if (offset >= hidden.width) return 0;
    const heads = run.heads;
    const one = (h) => hidden.data[((query * run.layers + layer) * heads + h) * hidden.width + offset] / 65535;
    if (head >= 0) return one(head);
    let sum = 0;
    for (let h = 0; h < heads; h++) sum += one(h);
    return sum / heads;
  }

  value(query, offset) {
    if (this.picture === "head") return this.weight(query, this.layer, this.head, offset);
    const band = this.extras?.bands[this.picture];
    if (!band || query >= band.rows) return NaN;
    return offset < band.width ? band.data[query * band.width + offset] / 65535 : 0;
  }

  /** In words; a weight that is too small for 16 bits is small, not 0. */
  share(query, offset) {
    const value = this.value(query, offset);
    return percent(value === 0 && !(this.hides() && query === offset) ? 1e-9 : value);
  }

  rawScore(query, offset) {
    const scores = this.extras?.scores;
    if (!scores || query >= scores.rows || offset >= scores.width) return NaN;
    return scores.data[((query * this.run.layers + this.layer) * this.run.heads + this.head) * scores.width + offset];
  }

  strongest(query, count) {
    const found = [];
    for (let offset = 0; offset < this.width() && offset <= query; offset++)
      found.push([this.value(query, offset), query - offset]);
    return found.sort((a, b) => b[0] - a[0]).slice(0, count);
  }
}
