// The network that reads, as far as theory needs it: how far on each row of the grid is felt, and how far back it
// looks.

export class Network {
  /**
   * @param {(number | null)[]} windows  keys that a query sees, itself included, by layer; null = all
   * @param {number} sinks  first positions that stay visible beside them
   */
  constructor(windows, sinks = 0) {
    this.sinks = sinks;
    const sizes = windows.map((window) => window ?? Infinity);
    /** @param {number[]} some */
    const steps = (some) => some.reduce((total, size) => total + size - 1, 0);
    const rows = [...sizes.keys(), sizes.length];
    this.layers = sizes.length;
    /** By row, how far on a change of the text can be felt; Infinity = everywhere. */
    this.forwardEdges = rows.map((row) => steps(sizes.slice(0, row)));
    /** By row, how far before a prediction lies what it can depend on; Infinity = everywhere. */
    this.backwardEdges = rows.map((row) => steps(sizes.slice(row)));
    this.reach = this.backwardEdges[0];
    this.smallest = Math.min(...sizes);
  }

  /** Where a grid of tokens would be a solid block, hops are counted. */
  get large() {
    return Number.isFinite(this.reach) && this.reach > 0 && (this.layers > 12 || this.smallest > 64);
  }

  /**
   * Layers, from the top, needed to carry something over a distance; -1 = out of reach.
   *
   * @param {number} distance  in tokens
   * @param {number} position  from which; not needed where none is kept
   */
  hops(distance, position = Infinity) {
    if (position < this.sinks) return Math.min(distance, 1);
    if (distance > this.reach) return -1;
    let layers = 0;
    while (this.backwardEdges[this.layers - layers] < distance) layers++;
    return layers;
  }
}
