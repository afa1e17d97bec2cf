// The grid: rows are states (embedding, after layer 1 ... L), columns are positions. Thick ink is theory, green is
// what was measured on a log scale, hatched is exactly nothing.

import { onCells } from "../kit/cells.js";
import { clamp } from "../kit/format.js";
import { labelFont } from "../kit/measure.js";
import { sentence } from "./explain.js";
import { HopAxis } from "./hop_axis.js";
import { TokenAxis } from "./token_axis.js";

/**
 * Where the rows lie, in css pixels of the canvas.
 *
 * @typedef {Object} Frame
 * @property {import("./reading.js").Reading} reading  that is drawn
 * @property {number} left
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 * @property {number} rows  embedding, then after each layer
 * @property {number} row  height of one
 * @property {(row: number) => number} y  its upper side
 * @property {boolean} narrow  whether labels must be short
 */

/**
 * And where the columns lie.
 *
 * @typedef {Object} Columns
 * @property {TokenAxis | HopAxis} axis  what the columns are
 * @property {number} first  position
 * @property {number} last  position
 * @property {number} wide  width of one
 * @property {(position: number) => number} x  its left side
 */

/** @typedef {Frame & Columns} Box */

/**
 * What lies under a point of a canvas.
 *
 * @typedef {Object} Cell
 * @property {number | null} position  of the largest value in it; null = the text has none there
 * @property {() => import("./explain.js").Explanation} explain
 */

export class ReachGrid {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.canvas = page.part("grid", HTMLCanvasElement);
    this.tokens = new TokenAxis(page);
    this.hops = new HopAxis(page);
    /** @type {Box | null} */
    this.box = null;
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => page.point(null),
      go: ({ position, row }) => {
        if (position === null) return;
        if (this.box?.axis === this.tokens || page.hidden) page.pick(position, row);
        else page.visit(position, row);
      },
    });
  }

  /** @param {import("./reading.js").Reading} reading
   * @param {number} width
   * @param {number} height */
  layout(reading, width, height) {
    const { unit, zoom } = this.page;
    const narrow = width < 30 * unit;
    const beneath = zoom === "near" && !narrow ? 5.2 : zoom === "hops" && !narrow ? 2.7 : 1.7;
    const top = 0.3 * unit;
    const bottom = height - beneath * unit;
    const rows = reading.network.layers + 1;
    return (zoom === "hops" ? this.hops : this.tokens).layout({
      reading,
      left: (narrow ? 3.2 : 4.6) * unit,
      right: width - 0.5 * unit,
      top,
      bottom,
      rows,
      row: (bottom - top) / rows,
      y: (row) => bottom - (row + 1) * ((bottom - top) / rows),
      narrow,
    });
  }

  /** @param {import("./reading.js").Reading} reading */
  draw(reading) {
    const pen = this.page.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    const box = this.layout(reading, width, height);
    this.box = box;
    g.clearRect(0, 0, width, height);
    for (let row = 0; row < box.rows; row++) this.drawRow(g, box, row);
    this.drawEnds(g, box);
    if (!this.page.hidden) box.axis.drawStaircase(g, box);
    this.drawCut(g, box);
    this.drawGuess(g, box);
    g.textBaseline = "top";
    box.axis.drawAxis(g, box, box.bottom + 0.35 * this.page.unit);
    this.drawHover(g, box);
    this.describe(reading);
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} row */
  drawRow(g, box, row) {
    const { page } = this;
    const { colour, unit, hidden } = page;
    const y = box.y(row);
    const high = this.cellHeight(box);
    g.fillStyle = hidden ? colour.cell : colour.hatching;
    g.fillRect(box.left, y, box.right - box.left, high);
    if (!hidden) box.axis.drawCells(g, box, row, y, high);
    const chosen = row === page.row;
    g.font = labelFont(unit, colour.sans, chosen ? 600 : 400);
    g.textAlign = "right";
    g.textBaseline = "middle";
    g.fillStyle = chosen ? colour.ink : colour.soft;
    const label = row === 0 ? (box.narrow ? "emb." : "embedding") : box.narrow ? `L${row}` : `after L${row}`;
    if (box.row > 0.84 * unit || row % 4 === 0) g.fillText(label, box.left - 0.45 * unit, y + high / 2);
  }

  /** A row without the gap to the next.
   * @param {Box} box */
  cellHeight(box) {
    return box.row - Math.min(0.16 * this.page.unit, box.row * 0.14);
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box */
  drawEnds(g, box) {
    for (const [position, row] of box.reading.ends) {
      if (position < box.first || position > box.last) continue;
      const wide = Math.max(box.wide, 4);
      g.fillStyle = this.page.colour.query;
      g.fillRect(box.x(position) - (wide - box.wide) / 2, box.y(row), wide, this.cellHeight(box));
    }
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box */
  drawCut(g, box) {
    const { colour, unit } = this.page;
    const [kind, number] = box.reading.choice.cut.split(":");
    if (!kind) return;
    g.strokeStyle = colour.error;
    g.lineWidth = Math.max(2.5, 0.2 * unit);
    g.setLineDash([0.6 * unit, 0.35 * unit]);
    g.beginPath();
    if (kind === "wall") {
      const x = box.x(Number(number) + 1);
      if (x < box.left || x > box.right) return g.setLineDash([]);
      g.moveTo(x, box.top);
      g.lineTo(x, box.bottom);
    } else {
      const y = box.y(Number(number) - 1) - box.row * 0.07;
      g.moveTo(box.left, y);
      g.lineTo(box.right, y);
    }
    g.stroke();
    g.setLineDash([]);
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box */
  drawGuess(g, box) {
    const { colour, unit, guess } = this.page;
    if (guess === null || guess < box.first || guess > box.last) return;
    const x = box.x(guess) + box.wide / 2;
    g.strokeStyle = colour.surprise;
    g.lineWidth = Math.max(2, 0.15 * unit);
    g.setLineDash([2, 3]);
    g.beginPath();
    g.moveTo(x, box.top);
    g.lineTo(x, box.bottom);
    g.stroke();
    g.setLineDash([]);
    g.font = labelFont(unit, colour.sans, 600);
    g.textBaseline = "top";
    g.textAlign = x > box.right - 6 * unit ? "right" : "left";
    const label = "your guess";
    const wide = g.measureText(label).width + 0.5 * unit;
    const at = g.textAlign === "left" ? x + 0.3 * unit : x - 0.3 * unit;
    g.fillStyle = colour.card;
    g.fillRect(g.textAlign === "left" ? at - 2 : at - wide + 4, box.top, wide, 1.2 * unit);
    g.fillStyle = colour.surprise;
    g.fillText(label, at, box.top + 0.15 * unit);
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box */
  drawHover(g, box) {
    const { hovered, colour } = this.page;
    if (hovered === null || hovered < box.first || hovered > box.last) return;
    const wide = Math.max(3, Math.round(box.wide) + 1);
    g.strokeStyle = colour.ink;
    g.lineWidth = 1;
    g.strokeRect(Math.round(box.x(hovered)) - 0.5, box.top - 1, wide, box.bottom - box.top + 2);
  }

  /** The cell under the pointer; null = none.
   * @param {MouseEvent} event */
  at(event) {
    const { box } = this;
    const place = this.canvas.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    if (!box || x < box.left || x > box.right || y < box.top || y > box.bottom) return null;
    const row = clamp(Math.floor((box.bottom - y) / box.row), 0, box.rows - 1);
    return { row, ...box.axis.at(box, x, row) };
  }

  /** @param {PointerEvent} event */
  hover(event) {
    const { page } = this;
    const cell = this.at(event);
    if (!cell) return page.point(null);
    if (page.hidden) return page.point(cell.position);
    page.point(cell.position ?? page.anchor, null, { x: event.clientX, y: event.clientY, ...cell.explain() });
  }

  /** @param {import("./reading.js").Reading} reading */
  describe(reading) {
    const label = this.page.hidden ? "State grid, hidden until you have guessed." : sentence(reading);
    this.canvas.setAttribute("aria-label", label);
  }
}
