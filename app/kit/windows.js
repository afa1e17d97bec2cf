// What the windows of a network's layers allow: how far something can be carried, and what each ring has lost.

import { grouped, plural } from "./format.js";

/**
 * Position whose key and value lie in a slot of a ring of `window` slots at step t: the last p <= t with p mod W =
 * slot.
 *
 * @param {number} slot
 * @param {number} t
 * @param {number} window
 */
export const lastIn = (slot, t, window) => t - ((((t - slot) % window) + window) % window);

export class Windows {
  constructor() {
    /** @type {number[]} keys that a query sees, itself included, by layer; Infinity = all */
    this.windows = [];
    /** @type {number[]} [k]: how far back k layers, counted from the top, can carry something */
    this.cumulative = [0];
    this.layers = 0;
    this.reach = 0;
    this.smallest = Infinity;
  }

  /** @param {(number | null)[]} windows  by layer; null = all earlier tokens */
  setReach(windows) {
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
    return rings.length === this.layers ? sizes : `${sizes}, ${plural(this.layers - rings.length, "layer")} without`;
  }

  /**
   * Layers needed to carry something over `distance` positions; -1 = out of reach.
   *
   * @param {number} distance
   */
  hops(distance) {
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
   * @param {number} window
   */
  held(slot, t, window) {
    return Math.max(lastIn(slot, t, window), -1);
  }
}
