// Many layers or large windows: the x axis counts hops, so that the staircase is L x L whatever the window is.
// A cell shows the largest value of its bin; a click on it goes to the tokens.

import { labelFont } from "../kit/measure.js";
import { blend } from "../kit/colour.js";
import { clamp } from "../kit/format.js";
import { explainBin } from "./explain.js";
import { HopBins } from "./hops.js";

/**
 * @typedef {import("./grid.js").Frame} Frame
 * @typedef {import("./grid.js").Box} Box
 * @typedef {import("./grid.js").Cell} Cell
 */

export class HopAxis {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    /** @type {HopBins | null} */
    this.bins = null;
  }

  /** The bins of a reading; their peaks are searched once.
   * @param {import("./reading.js").Reading} reading */
  binsOf(reading) {
    if (this.bins?.reading !== reading) this.bins = new HopBins(reading);
    return this.bins;
  }

  /** @param {Frame} frame
   * @returns {Box} */
  layout(frame) {
    const bins = this.binsOf(frame.reading);
    const wide = (frame.right - frame.left) / bins.count;
    return {
      ...frame,
      axis: this,
      wide,
      first: bins.back ? 0 : bins.origin,
      last: bins.back ? bins.origin : frame.reading.run.count - 1,
      x: (position) => frame.left + bins.column(bins.hops(position)) * wide,
    };
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} row
   * @param {number} y
   * @param {number} high */
  drawCells(g, box, row, y, high) {
    const { colour, scale } = this.page;
    const bins = this.binsOf(box.reading);
    for (let hops = 0; hops < bins.count; hops++) {
      const green = scale.green(bins.peak(row, hops)?.value ?? NaN);
      if (green) g.fillStyle = blend(colour.card, colour.influence, green);
      else if (bins.inside(row, hops)) g.fillStyle = bins.positions(hops) ? colour.cell : colour.card;
      else continue;
      g.fillRect(box.left + bins.column(hops) * box.wide, y, box.wide - 0.75, high);
    }
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box */
  drawStaircase(g, box) {
    const { colour, unit } = this.page;
    const bins = this.binsOf(box.reading);
    g.strokeStyle = colour.ink;
    g.lineWidth = Math.max(1.5, 0.13 * unit);
    g.beginPath();
    /** @param {number} row
     * @param {number} hops */
    const inside = (row, hops) =>
      hops >= 0 && hops < bins.count && row >= 0 && row < box.rows && bins.inside(row, hops);
    /** @param {number} fromX
     * @param {number} fromY
     * @param {number} toX
     * @param {number} toY */
    const line = (fromX, fromY, toX, toY) => {
      g.moveTo(fromX, fromY - 1);
      g.lineTo(toX, toY - 1);
    };
    const step = bins.back ? -1 : 1;
    for (let row = 0; row < box.rows; row++) {
      for (let hops = 0; hops < bins.count; hops++) {
        if (!bins.inside(row, hops)) continue;
        const x = box.left + bins.column(hops) * box.wide;
        const [low, high] = [row ? box.y(row - 1) : box.bottom, box.y(row)];
        if (!inside(row, hops - step)) line(x, low, x, high);
        if (!inside(row, hops + step)) line(x + box.wide, low, x + box.wide, high);
        if (!inside(row - 1, hops)) line(x, low, x + box.wide, low);
        if (!inside(row + 1, hops)) line(x, high, x + box.wide, high);
      }
    }
    g.stroke();
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} y */
  drawAxis(g, box, y) {
    const { colour, unit } = this.page;
    const bins = this.binsOf(box.reading);
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textAlign = "center";
    const every = [1, 2, 4, 8, 16, 32].find((size) => size * box.wide > 2.2 * unit) ?? 64;
    for (let hops = 0; hops <= bins.layers; hops += every)
      g.fillText(String(hops), box.left + (bins.column(hops) + 0.5) * box.wide, y);
    g.textAlign = bins.back ? "left" : "right";
    const label = bins.back ? "← hops back" : "hops on →";
    const room = (bins.layers % every) * box.wide + box.wide;
    if (room > 5.5 * unit || !box.narrow)
      g.fillText(label, bins.back ? box.left : box.right, y + (room > 5.5 * unit ? 0 : 0.95 * unit));
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} floor
   * @param {(value: number) => number} tall */
  drawBars(g, box, floor, tall) {
    const bins = this.binsOf(box.reading);
    g.fillStyle = this.page.colour.influence;
    for (let hops = 0; hops < bins.count; hops++) {
      const high = tall(Math.abs(bins.peak(null, hops)?.value ?? 0));
      if (high) g.fillRect(box.left + bins.column(hops) * box.wide, floor - high, Math.max(1, box.wide - 1), high);
    }
  }

  /** The bin under a point of the canvas.
   * @param {Box} box
   * @param {number} x
   * @param {number | null} row  null = under the grid
   * @returns {Cell} */
  at(box, x, row) {
    const bins = this.binsOf(box.reading);
    const column = clamp(Math.floor((x - box.left) / box.wide), 0, bins.count - 1);
    const hops = bins.column(column); // a column is to its hops what the hops are to it
    return { position: bins.peak(row, hops)?.position ?? null, explain: () => explainBin(bins, row, hops) };
  }
}
