// A text with queries and keys, and what follows from them: scores, who may be seen and why not, weights.

import { WholeText } from "../kit/whole.js";
import { Windows } from "../kit/windows.js";

/**
 * @typedef {import("./types.js").WindowHeader} WindowHeader
 * @typedef {import("./types.js").WindowArrays} WindowArrays
 * @typedef {"allowed" | "kept" | "future" | "older"} Why  a key may be seen: in the window, or kept besides; or may not
 */

/** @extends {WholeText<WindowHeader & { mode: "desk" }>} */
export class WindowRun extends WholeText {
  /**
   * @param {WindowHeader} header
   * @param {WindowArrays} arrays
   */
  constructor(header, arrays) {
    super({ ...header, mode: /** @type {"desk"} */ ("desk") }); // as `places.js` asks
    this.arrays = arrays;
    this.total = this.count;
    this.layers = header.model.n_layers;
    this.middle = Math.floor(this.layers / 2);
    this.own = new Windows();
    this.own.setReach(header.model.windows, header.model.sinks);
    this.windows = this.own.windows;
  }

  /** Where the numbers of a layer lie; -1 = they have not come.
   * @param {number} layer */
  kept(layer) {
    return this.meta.layers.indexOf(layer);
  }

  /** Which numbers of a query and its keys a layer and head use; null = they have not come.
   * @param {number} layer
   * @param {number} head */
  vectors(layer, head) {
    const { queries, keys } = this.arrays;
    const at = this.kept(layer);
    if (!queries || !keys || at < 0) return null;
    const { n_heads, n_kv_heads } = this.meta.model;
    const width = queries.length / this.meta.layers.length / this.count / n_heads;
    const shared = Math.floor(head / (n_heads / n_kv_heads));
    /** @param {number} position */
    const query = (position) => ((at * this.count + position) * n_heads + head) * width;
    /** @param {number} position */
    const key = (position) => ((at * this.count + position) * n_kv_heads + shared) * width;
    return { queries, keys, width, query, key };
  }

  /** `q . k / sqrt(head_dim)` of one query with the keys from `from` up to but without `to`; null = not here.
   * @param {number} layer
   * @param {number} head
   * @param {number} position of the query
   * @param {number} [from]
   * @param {number} [to] */
  scores(layer, head, position, from = 0, to = this.count) {
    const here = this.vectors(layer, head);
    if (!here) return null;
    const { queries, keys, width } = here;
    const q = here.query(position);
    const out = new Float64Array(to - from);
    for (let p = from; p < to; p++) {
      const k = here.key(p);
      let sum = 0;
      for (let i = 0; i < width; i++) sum += queries[q + i] * keys[k + i];
      out[p - from] = sum / Math.sqrt(width);
    }
    return out;
  }
}

/** Whether a query may look at a key, and why not: `mistral_core/mask.py` in JavaScript.
 * @param {number} query
 * @param {number} key
 * @param {number} window Infinity = none
 * @param {number} sinks
 * @returns {Why} */
export function why(query, key, window, sinks) {
  if (key > query) return "future";
  if (query - key < window) return "allowed";
  return key < sinks ? "kept" : "older";
}

/** The softmax over those scores that the mask lets through; the others weigh exactly 0.
 * @param {Float64Array} scores of the keys from 0 on
 * @param {number} query
 * @param {number} window
 * @param {number} sinks */
export function weights(scores, query, window, sinks) {
  const out = new Float64Array(scores.length);
  let top = -Infinity;
  /** @param {number} key */
  const seen = (key) => key <= query && (query - key < window || key < sinks);
  for (let key = 0; key < scores.length; key++) if (seen(key)) top = Math.max(top, scores[key]);
  let sum = 0;
  for (let key = 0; key < scores.length; key++) {
    if (!seen(key)) continue;
    out[key] = Math.exp(scores[key] - top);
    sum += out[key];
  }
  for (let key = 0; key < scores.length; key++) out[key] /= sum;
  return out;
}

/** Rows of the table of one query: later keys, the window, kept ones, and as many older ones as there is room for.
 * @param {number} query
 * @param {number} count
 * @param {number} window
 * @param {number} sinks
 * @param {{ later: number, older: number }} room
 * @returns {number[]} keys, newest first */
export function rowsOf(query, count, window, sinks, { later, older }) {
  const first = Math.max(0, query - window + 1);
  const keys = [];
  for (let key = Math.min(count - 1, query + later); key >= Math.max(0, first - older); key--) keys.push(key);
  for (let key = Math.min(sinks, Math.max(0, first - older)) - 1; key >= 0; key--) keys.push(key);
  return keys;
}
