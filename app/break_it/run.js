// The text that is read, and what is known of it: all of it comes with every payload.

import { WholeText } from "../kit/whole.js";

/**
 * @typedef {import("./types.js").BreakHeader} BreakHeader
 * @typedef {import("./types.js").BreakArrays} BreakArrays
 * @typedef {"heads" | "groups"} Columns  of the map
 */

/** @extends {WholeText<BreakHeader>} */
export class BreakRun extends WholeText {
  /**
   * @param {BreakHeader} header
   * @param {BreakArrays} arrays
   */
  constructor(header, arrays) {
    super(header);
    this.arrays = arrays;
  }

  get layers() {
    return this.meta.model.n_layers;
  }

  /** How many parts a layer has in the map, the MLP apart.
   * @param {Columns} by */
  columns(by) {
    return by === "heads" ? this.meta.model.n_heads : this.meta.model.n_kv_heads;
  }

  /** Change of the log-probability without a part, nats; NaN = not measured.
   * @param {Columns | "mlps"} by
   * @param {number} layer
   * @param {number} index */
  change(by, layer, index) {
    const values = this.arrays[by];
    return values ? values[layer * (values.length / this.layers) + index] : NaN;
  }

  /** KL of the prediction without a part, nats; NaN = not measured.
   * @param {Columns | "mlps"} by
   * @param {number} layer
   * @param {number} index */
  kl(by, layer, index) {
    const values = this.arrays[/** @type {"heads_kl" | "groups_kl" | "mlps_kl"} */ (`${by}_kl`)];
    return values ? values[layer * (values.length / this.layers) + index] : NaN;
  }

  /** The largest change of any head or group, nats: what is fully coloured. MLPs change more, and say so in numbers.
   * @param {Columns} by */
  top(by) {
    let top = 0;
    for (const value of this.arrays[by] ?? []) top = Math.max(top, Math.abs(value));
    return top;
  }
}
