// One text and what has come of its stream so far: what is sent once stays here under its key.

import { WholeText } from "../kit/whole.js";

/**
 * @typedef {import("./types.js").ResidualHeader} ResidualHeader
 * @typedef {import("./types.js").ResidualArrays} ResidualArrays
 * @typedef {import("./types.js").Block} Block
 * @typedef {"lens" | "words" | "pinned" | "patch"} Section
 */

/** The array without which a section has not come. */
const SIGN = /** @type {const} */ ({
  lens: "top",
  words: "word_tokens",
  pinned: "pin_log_prob",
  patch: "lender_top",
});
/** @type {Section[]} */
export const SECTIONS = ["lens", "words", "pinned", "patch"];

/** What one run has, by section: where its arrays lie, and they. */
export class Store {
  constructor() {
    /** @type {Partial<Record<Section, { block: Block, arrays: ResidualArrays }>>} */
    this.sections = {};
    /** @type {Map<number, string>} printable form, by id */
    this.labels = new Map();
  }

  /** @param {ResidualHeader} header
   * @param {ResidualArrays} arrays */
  take(header, arrays) {
    for (const [id, label] of Object.entries(header.labels)) this.labels.set(Number(id), label);
    for (const section of SECTIONS) {
      const block = header[section];
      if (block && arrays[SIGN[section]]) this.sections[section] = { block, arrays };
    }
  }

  /** @param {Section} section */
  key(section) {
    return this.sections[section]?.block.key ?? "";
  }
}

/** @extends {WholeText<ResidualHeader>} */
export class ResidualRun extends WholeText {
  /**
   * @param {ResidualHeader} header
   * @param {Store} store
   */
  constructor(header, store) {
    super(header);
    this.store = store;
    this.ids = header.tokens.map(([, , id]) => id);
  }

  get layers() {
    return this.meta.model.n_layers;
  }

  get rows() {
    return this.layers + 1;
  }

  /** What has come of a section, if it is what the header speaks of.
   * @param {Section} section */
  section(section) {
    const has = this.store.sections[section];
    return has && has.block.key === this.meta[section]?.key ? has : null;
  }

  /** Index of a position in a section; -1 = it is not in it.
   * @param {Section} section
   * @param {number} position */
  column(section, position) {
    const block = this.section(section)?.block;
    const index = block ? position - block.first : -1;
    return block && index >= 0 && index < block.count ? index : -1;
  }

  /** A number of one cell of an array that has rows and the positions of a section.
   * @param {Section} section
   * @param {keyof ResidualArrays} name
   * @param {number} row
   * @param {number} position
   * @returns {number} NaN = not known */
  cell(section, name, row, position) {
    const index = this.column(section, position);
    const has = this.section(section);
    const values = has?.arrays[name];
    return has && values && index >= 0 ? values[row * has.block.count + index] : NaN;
  }

  /** Tokens that are followed at a position, the final one first.
   * @param {number} position
   * @returns {number[]} */
  followed(position) {
    const index = this.column("lens", position);
    const tokens = this.section("lens")?.arrays.tokens;
    const count = this.section("lens")?.block.count ?? 1;
    if (!tokens || index < 0) return [];
    const each = tokens.length / count;
    return [...tokens.subarray(index * each, (index + 1) * each)];
  }

  /** Where the numbers of a token are: among those that are followed, or pinned.
   * @param {number} position
   * @param {number} token
   * @returns {{ section: "lens" | "pinned", prefix: "" | "pin_", index: number, at: number, each: number } | null} */
  where(position, token) {
    const followed = this.followed(position);
    const at = followed.indexOf(token);
    const index = this.column("lens", position);
    if (at >= 0) return { section: "lens", prefix: "", index, at, each: followed.length };
    const pinned = this.section("pinned") ? this.meta.pins.indexOf(token) : -1;
    const column = this.column("pinned", position);
    if (pinned < 0 || column < 0) return null;
    return { section: "pinned", prefix: "pin_", index: column, at: pinned, each: this.meta.pins.length };
  }

  /** Log-probability or rank of a token in one cell; NaN = not known.
   * @param {"log_prob" | "rank"} what
   * @param {number} row
   * @param {number} position
   * @param {number} token */
  of(what, row, position, token) {
    const place = this.where(position, token);
    if (!place) return NaN;
    const has = this.section(place.section);
    const values = has?.arrays[/** @type {"log_prob"} */ (place.prefix + what)];
    return has && values ? values[(row * has.block.count + place.index) * place.each + place.at] : NaN;
  }

  /** What each part adds to the logit of a token: the embedding, then attention and MLP of each layer.
   * @param {number} position
   * @param {number} token
   * @returns {{ parts: Float32Array, heads: Float32Array, logit: number } | null} */
  added(position, token) {
    const place = this.where(position, token);
    const arrays = place && this.section(place.section)?.arrays;
    if (!place || !arrays) return null;
    const name = (/** @type {string} */ what) => arrays[/** @type {"parts"} */ (place.prefix + what)];
    const parts = name("parts");
    const heads = name("heads");
    const logits = name("logits");
    if (!parts || !heads || !logits) return null;
    const cell = place.index * place.each + place.at;
    const wide = 1 + 2 * this.layers;
    const all = this.layers * this.meta.model.n_heads;
    return {
      parts: parts.subarray(cell * wide, (cell + 1) * wide),
      heads: heads.subarray(cell * all, (cell + 1) * all),
      logit: logits[cell],
    };
  }

  /** What a part promotes, then what it suppresses, at a position.
   * @param {number} position
   * @param {number} part  0 = attention of the first layer, 1 = its MLP, ...
   * @returns {{ token: number, added: number, before: number, after: number }[]} */
  words(position, part) {
    const index = this.column("words", position);
    const has = this.section("words");
    if (index < 0 || !has) return [];
    const { word_tokens: tokens, word_added: added, word_before: before, word_after: after } = has.arrays;
    if (!tokens || !added || !before || !after) return [];
    const sublayers = 2 * this.layers;
    const each = tokens.length / has.block.count / sublayers;
    const from = (index * sublayers + part) * each;
    return Array.from({ length: each }, (_, i) => ({
      token: tokens[from + i],
      added: added[from + i],
      before: before[from + i],
      after: after[from + i],
    }));
  }

  /** Printable form of a token.
   * @param {number} id */
  label(id) {
    return this.store.labels.get(id) ?? `token ${id}`;
  }

  /** The token that comes next in the text; null = there is none.
   * @param {number} position */
  next(position) {
    return position + 1 < this.count ? this.ids[position + 1] : null;
  }
}

/**
 * What two tokens' contributions differ by, part by part; without a second one those of the first.
 *
 * @param {{ parts: Float32Array, heads: Float32Array, logit: number }} one
 * @param {{ parts: Float32Array, heads: Float32Array, logit: number } | null} other
 */
export function difference(one, other) {
  const less = (/** @type {Float32Array} */ mine, /** @type {Float32Array | undefined} */ theirs) =>
    Array.from(mine, (value, i) => value - (theirs?.[i] ?? 0));
  const parts = less(one.parts, other?.parts);
  return {
    parts,
    heads: less(one.heads, other?.heads),
    logit: one.logit - (other?.logit ?? 0),
    sum: parts.reduce((sum, value) => sum + value, 0),
  };
}
