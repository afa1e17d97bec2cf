// A run as the page ring keeps it: what every page keeps, and the key and value of every position as numbers.
// Slot s of a ring of W slots holds, at step t, what was made at the last position p <= t with p mod W = s; the first
// positions that are kept beside it have slots of their own before them (`kit/windows.js`).

import { Column, Run } from "../kit/run.js";

/** @import { Code } from "../kit/types.js" */
/** @import { RingArrays, RingHeader, SlotHeader } from "./types.js" */
/** @typedef {import("../kit/wire.js").Payload<RingHeader, RingArrays>} RingPayload */

/** Keys and values of every position: `dim` numbers of each of `heads` key/value heads in each layer.
 * @param {number} layers @param {number} heads @param {number} dim */
const store = (layers, heads, dim) => ({
  heads,
  dim,
  keys: new Column(Float32Array, layers * heads * dim),
  values: new Column(Float32Array, layers * heads * dim),
});

/** @extends {Run<RingPayload>} */
export class RingRun extends Run {
  /** @param {string} id */
  constructor(id) {
    super(id);
    /** @type {ReturnType<typeof store> | null} */
    this.kv = null;
    /** @type {SlotHeader & { dim: number, keys: Float32Array, values: Float32Array } | null} */
    this.one = null;
    /** @type {Code[]} */
    this.codes = [];
    this.largest = Infinity;
    this.oneWindow = false;
  }

  /** @param {RingHeader} header @param {RingArrays} arrays @param {number} skip */
  append(header, arrays, skip) {
    if (header.beside.codes.length) this.codes = header.beside.codes;
    if (arrays.keys && arrays.values) {
      const { n_kv_heads, head_dim } = header.beside.kv_shape;
      const stride = header.model.n_layers * n_kv_heads * head_dim;
      this.kv ??= store(header.model.n_layers, n_kv_heads, head_dim);
      this.kv.keys.write(this.count, arrays.keys.subarray(skip * stride));
      this.kv.values.write(this.count, arrays.values.subarray(skip * stride));
    }
    super.append(header, arrays, skip);
  }

  /** The key and value of the one slot that was asked for, where those of the whole run are too many to send.
   * @param {RingPayload} payload */
  takeSlot({ header, arrays }) {
    const { slot, kv_shape: shape } = header.beside;
    this.one =
      slot && arrays.slot_keys && arrays.slot_values
        ? { ...slot, dim: shape.head_dim, keys: arrays.slot_keys, values: arrays.slot_values }
        : null;
  }

  /** @param {(number | null)[]} windows @param {number} sinks */
  setReach(windows, sinks = 0) {
    super.setReach(windows, sinks);
    this.largest = Math.max(...this.windows);
    this.oneWindow = this.largest === this.smallest;
  }

  /** The numbers kept of a position; null where they were not recorded.
   * @param {"keys" | "values"} kind @param {number} position @param {number} layer @param {number} group
   * @returns {Float32Array | null} */
  vector(kind, position, layer, group) {
    if (position < 0 || position >= this.count) return null;
    const { one } = this;
    if (!this.kv)
      return one?.position === position && one.layer === layer
        ? one[kind].subarray(group * one.dim, (group + 1) * one.dim)
        : null;
    const { heads, dim } = this.kv;
    const from = ((position * this.layers + layer) * heads + group) * dim;
    return this.kv[kind].data.subarray(from, from + dim);
  }

  /** head: 0 and up = one head, -1 = mean of all, -2 and down = mean of a group of heads that share a key/value head.
   * @param {number} t @param {number} layer @param {number} head @param {number} offset */
  weight(t, layer, head, offset) {
    if (head > -2 || this.heads === 1) return super.weight(t, layer, Math.max(head, -1), offset);
    const { n_heads, n_kv_heads } = this.meta.model;
    const size = n_heads / n_kv_heads;
    let sum = 0;
    for (let i = 0; i < size; i++) sum += super.weight(t, layer, (-2 - head) * size + i, offset);
    return sum / size;
  }

  /** Every later reading of what a position left in a layer: `[step, weight]`, from the trace.
   * @param {number} position @param {number} layer @param {number} head */
  readings(position, layer, head) {
    const window = this.windows[layer];
    const last = Math.min(this.count - 1, this.leaves(position, window) - 1);
    /** @type {[step: number, weight: number][]} */
    const list = [];
    for (let q = position; q <= last; q++) list.push([q, this.weight(q, layer, head, q - position)]);
    return list;
  }

  landmarks() {
    const marks = super.landmarks().filter((mark) => mark.kind !== "reach");
    if (!this.oneWindow && this.largest + this.sinks < this.total)
      marks.push({ at: this.largest + this.sinks, kind: "reach", label: "first word gone from all" });
    return marks;
  }
}
