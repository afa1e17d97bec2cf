// A run as the page shared_heads keeps it: what every page keeps, the key and value of every position, and what came
// apart for some layers: weights head by head where the run brought their mean, keys and values where it has none.

import { Column, Run } from "../kit/run.js";

/** @import { SharedHeadsArrays, SharedHeadsHeader, TakenAway } from "./types.js" */
/** @typedef {import("../kit/wire.js").Payload<SharedHeadsHeader, SharedHeadsArrays>} SharedPayload */
/** @typedef {"keys" | "values"} Kind */
/** What came apart; `at` = where each layer lies in the arrays.
 * @typedef {{ key: string, at: Map<number, number>, again: boolean, arrays: SharedHeadsArrays, width: number,
 *   dim: number }} More */
/** A text read without a key/value head.
 * @typedef {{ facts: TakenAway, moved: Float32Array, kl: Float32Array, ids: Int32Array, likely: Float32Array,
 *   count: number, candidates: number }} Away */

/** @extends {Run<SharedPayload>} */
export class SharedRun extends Run {
  /** @param {string} id */
  constructor(id) {
    super(id);
    /** @type {{ keys: Column<Float32Array>, values: Column<Float32Array> } | null} */
    this.kv = null;
    /** @type {More[]} the newest last */
    this.more = [];
    /** @type {Away | null} */
    this.away = null;
    /** @type {import("../kit/types.js").Code[]} */
    this.codes = [];
  }

  /** @param {SharedHeadsHeader} header @param {SharedHeadsArrays} arrays @param {number} skip */
  append(header, arrays, skip) {
    if (arrays.keys && arrays.values) {
      const stride = header.model.n_layers * header.model.n_kv_heads * header.beside.head_dim;
      this.kv ??= { keys: new Column(Float32Array, stride), values: new Column(Float32Array, stride) };
      this.kv.keys.write(this.count, arrays.keys.subarray(skip * stride));
      this.kv.values.write(this.count, arrays.values.subarray(skip * stride));
    }
    super.append(header, arrays, skip);
  }

  /** @param {SharedPayload} payload */
  absorb(payload) {
    const change = super.absorb(payload);
    const { beside, arrays: specs } = payload.header;
    const { arrays } = payload;
    if (beside.codes.length) this.codes = beside.codes;
    if (change.rewritten) Object.assign(this, { more: [], away: null });
    if (beside.more) {
      const { key, layers, again } = beside.more;
      const at = new Map(layers.map((layer, i) => [layer, i]));
      const width = specs.more_pattern?.shape[3] ?? 0;
      this.more = [
        ...this.more.filter((one) => one.key !== key),
        { key, at, again, arrays, width, dim: beside.head_dim },
      ];
    }
    const { away } = beside;
    if (away?.status === "done" && arrays.away_moved && arrays.away_kl && arrays.away_ids && arrays.away_likely)
      this.away = {
        facts: away,
        moved: arrays.away_moved,
        kl: arrays.away_kl,
        ids: arrays.away_ids,
        likely: arrays.away_likely,
        count: specs.away_kl.shape[0],
        candidates: specs.away_ids.shape[1],
      };
    return change;
  }

  /** What came apart of a layer and has this array; null = nothing.
   * @param {number} layer @param {"more_keys" | "more_values" | "more_pattern"} name */
  apart(layer, name) {
    return this.more.findLast(({ at, arrays }) => at.has(layer) && arrays[name]) ?? null;
  }

  /** How far something is handed on is no question of this page. */
  landmarks() {
    return super.landmarks().filter((mark) => mark.kind !== "reach");
  }

  /** How many query heads read one key/value head. */
  get size() {
    return this.meta.model.n_heads / this.meta.model.n_kv_heads;
  }

  /** The key/value head that a query head reads.
   * @param {number} head */
  kvOf(head) {
    return Math.floor(head / this.size);
  }

  /** The query heads that read a key/value head.
   * @param {number} kv */
  group(kv) {
    return Array.from({ length: this.size }, (_, i) => kv * this.size + i);
  }

  /** Whether the weights of a layer are here head by head.
   * @param {number} layer */
  byHead(layer) {
    if (this.apart(layer, "more_pattern")) return true;
    return Boolean(this.pattern) && !this.missing.has(layer) && this.heads === this.meta.model.n_heads;
  }

  /** Whether the keys and values of a layer are here.
   * @param {number} layer */
  hasKv(layer) {
    return this.vector("keys", 0, layer, 0) !== null;
  }

  /** @param {number} t @param {number} layer @param {number} head @param {number} column */
  cell(t, layer, head, column) {
    const more = head >= 0 ? this.apart(layer, "more_pattern") : null;
    const rows = more?.arrays.more_pattern;
    if (!more || !rows) return super.cell(t, layer, head, column);
    if (column < 0 || column >= more.width) return 0;
    const row = (t * more.at.size + (more.at.get(layer) ?? 0)) * this.meta.model.n_heads + head;
    return rows[row * more.width + column] / 65535;
  }

  /** The numbers kept of a position; null where there are none.
   * @param {Kind} kind @param {number} position @param {number} layer @param {number} kv
   * @returns {Float32Array | null} */
  vector(kind, position, layer, kv) {
    if (position < 0 || position >= this.count) return null;
    const { n_kv_heads: heads } = this.meta.model;
    const dim = this.meta.beside.head_dim;
    if (this.kv) {
      const from = ((position * this.layers + layer) * heads + kv) * dim;
      return this.kv[kind].data.subarray(from, from + dim);
    }
    const more = this.apart(layer, `more_${kind}`);
    const numbers = more?.arrays[`more_${kind}`];
    if (!more || !numbers) return null;
    const from = ((position * more.at.size + (more.at.get(layer) ?? 0)) * heads + kv) * dim;
    return numbers.subarray(from, from + dim);
  }

  /** Positions whose keys the query at t sees in a layer, oldest first.
   * @param {number} t @param {number} layer */
  inSight(t, layer) {
    return this.offsets(t, this.windows[layer])
      .map((offset) => t - offset)
      .sort((a, b) => a - b);
  }

  /** Keys in sight at t, summed over the layers.
   * @param {number} t */
  keysRead(t) {
    return this.windows.reduce((sum, window) => sum + Math.min(t + 1, window + this.sinks), 0);
  }

  /** How much of their weight two heads put on the same keys: the sum of the smaller one of each, 0 to 1.
   * @param {number} t @param {number} layer @param {number} one @param {number} other */
  overlap(t, layer, one, other) {
    return this.offsets(t, this.windows[layer]).reduce(
      (sum, offset) => sum + Math.min(this.weight(t, layer, one, offset), this.weight(t, layer, other, offset)),
      0,
    );
  }

  /** That of the pairs of a group which agree most and least, and the mean of all; null = a group of one.
   * @param {number} t @param {number} layer @param {number} kv */
  agreement(t, layer, kv) {
    const heads = this.group(kv);
    const pairs = heads.flatMap((one) =>
      heads.filter((other) => one < other).map((other) => ({ one, other, share: this.overlap(t, layer, one, other) })),
    );
    if (!pairs.length) return null;
    pairs.sort((a, b) => b.share - a.share);
    const mean = pairs.reduce((sum, { share }) => sum + share, 0) / pairs.length;
    return { mean, most: pairs[0], least: pairs[pairs.length - 1] };
  }
}

/** Bytes with a binary unit: `theme.size` in JavaScript.
 * @param {number} bytes */
export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value >= 10 || power === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[power]}`;
}
