// One reading of a text: what is asked, what theory allows for it, and what was measured. It never changes; another
// question or another answer makes another one.

/**
 * @typedef {import("./types.js").ChoiceHeader} Choice
 * @typedef {import("./types.js").ReachArrays} ReachArrays
 * @typedef {import("./run.js").ReachRun} ReachRun
 */

export class Reading {
  /**
   * @param {ReachRun} run  the text
   * @param {Choice} choice  what is asked
   * @param {ReachArrays} arrays  of the newest answer
   * @param {boolean} fresh  whether that answers `choice` and was measured; if not, only theory is known
   */
  constructor(run, choice, arrays, fresh) {
    this.run = run;
    this.choice = choice;
    this.arrays = arrays;
    this.fresh = fresh;
    this.network = run.network(choice);
    this.back = choice.reading === "backward";
  }

  /**
   * Another question, not answered yet.
   *
   * @param {Partial<Choice>} change
   */
  asking(change) {
    return new Reading(this.run, { ...this.choice, ...change }, this.arrays, false);
  }

  /**
   * The tokens that it is about, each with the row in which it begins or ends.
   *
   * @returns {[position: number, row: number][]}
   */
  get ends() {
    const { reading, source, target } = this.choice;
    const { layers } = this.network;
    if (reading === "forward") return [[source, 0]];
    if (reading === "backward") return [[target, layers]];
    return [
      [source, 0],
      [target, layers],
    ];
  }

  /** How far theory lets a row be from the token it is about: on from the source, or back from the target.
   * @param {number} row */
  edge(row) {
    return this.network[this.back ? "backwardEdges" : "forwardEdges"][row];
  }

  /** First and last column that theory allows in a row; null = none.
   * @param {number} row
   * @returns {[from: number, to: number] | null} */
  span(row) {
    const { choice, network } = this;
    let from = 0;
    let to = this.run.count - 1;
    if (choice.reading !== "backward") {
      from = choice.source;
      to = Math.min(to, choice.source + network.forwardEdges[row]);
    }
    if (choice.reading !== "forward") {
      from = Math.max(from, choice.target - network.backwardEdges[row]);
      to = Math.min(to, choice.target);
    }
    return from <= to ? [from, to] : null;
  }

  /** Within the edge of a row.
   * @param {number} row
   * @param {number} position */
  within(row, position) {
    const { choice, network } = this;
    const { source, target } = choice;
    const { sinks } = network;
    const after = position - source;
    const before = target - position;
    const ahead = after >= 0 && (after <= network.forwardEdges[row] || (row > 0 && source < sinks));
    const back = before >= 0 && (before <= network.backwardEdges[row] || (row < network.layers && position < sinks));
    return (choice.reading === "backward" || ahead) && (choice.reading === "forward" || back);
  }

  /** Not cut, and within the edge; before the answer is there only the edge is known.
   * @param {number} row
   * @param {number} position */
  allowed(row, position) {
    const { allowed } = this.arrays;
    if (!this.fresh) return this.within(row, position);
    return allowed[row * (allowed.length / (this.network.layers + 1)) + position] > 0;
  }

  /** What was measured in a cell; NaN = not measured.
   * @param {number} row
   * @param {number} position */
  value(row, position) {
    const { measured } = this.run.meta;
    return this.fresh && this.arrays.grid && position < measured ? this.arrays.grid[row * measured + position] : NaN;
  }

  /** What stands under the grid at a position.
   * @param {number} position */
  below(position) {
    return this.back ? this.value(0, position) : (this.arrays.kl?.[position] ?? 0);
  }

  /** How strongly a word is coloured, in percent: the whole effect of, or on, its position.
   * @param {number} position
   * @param {import("./decades.js").Scale} scale */
  tint(position, scale) {
    return this.fresh ? scale.tint(this.below(position)) : 0;
  }
}
