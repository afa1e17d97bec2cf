// What the windows of a network's layers allow: how far something can be carried, and what each ring has lost.

import { clamp, grouped, plural } from "./format.js";

/**
 * Position whose key and value lie in a slot of a ring at step t; below 0 = empty. The first `sinks` positions stay in
 * slots of their own; behind them it is the last p <= t that belongs into the slot: those are a window apart.
 *
 * @param {number} slot
 * @param {number} t
 * @param {number} slots  of the ring, those of the kept positions included
 * @param {number} sinks
 */
export function lastIn(slot, t, slots, sinks = 0) {
  if (slot < sinks) return slot <= t ? slot : -1;
  const turning = slots - sinks;
  const position = t - ((((t - slot) % turning) + turning) % turning);
  return position < sinks ? -1 : position;
}

export class Windows {
  constructor() {
    /** @type {number[]} keys that a query sees, itself included, by layer; Infinity = all */
    this.windows = [];
    /** @type {number[]} [k]: how far back k layers, counted from the top, can carry something */
    this.cumulative = [0];
    this.layers = 0;
    this.reach = 0;
    this.smallest = Infinity;
    /** First positions that every layer with a window keeps in sight besides. */
    this.sinks = 0;
  }

  /**
   * @param {(number | null)[]} windows  by layer; null = all earlier tokens
   * @param {number} sinks
   */
  setReach(windows, sinks = 0) {
    this.sinks = sinks;
    this.windows = windows.map((window) => window ?? Infinity);
    this.reach = 0;
    this.cumulative = [0];
    for (const window of [...this.windows].reverse()) {
      this.reach += window - 1;
      this.cumulative.push(this.reach);
    }
    this.layers = windows.length;
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
    const kept = this.sinks ? ` and the first ${plural(this.sinks, "token")}` : "";
    const without = `, ${plural(this.layers - rings.length, "layer")} without`;
    return `${sizes}${kept}${rings.length === this.layers ? "" : without}`;
  }

  /**
   * Whether the query at t of a layer may look at a key.
   *
   * @param {number} layer
   * @param {number} t
   * @param {number} key
   */
  sees(layer, t, key) {
    return key >= 0 && key <= t && (t - key < this.windows[layer] || key < this.sinks);
  }

  /**
   * Kept positions that lie before a window.
   *
   * @param {number} t
   * @param {number} window
   */
  outside(t, window) {
    return Array.from({ length: clamp(t - window + 1, 0, this.sinks) }, (_, p) => p);
  }

  /**
   * How far back each key is that a query of a window sees, nearest first; kept positions before the window come last.
   *
   * @param {number} t
   * @param {number} window
   */
  offsets(t, window) {
    return [
      ...Array(Math.min(window, t + 1)).keys(),
      ...this.outside(t, window)
        .reverse()
        .map((p) => t - p),
    ];
  }

  /**
   * Slot of a position: round and round, behind the kept ones.
   *
   * @param {number} position
   * @param {number} slots  of the ring, those of the kept positions included
   */
  slot(position, slots) {
    const { sinks } = this;
    return position < sinks ? position : sinks + ((position - sinks) % (slots - sinks));
  }

  /**
   * In which column of recorded attention a key stands: by offset, and behind the window the kept positions outside
   * it; -1 = it is not seen.
   *
   * @param {number} window
   * @param {number} t
   * @param {number} offset
   */
  column(window, t, offset) {
    if (offset < window) return offset;
    return t - offset >= 0 && t - offset < this.sinks ? window + t - offset : -1;
  }

  /**
   * Slots of a layer; Infinity = no window.
   *
   * @param {number} layer
   */
  slotsOf(layer) {
    return this.windows[layer] + this.sinks;
  }

  /**
   * Position whose key and value are overwritten when position t is written; -1 = none.
   *
   * @param {number} t
   * @param {number} layer
   */
  overwrites(t, layer) {
    const lost = t - this.windows[layer];
    return lost >= this.sinks ? lost : -1;
  }

  /**
   * Position that overwrites what a position left in a layer; Infinity = none ever will.
   *
   * @param {number} position
   * @param {number} window
   */
  leaves(position, window) {
    return position < this.sinks ? Infinity : position + window;
  }

  /**
   * How slots follow from positions, in words.
   *
   * @param {number} window
   */
  slotRule(window) {
    const { sinks } = this;
    if (!sinks) return `slot = position mod ${grouped(window)}`;
    const kept = sinks > 1 ? `slots 0 to ${sinks - 1} are kept` : "slot 0 is kept";
    return `${kept}, then slot = ${sinks} + (position − ${sinks}) mod ${grouped(window)}`;
  }

  /**
   * The same for one position, after its slot.
   *
   * @param {number} position
   * @param {number} window
   */
  slotSum(position, window) {
    const { sinks } = this;
    if (position < sinks) return ", which is kept";
    return sinks ? ` = ${sinks} + (${position} − ${sinks}) mod ${window}` : ` = ${position} mod ${window}`;
  }

  /**
   * Layers needed to carry something over `distance` positions; -1 = out of reach. A kept one is always one hop away.
   *
   * @param {number} distance
   * @param {number} position  from which; not needed where no position is kept
   */
  hops(distance, position = Infinity) {
    if (position < this.sinks) return Math.min(distance, 1);
    if (distance > this.reach) return -1;
    let k = 0;
    while (this.cumulative[k] < distance) k++;
    return k;
  }

  /**
   * Position whose key and value lie in a slot at step t; -1 = empty.
   *
   * @param {number} slot
   * @param {number} t
   * @param {number} slots  of the layer
   */
  held(slot, t, slots) {
    return Math.max(lastIn(slot, t, slots, this.sinks), -1);
  }
}
