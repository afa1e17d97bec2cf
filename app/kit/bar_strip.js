// One bar for each position, in a strip under a text: a click goes there, the pointer says what it is.

import { clamp } from "./format.js";
import { labelFont } from "./measure.js";

/** @typedef {import("./surface.js").Point} Point */
/** @typedef {import("./surface.js").Surface<any, any> & {
 *   tell: (position: number | null, node: Element | null, place?: Point | null) => void }} Page */
/** @typedef {{ untouched: number, height: (position: number) => number }} Bars  how many of the first positions are
 *   hatched, since nothing changes there; of each bar, from 0 to 1 */

export class BarStrip {
  /** @param {Page} page
   * @param {(position: number) => void} pick */
  constructor(page, pick) {
    this.owner = page;
    this.canvas = page.part("strip", HTMLCanvasElement);
    this.canvas.addEventListener("click", (event) => pick(this.at(event)));
    this.canvas.addEventListener("pointermove", (event) =>
      page.tell(this.at(event), this.canvas, { x: event.clientX, y: event.clientY }),
    );
    this.canvas.addEventListener("pointerleave", () => page.tell(null, null));
  }

  /** @param {MouseEvent} event */
  at(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    const { count } = this.owner.run;
    return clamp(Math.floor(((event.clientX - left) / width) * count), 0, count - 1);
  }

  /** @param {Bars | null} bars  null = nothing is measured
   * @param {number} chosen  the position that is marked */
  drawBars(bars, chosen) {
    const { colour, unit, run } = this.owner;
    const pen = this.owner.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    g.clearRect(0, 0, width, height);
    const wide = width / run.count;
    const base = height - 0.9 * unit;
    if (bars) {
      g.fillStyle = colour.hatching;
      g.fillRect(0, 0, bars.untouched * wide, base);
      g.fillStyle = colour.influence;
      for (let position = 0; position < run.count; position++) {
        const high = bars.height(position) * (base - 2);
        g.fillRect(position * wide, base - high, Math.max(1, wide - (wide > 4 ? 1 : 0)), high);
      }
    }
    g.fillStyle = colour.graphic;
    g.fillRect(0, base, width, 1);
    const x = (chosen + 0.5) * wide;
    g.fillStyle = colour.query;
    g.fillRect(x - 1, 0, 2, base);
    g.beginPath();
    g.moveTo(x, base + 1);
    g.lineTo(x - 5, height);
    g.lineTo(x + 5, height);
    g.fill();
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textBaseline = "bottom";
    g.textAlign = x < width / 2 ? "right" : "left";
    g.fillText(x < width / 2 ? `${run.count - 1}` : "0", x < width / 2 ? width : 0, height + 1);
  }
}
