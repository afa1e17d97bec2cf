// Under the grid, column for column: how much each position's prediction changes, on a log scale, or the
// probability of the word that really follows, before and after.

import { labelFont } from "../kit/measure.js";
import { clamp } from "../kit/format.js";

/** @typedef {import("./grid.js").Box} Box */

/** @type {[share: number, label: string][]} */
const SHARES = [
  [0, "0 %"],
  [0.5, "50 %"],
  [1, "100 %"],
];

/** A bar that is there is seen.
 * @param {number} high */
const tall = (high) => (high > 0 ? Math.max(2, high) : 0);

export class Strip {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.canvas = page.part("strip", HTMLCanvasElement);
    this.canvas.addEventListener("pointermove", (event) => {
      const { box } = page.picture;
      const x = event.clientX - this.canvas.getBoundingClientRect().left;
      if (!box || page.hidden || x < box.left || x > box.right) return page.point(null);
      const cell = box.axis.at(box, x, null);
      page.point(cell.position ?? page.anchor, null, { x: event.clientX, y: event.clientY, ...cell.explain() });
    });
    this.canvas.addEventListener("pointerleave", () => page.point(null));
  }

  draw() {
    const { page } = this;
    const pen = page.pen(this.canvas);
    const { box } = page.picture;
    if (!pen || !box) return;
    const { g, width, height } = pen;
    g.clearRect(0, 0, width, height);
    const floor = height - 2;
    const high = height - 0.6 * page.unit;
    const probabilities = this.probabilities(box);
    this.drawScale(g, box, floor, high, probabilities ? SHARES : page.scale.marks);
    if (page.hidden || !box.reading.fresh) return;
    if (probabilities) this.drawProbabilities(g, box, floor, high, probabilities);
    else box.axis.drawBars(g, box, floor, (value) => tall(page.scale.bar(value) * high));
  }

  /** Of the word that follows, before and after the swap; null = not asked for, or there are none.
   * @param {Box} box */
  probabilities(box) {
    const { before, after } = box.reading.arrays;
    const asked = this.page.stripBy === "probability" && box.axis === this.page.picture.tokens;
    return asked && before?.length && after ? { before, after } : null;
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} floor
   * @param {number} high
   * @param {[share: number, label: string][]} marks */
  drawScale(g, box, floor, high, marks) {
    const { colour, unit } = this.page;
    g.font = labelFont(unit, colour.sans);
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const [share, label] of marks) {
      const y = floor - share * high;
      g.strokeStyle = colour.line;
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(box.left, Math.round(y) + 0.5);
      g.lineTo(box.right, Math.round(y) + 0.5);
      g.stroke();
      g.fillStyle = colour.soft;
      g.fillText(label, box.left - 0.4 * unit, clamp(y, 0.5 * unit, floor - 0.35 * unit));
    }
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} floor
   * @param {number} high
   * @param {{ before: Float32Array, after: Float32Array }} probabilities */
  drawProbabilities(g, box, floor, high, { before, after }) {
    const { colour } = this.page;
    const wide = Math.max(1, box.wide - (box.wide > 3 ? 1 : 0));
    for (let p = box.first; p <= Math.min(box.last, after.length - 1); p++) {
      if (!Number.isFinite(after[p])) continue;
      g.fillStyle = colour.influence;
      g.fillRect(box.x(p), floor - after[p] * high, wide, after[p] * high);
      g.fillStyle = colour.ink;
      g.fillRect(box.x(p), floor - before[p] * high - 1, Math.max(2, wide), 2);
    }
  }
}
