// Hops counted instead of tokens: one bin for each number of them, so that the staircase is L x L with every window.

/**
 * A value and where it stands.
 *
 * @typedef {{ position: number, value: number }} Peak
 */

export class HopBins {
  /** @param {import("./reading.js").Reading} reading  of a network with finite reach */
  constructor(reading) {
    this.reading = reading;
    this.layers = reading.network.layers;
    this.back = reading.back;
    /** The token that hops are counted from. */
    this.origin = this.back ? reading.choice.target : reading.choice.source;
    /** 0 hops, 1 ... L, and what no hop reaches. */
    this.count = this.layers + 2;
    /** @type {Map<string, Peak | null>} */
    this.peaks = new Map();
  }

  /** How far so many hops carry something in this reading, from the chosen word or back from the prediction.
   * @param {number} hops */
  reach(hops) {
    const { forwardEdges, backwardEdges } = this.reading.network;
    return this.back ? backwardEdges[this.layers - hops] : forwardEdges[hops];
  }

  /** Hops of a position; L + 1 = out of reach, -1 = on the other side of the origin.
   * @param {number} position */
  hops(position) {
    const distance = this.back ? this.origin - position : position - this.origin;
    if (distance < 0) return -1;
    let hops = 0;
    while (hops <= this.layers && this.reach(hops) < distance) hops++;
    return hops;
  }

  /** First and last distance of so many hops.
   * @param {number} hops
   * @returns {[near: number, far: number]} */
  distances(hops) {
    return [hops ? this.reach(hops - 1) + 1 : 0, hops > this.layers ? Infinity : this.reach(hops)];
  }

  /** First and last position of so many hops that the text has; null = it has none.
   * @param {number} hops
   * @returns {[first: number, last: number] | null} */
  positions(hops) {
    const [near, far] = this.distances(hops);
    const [from, to] = this.back ? [this.origin - far, this.origin - near] : [this.origin + near, this.origin + far];
    const first = Math.max(0, from);
    const last = Math.min(this.reading.run.count - 1, to);
    return first <= last ? [first, last] : null;
  }

  /** The column of so many hops, and the hops of a column: back from a prediction they run from right to left.
   * @param {number} hops */
  column(hops) {
    return this.back ? this.count - 1 - hops : hops;
  }

  /** Theory alone, whether the text has such tokens or not.
   * @param {number} row
   * @param {number} hops */
  inside(row, hops) {
    const { choice, network } = this.reading;
    if (hops > this.layers) return false;
    const [near, far] = this.distances(hops);
    if (choice.reading === "backward") return hops <= this.layers - row;
    if (choice.reading === "forward") return hops <= row;
    const from = Math.max(choice.source, choice.target - network.backwardEdges[row]);
    return hops <= row && choice.source + near <= choice.target && choice.source + far >= from;
  }

  /** The largest value of a bin, searched once; null = the text has no such token.
   * @param {number | null} row  null = what stands under the grid
   * @param {number} hops */
  peak(row, hops) {
    const name = `${row} ${hops}`;
    const known = this.peaks.get(name);
    if (known !== undefined) return known;
    const peak = this.search(row, this.positions(hops));
    this.peaks.set(name, peak);
    return peak;
  }

  /** @param {number | null} row
   * @param {[first: number, last: number] | null} ends
   * @returns {Peak | null} */
  search(row, ends) {
    if (!ends) return null;
    const { reading } = this;
    /** @param {number} position */
    const valueAt = (position) => (row === null ? reading.below(position) : reading.value(row, position));
    let best = { position: ends[0], value: valueAt(ends[0]) };
    for (let position = ends[0] + 1; position <= ends[1]; position++) {
      const value = valueAt(position);
      if (Math.abs(value) > Math.abs(best.value) || !Number.isFinite(best.value)) best = { position, value };
    }
    return best;
  }
}
