// What the browser holds of each run. Payloads overlap and may be lost; a run only ever grows at its end.

import { grouped, plural } from "./format.js";

/** A typed array that grows: `stride` numbers per position. */
export class Column {
  constructor(Type, stride) {
    this.Type = Type;
    this.stride = stride;
    this.data = new Type(stride * 256);
  }
  /** Writes `rows` of width `stride` from position `at` on. */
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

/** Position whose key and value lie in a slot of a ring of `window` slots at step t: the last p <= t with p mod W = slot. */
export const lastIn = (slot, t, window) => t - ((((t - slot) % window) + window) % window);

export class Run {
  constructor(id) {
    this.id = id;
    this.count = 0;
    this.texts = [];
    this.labels = [];
    this.ids = [];
    this.hashes = [0];
    this.probability = new Column(Float32Array, 1);
    this.rank = new Column(Int32Array, 1);
    this.entropy = new Column(Float32Array, 1);
    this.pattern = null;
    this.steps = [];
    this.stageKey = null;
    this.stagesTo = 0;
    this.names = new Map();
  }

  /** Takes over what is new in a payload; says whether anything was, and whether tokens are missing. */
  absorb({ header, arrays }) {
    this.meta = header;
    const rewritten = this.reconcile(header);
    this.total = Math.max(header.total, this.count, header.to);
    this.setReach(header.model.windows);
    const gap = header.from > this.count;
    const grew = !gap && header.to > this.count;
    if (grew) this.append(header, arrays, this.count - header.from);
    const restaged = Boolean(header.stages) && this.absorbStages(header, arrays);
    return { gap, grew, restaged, rewritten };
  }

  /** Python is right: what it does not have is dropped, and a text that differs is forgotten and asked for again. */
  reconcile(header) {
    const { from, to, prefix, tokens } = header;
    const same =
      from > this.count ||
      (this.hashes[from] === prefix &&
        tokens.every(([, , id], i) => from + i >= this.count || this.ids[from + i] === id));
    const keep = same ? Math.min(this.count, Math.max(to, 0)) : 0;
    if (keep === this.count) return false;
    this.count = keep;
    for (const list of [this.texts, this.labels, this.ids]) list.length = keep;
    this.hashes.length = keep + 1;
    this.steps.length = Math.min(this.steps.length, keep);
    this.stagesTo = Math.min(this.stagesTo, keep);
    return true;
  }

  append(header, arrays, skip) {
    for (const [text, label, id] of header.tokens.slice(skip)) {
      this.hashes.push((Math.imul(this.hashes.at(-1), 31) + id + 1) >>> 0);
      this.texts.push(text);
      this.labels.push(label);
      this.ids.push(id);
    }
    for (const name of ["probability", "rank", "entropy"]) this[name].write(this.count, arrays[name].subarray(skip));
    if (header.pattern) this.appendPattern(header, arrays.pattern, skip);
    this.count = header.to;
  }

  /** Without a window the rows get longer as the text does; then what was there is spread out anew. */
  appendPattern({ pattern, model }, rows, skip) {
    const { heads, width } = pattern;
    if (!this.pattern || width > this.width || heads !== this.heads) {
      const per = model.n_layers * heads;
      const wider = new Column(Uint16Array, per * width);
      for (let t = 0; this.pattern && t < this.count; t++) {
        const rewritten = new Uint16Array(per * width);
        for (let i = 0; i < per * this.width; i++) {
          const head = heads === this.heads ? Math.floor(i / this.width) % heads : -1;
          const layer = Math.floor(i / (this.width * heads));
          if (layer >= this.layers) break;
          const offset = i % this.width;
          rewritten[(layer * heads + Math.max(head, 0)) * width + offset] = this.weight(t, layer, head, offset) * 65535;
        }
        wider.write(t, rewritten);
      }
      Object.assign(this, { pattern: wider, heads, width });
    }
    const per = model.n_layers * heads;
    for (let row = skip * per; width < this.width && row < rows.length / width; row++) {
      const at = (this.count - skip) * per + row;
      if (row % per === 0) this.pattern.write(at / per, new Uint16Array(per * this.width));
      this.pattern.data.set(rows.subarray(row * width, (row + 1) * width), at * this.width);
    }
    if (width === this.width) this.pattern.write(this.count, rows.subarray(skip * per * width));
  }

  absorbStages(header, arrays) {
    const { key, from, to, names } = header.stages;
    const kinds = names.length;
    const k = arrays.alt_ids.length / Math.max(1, to - from);
    if (key === this.stageKey && to <= this.stagesTo && this.steps[from]?.key === key) return false;
    for (const [id, label] of Object.entries(header.labels)) this.names.set(Number(id), label);
    for (let step = from; step < to; step++) {
      const i = step - from;
      this.steps[step] = {
        key,
        names,
        ids: arrays.alt_ids.subarray(i * k, (i + 1) * k),
        probs: arrays.stage_probs.subarray(i * kinds * k, (i + 1) * kinds * k),
        kept: arrays.stage_kept.subarray(i * kinds, (i + 1) * kinds),
      };
    }
    if (key !== this.stageKey) this.stagesTo = 0;
    this.stageKey = key;
    while (this.steps[this.stagesTo]?.key === key) this.stagesTo++; // acknowledged is what has no gap
    return true;
  }

  /** cumulative[k]: how far back k layers, counted from the top, can carry something. */
  setReach(windows) {
    this.windows = windows.map((window) => window ?? Infinity);
    this.cumulative = [0];
    for (const window of [...this.windows].reverse()) this.cumulative.push(this.cumulative.at(-1) + window - 1);
    this.layers = windows.length;
    this.reach = this.cumulative.at(-1);
    this.smallest = Math.min(...this.windows);
  }

  /** The window of the model in words; layers may have different ones, or none. */
  windowName() {
    const rings = this.windows.filter(Number.isFinite);
    if (!rings.length) return "no window";
    const largest = Math.max(...rings);
    const sizes =
      largest === this.smallest
        ? `window ${grouped(largest)}`
        : `windows ${grouped(this.smallest)} to ${grouped(largest)}`;
    return rings.length === this.layers ? sizes : `${sizes}, ${plural(this.layers - rings.length, "layer")} without`;
  }

  /** Layers needed to carry something over `distance` positions; -1 = out of reach. */
  hops(distance) {
    if (distance > this.reach) return -1;
    let k = 0;
    while (this.cumulative[k] < distance) k++;
    return k;
  }

  /** Position whose key and value lie in a slot at step t; -1 = empty. */
  held(slot, t, window) {
    return Math.max(lastIn(slot, t, window), -1);
  }

  /** Attention weight of query t on the key `offset` back; head -1 = mean of the heads; NaN = not recorded. */
  weight(t, layer, head, offset) {
    if (!this.pattern || t >= this.count) return NaN;
    if (offset >= this.width) return 0;
    const base = (t * this.layers + layer) * this.heads * this.width + offset;
    if (head >= 0 && this.heads > 1) return this.pattern.data[base + head * this.width] / 65535;
    let sum = 0;
    for (let h = 0; h < this.heads; h++) sum += this.pattern.data[base + h * this.width];
    return sum / this.heads / 65535;
  }

  p(position) {
    return position > 0 ? this.probability.data[position] : NaN;
  }
  rankOf(position) {
    return position > 0 ? this.rank.data[position] : -1;
  }
  bits(step) {
    return this.entropy.data[step];
  }
  nameOf(id) {
    return this.names.get(id) ?? `#${id}`;
  }

  /** Positions worth a mark on the timeline. */
  landmarks() {
    const marks = [];
    const prompt = this.meta.n_prompt - 1;
    if (prompt > 0 && prompt < this.total) marks.push({ at: prompt, kind: "prompt", label: "end of prompt" });
    if (this.smallest < this.total) marks.push({ at: this.smallest, kind: "overwrite", label: "first overwrite" });
    if (this.reach + 1 < this.total)
      marks.push({ at: this.reach + 1, kind: "reach", label: "first token out of reach" });
    return marks;
  }
}
