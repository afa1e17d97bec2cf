// What the browser holds of each run. Payloads overlap and may be lost; a run only ever grows at its end.

import { nameBytes } from "./bytes.js";
import { later } from "./later.js";
import { Windows } from "./windows.js";

/** @typedef {import("./types.js").RunHeader} RunHeader */
/** @typedef {import("./types.js").RunArrays} RunArrays */
/** @typedef {import("./wire.js").Payload<RunHeader, RunArrays>} RunPayload */
/** @typedef {{ at: number, kind: "prompt" | "overwrite" | "reach" | "hit", label: string }} Landmark */

/**
 * A typed array that grows: `stride` numbers per position.
 *
 * @template {import("./wire.js").Numbers} Numbers
 */
export class Column {
  /**
   * @param {new (length: number) => Numbers} Type
   * @param {number} stride
   */
  constructor(Type, stride) {
    this.Type = Type;
    this.stride = stride;
    this.data = new Type(stride * 256);
  }
  /**
   * Writes rows of `stride` numbers each.
   *
   * @param {number} at  position of the first
   * @param {ArrayLike<number>} rows
   */
  write(at, rows) {
    const end = at * this.stride + rows.length;
    if (end > this.data.length) {
      const larger = new this.Type(Math.max(end, this.data.length * 2));
      larger.set(this.data);
      this.data = larger;
    }
    this.data.set(rows, at * this.stride);
  }
}

/** @template {RunPayload} [P=RunPayload] */
export class Run extends Windows {
  /** @param {string} id */
  constructor(id) {
    super();
    this.id = id;
    this.count = 0;
    this.total = 0;
    /** @type {P["header"]} the newest header */
    this.meta = later();
    /** @type {string[]} */
    this.texts = [];
    /** @type {string[]} of the vocabulary, that the tokens are */
    this.pieces = [];
    /** @type {string[]} by which the tokens are called */
    this.labels = [];
    /** @type {number[]} */
    this.ids = [];
    /** @type {number[]} of all tokens before each position */
    this.hashes = [0];
    this.probability = new Column(Float32Array, 1);
    this.rank = new Column(Int32Array, 1);
    this.entropy = new Column(Float32Array, 1);
    /** @type {Column<Uint16Array> | null} attention weights x 65535 */
    this.pattern = null;
    /** Layers whose attention was not kept.
     * @type {Set<number>} */
    this.missing = new Set();
    /** Heads, and columns of each, in a row of `pattern`. */
    this.heads = 0;
    this.width = 0;
  }

  /**
   * Takes over what is new in a payload; says whether anything was, and whether tokens are missing.
   *
   * @param {P} payload
   */
  absorb({ header, arrays }) {
    this.meta = header;
    const rewritten = this.reconcile(header);
    this.total = Math.max(header.total, this.count, header.to);
    this.setReach(header.model.windows, header.model.sinks);
    const gap = header.from > this.count;
    const grew = !gap && header.to > this.count;
    if (grew) this.append(header, arrays, this.count - header.from);
    return { gap, grew, rewritten };
  }

  /**
   * Python is right: what it does not have is dropped, and a text that differs is forgotten and asked for again.
   *
   * @param {P["header"]} header
   */
  reconcile(header) {
    const { from, to, prefix, tokens } = header;
    const same =
      from > this.count ||
      (this.hashes[from] === prefix &&
        tokens.every(([, , id], i) => from + i >= this.count || this.ids[from + i] === id));
    const count = same ? Math.min(this.count, Math.max(to, 0)) : 0;
    if (count === this.count) return false;
    this.truncate(count);
    return true;
  }

  /**
   * Forgets all tokens but the first `count`.
   *
   * @param {number} count
   */
  truncate(count) {
    this.count = count;
    for (const list of [this.texts, this.pieces, this.labels, this.ids]) list.length = count;
    this.hashes.length = count + 1;
  }

  /**
   * @param {P["header"]} header
   * @param {P["arrays"]} arrays
   * @param {number} skip  tokens of the payload that are known
   */
  append(header, arrays, skip) {
    let hash = this.hashes[this.count];
    for (const [text, label, id] of header.tokens.slice(skip)) {
      hash = (Math.imul(hash, 31) + id + 1) >>> 0;
      this.hashes.push(hash);
      this.texts.push(text);
      this.pieces.push(label);
      this.labels.push(label);
      this.ids.push(id);
    }
    nameBytes(this.texts, this.pieces, this.labels, this.count);
    this.probability.write(this.count, arrays.probability.subarray(skip));
    this.rank.write(this.count, arrays.rank.subarray(skip));
    this.entropy.write(this.count, arrays.entropy.subarray(skip));
    if (header.pattern && arrays.pattern) {
      const per = header.model.n_layers * header.pattern.heads;
      this.missing = new Set(header.pattern.missing);
      this.appendPattern(header.pattern, per, arrays.pattern, skip);
    }
    this.count = header.to;
  }

  /**
   * Without a window the rows get longer as the text does; then what was there is spread out anew.
   *
   * @param {import("./types.js").PatternShape} shape
   * @param {number} per  rows of a token: layers x heads
   * @param {Uint16Array} rows
   * @param {number} skip  tokens of the payload that are known
   */
  appendPattern({ heads, width }, per, rows, skip) {
    const pattern = this.widened(heads, width, per);
    for (let row = skip * per; width < this.width && row < rows.length / width; row++) {
      const at = (this.count - skip) * per + row;
      if (row % per === 0) pattern.write(at / per, new Uint16Array(per * this.width));
      pattern.data.set(rows.subarray(row * width, (row + 1) * width), at * this.width);
    }
    if (width === this.width) pattern.write(this.count, rows.subarray(skip * per * width));
  }

  /**
   * The pattern, in which rows of this width have room.
   *
   * @param {number} heads
   * @param {number} width
   * @param {number} per
   */
  widened(heads, width, per) {
    if (this.pattern && width <= this.width && heads === this.heads) return this.pattern;
    const wider = new Column(Uint16Array, per * width);
    for (let t = 0; this.pattern && t < this.count; t++) {
      const rewritten = new Uint16Array(per * width);
      for (let i = 0; i < per * this.width; i++) {
        const head = heads === this.heads ? Math.floor(i / this.width) % heads : -1;
        const layer = Math.floor(i / (this.width * heads));
        if (layer >= this.layers) break;
        const column = i % this.width;
        rewritten[(layer * heads + Math.max(head, 0)) * width + column] = this.cell(t, layer, head, column) * 65535;
      }
      wider.write(t, rewritten);
    }
    Object.assign(this, { pattern: wider, heads, width });
    return wider;
  }

  /**
   * Attention weight of query t on the key `offset` back; NaN = not recorded.
   *
   * @param {number} t
   * @param {number} layer
   * @param {number} head  -1 = mean of the heads
   * @param {number} offset
   */
  weight(t, layer, head, offset) {
    return this.cell(t, layer, head, this.column(this.windows[layer], t, offset));
  }

  /**
   * The same by the column in which it was sent; -1 = the key is not seen.
   *
   * @param {number} t
   * @param {number} layer
   * @param {number} head  -1 = mean of the heads
   * @param {number} column
   */
  cell(t, layer, head, column) {
    if (!this.pattern || t >= this.count || this.missing.has(layer)) return NaN;
    if (column < 0 || column >= this.width) return 0;
    const base = (t * this.layers + layer) * this.heads * this.width + column;
    if (head >= 0 && this.heads > 1) return this.pattern.data[base + head * this.width] / 65535;
    let sum = 0;
    for (let h = 0; h < this.heads; h++) sum += this.pattern.data[base + h * this.width];
    return sum / this.heads / 65535;
  }

  /** The layers to choose from, counted from 1, and which of them have no attention here.
   * @returns {[number, string][]} */
  layerChoices() {
    return Array.from({ length: this.layers }, (_, i) => [i, `${i + 1}${this.missing.has(i) ? ", not kept" : ""}`]);
  }

  /** The layer that a picture opens with: the middle one, or the next one whose attention was kept. */
  get middle() {
    const half = Math.floor(this.layers / 2);
    for (let layer = half; this.pattern && layer < this.layers; layer++) if (!this.missing.has(layer)) return layer;
    return half;
  }

  /** @param {number} position */
  p(position) {
    return position > 0 ? this.probability.data[position] : NaN;
  }
  /** @param {number} position */
  rankOf(position) {
    return position > 0 ? this.rank.data[position] : -1;
  }
  /** @param {number} step */
  bits(step) {
    return this.entropy.data[step];
  }

  /**
   * Positions worth a mark on the timeline.
   *
   * @returns {Landmark[]}
   */
  landmarks() {
    /** @type {Landmark[]} */
    const marks = [];
    const prompt = this.meta.n_prompt - 1;
    const growing = this.meta.status === "running" || this.meta.status === "paused";
    const end = growing ? this.total : this.count; // a text that was stopped does not reach what was expected
    if (prompt > 0 && prompt < end) marks.push({ at: prompt, kind: "prompt", label: "end of prompt" });
    const overwrite = this.smallest + this.sinks;
    const reach = this.reach + 1 + this.sinks; // kept ones never are
    if (overwrite < end) marks.push({ at: overwrite, kind: "overwrite", label: "first overwrite" });
    if (reach < end) marks.push({ at: reach, kind: "reach", label: "first token out of reach" });
    return marks;
  }
}
