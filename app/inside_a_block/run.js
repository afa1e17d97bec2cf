// A run as this page keeps it: what every page keeps, and of the tokens that were looked at every number inside.

import { Run } from "../kit/run.js";

/** @import { EndingHeader, InsideHeader, SplitHeader, TokenArrays, TokenHeader, WorkedHeader } from "./types.js" */
/** @typedef {import("../kit/wire.js").Payload<TokenHeader, TokenArrays>} TokenPayload */
/** @typedef {{ shape: number[], data: Float32Array }} Numbers */
/** @typedef {WorkedHeader & { left: number[], right: number[] }} Worked */
/** @typedef {SplitHeader & { pairs: Float32Array, layers: Float32Array }} Split */
/**
 * @typedef {Object} Token  what is known of one
 * @property {Map<string, Numbers>} boxes  by layer and box
 * @property {Map<number, number[]>} seen  by layer, positions of the keys
 * @property {Map<string, Worked>} worked  by layer, box and cell
 * @property {Map<string, number[]>} first  by layer, head and box, the cell that is looked at first
 * @property {Map<string, Split>} splits  by layer, head and key
 * @property {InsideHeader} meta  of the newest answer
 * @property {EndingHeader | null} ending
 */

/** Tokens whose numbers are kept: 60 of the bundled model are 12 MB. */
const MOST = 60;

/** @extends {Run<TokenPayload>} */
export class TokenRun extends Run {
  /** @param {string} id */
  constructor(id) {
    super(id);
    /** @type {Map<number, Token>} by position, the newest last */
    this.tokens = new Map();
    /** The newest answer, by the number of its look; 0 = none. */
    this.answered = 0;
    /** @type {import("../kit/types.js").Code[]} the functions that make the boxes */
    this.codes = [];
    /** @type {InsideHeader | null} the newest answer, whole or not */
    this.reply = null;
  }

  /** @param {number} count */
  truncate(count) {
    super.truncate(count);
    for (const position of this.tokens.keys()) if (position >= count) this.tokens.delete(position);
  }

  /** @param {TokenPayload} payload */
  takeInside({ header, arrays }) {
    const { inside } = header;
    if (!inside) return;
    this.reply = inside;
    if (inside.codes.length) this.codes = inside.codes;
    if (inside.status === "reading") return;
    this.answered = inside.n;
    const token = this.tokenOf(inside);
    token.meta = inside;
    token.ending = inside.ending ?? token.ending;
    for (const { layer, box, shape, at } of inside.boxes) {
      const count = shape.reduce((product, size) => product * size, 1);
      token.boxes.set(`${layer}/${box}`, {
        shape,
        data: arrays.numbers?.subarray(at, at + count) ?? new Float32Array(),
      });
    }
    for (const { layer, positions } of inside.seen) token.seen.set(layer, positions);
    for (const worked of inside.worked) this.takeWorked(token, worked, arrays, inside.head);
    if (inside.split && arrays.split_pairs && arrays.split_layers) {
      const { layer, head, key } = inside.split;
      const numbers = { pairs: arrays.split_pairs, layers: arrays.split_layers };
      token.splits.set(`${layer}/${head}/${key}`, { ...inside.split, ...numbers });
    }
  }

  /**
   * @param {Token} token
   * @param {WorkedHeader} worked
   * @param {TokenArrays} arrays
   * @param {number} head
   */
  takeWorked(token, worked, arrays, head) {
    const { at, count, layer, box, cell } = worked;
    const rows = arrays.terms?.subarray(2 * at, 2 * (at + count)) ?? [];
    const left = Array.from({ length: count }, (_, i) => rows[2 * i]);
    const right = Array.from({ length: count }, (_, i) => rows[2 * i + 1]);
    token.worked.set(`${layer}/${box}/${cell}`, { ...worked, left, right });
    if (worked.first) token.first.set(`${layer}/${head}/${box}`, cell);
  }

  /** @param {InsideHeader} inside
   * @returns {Token} */
  tokenOf(inside) {
    const known = this.tokens.get(inside.t);
    const token = known ?? {
      boxes: new Map(),
      seen: new Map(),
      worked: new Map(),
      first: new Map(),
      splits: new Map(),
      meta: inside,
      ending: null,
    };
    this.tokens.delete(inside.t);
    this.tokens.set(inside.t, token);
    for (const oldest of this.tokens.keys()) {
      if (this.tokens.size <= MOST) break;
      this.tokens.delete(oldest);
    }
    return token;
  }

  /**
   * The numbers of a box; null = they are not here.
   *
   * @param {number} t
   * @param {number} layer
   * @param {string} box
   * @returns {Numbers | null}
   */
  numbers(t, layer, box) {
    const boxes = this.tokens.get(t)?.boxes;
    if (!boxes) return null;
    if (box === "mask") return this.mask(t, layer);
    if (box === "logits") return null;
    return boxes.get(`${box === "final_norm" ? -1 : layer}/${box === "ring" ? "rot_k" : box}`) ?? null;
  }

  /** Of every key up to this token, whether it is seen: 1 or 0. From the stored scores, which a change may have hidden.
   * @param {number} t @param {number} layer
   * @returns {Numbers | null} */
  mask(t, layer) {
    const token = this.tokens.get(t);
    const scores = token?.boxes.get(`${layer}/scores`);
    const seen = token?.seen.get(layer);
    if (!token || !scores || !seen) return null;
    const known = token.boxes.get(`${layer}/mask`);
    if (known) return known;
    const from = this.maskFrom(t, layer);
    const data = new Float32Array(t + 1 - from);
    seen.forEach((position, column) => {
      if (position >= from && scores.data[column] > -Infinity) data[position - from] = 1;
    });
    const mask = { shape: [1, data.length], data };
    token.boxes.set(`${layer}/mask`, mask);
    return mask;
  }

  /** The first key that the mask's picture shows: of a long text those near the window.
   * @param {number} t @param {number} layer */
  maskFrom(t, layer) {
    const window = this.windows[layer];
    return Number.isFinite(window) ? Math.max(0, t + 1 - 2 * window) : 0;
  }
}
