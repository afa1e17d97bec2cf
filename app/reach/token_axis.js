// One column for each token: where the columns lie, what fills them, and what is written beneath.

import { blend } from "../kit/colour.js";
import { clamp, grouped, shorten } from "../kit/format.js";
import { fit, labelFont } from "../kit/measure.js";
import { explainBelow, explainState } from "./explain.js";

/**
 * @typedef {import("./grid.js").Frame} Frame
 * @typedef {import("./grid.js").Box} Box
 * @typedef {import("./grid.js").Cell} Cell
 * @typedef {import("./reading.js").Reading} Reading
 */

const MIN_NEAR = 24; // columns of the near view, of two windows if they lie between
const MAX_NEAR = 72;

export class TokenAxis {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
  }

  /** First and last column: the cone and a margin, or three windows around the chosen token.
   * @param {Reading} reading
   * @returns {[first: number, last: number]} */
  range({ run, choice, network }) {
    const { anchor, centre, zoom } = this.page;
    const { source, target, reading } = choice;
    const last = run.count - 1;
    const window = Number.isFinite(network.smallest) ? network.smallest : last;
    if (zoom === "near") {
      const wide = clamp(2 * window + 4, MIN_NEAR, MAX_NEAR);
      const before = centre !== null ? wide / 2 : reading === "forward" ? 4 : wide - 4;
      const from = clamp(Math.round((centre ?? anchor) - before), 0, Math.max(0, last - wide));
      return [from, Math.min(last, from + wide)];
    }
    const margin = Math.max(4, Math.ceil(window / 2));
    const reach = Number.isFinite(network.reach) ? network.reach : last;
    if (reading === "forward")
      return [
        clamp(source - margin, 0, Math.max(0, last - reach - 2 * margin)),
        Math.min(last, source + reach + margin),
      ];
    if (reading === "backward")
      return [Math.max(0, target - reach - margin), Math.min(last, Math.max(target + margin, 24))];
    return [Math.max(0, source - margin), Math.min(last, Math.max(target + margin, source + 24))];
  }

  /** @param {Frame} frame
   * @returns {Box} */
  layout(frame) {
    const [first, last] = this.range(frame.reading);
    const wide = (frame.right - frame.left) / (last - first + 1);
    return { ...frame, axis: this, first, last, wide, x: (position) => frame.left + (position - first) * wide };
  }

  /** Where columns are thinner than a pixel, a bin shows its largest value.
   * @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} row
   * @param {number} y
   * @param {number} high */
  drawCells(g, box, row, y, high) {
    const { colour, scale } = this.page;
    const { reading } = box;
    const gap = box.wide >= 5 ? 0.75 : 0;
    /** @type {number | null} */
    let bin = null;
    let best = -1;
    const flush = () => {
      if (bin === null || best < 0) return;
      g.fillStyle = best > 0 ? blend(colour.card, colour.influence, best) : colour.cell;
      g.fillRect(bin, y, Math.max(1, box.wide - gap), high);
    };
    for (let position = box.first; position <= box.last; position++) {
      const at = box.wide >= 1 ? box.x(position) : Math.floor(box.x(position));
      if (at !== bin) {
        flush();
        bin = at;
        best = -1;
      }
      const value = reading.value(row, position);
      if (value !== 0 && Number.isFinite(value)) best = Math.max(best, scale.green(value));
      else if (reading.allowed(row, position)) best = Math.max(best, 0);
    }
    flush();
  }

  /** The outline of what theory allows: up along its left side, down along its right side.
   * @param {CanvasRenderingContext2D} g
   * @param {Box} box */
  drawStaircase(g, box) {
    const { colour, unit } = this.page;
    /** @type {[number, number][]} */
    const spans = [];
    for (let row = 0; row < box.rows; row++) {
      const span = box.reading.span(row);
      if (!span) return;
      spans.push(span);
    }
    /** @param {number} row */
    const left = (row) => box.x(clamp(spans[row][0], box.first - 1, box.last + 2));
    /** @param {number} row */
    const right = (row) => box.x(clamp(spans[row][1] + 1, box.first - 1, box.last + 2));
    g.save();
    g.beginPath();
    g.rect(box.left - 2, 0, box.right - box.left + 4, box.bottom + 2); // what lies beside the columns is not drawn
    g.clip();
    g.strokeStyle = colour.ink;
    g.lineWidth = Math.max(2, 0.15 * unit);
    g.lineJoin = "round";
    g.beginPath();
    g.moveTo(left(0), box.bottom - 1);
    for (let row = 0; row < box.rows; row++) {
      g.lineTo(left(row), row ? box.y(row - 1) - 1 : box.bottom - 1);
      g.lineTo(left(row), box.y(row) - 1);
    }
    for (let row = box.rows - 1; row >= 0; row--) {
      g.lineTo(right(row), box.y(row) - 1);
      g.lineTo(right(row), row ? box.y(row - 1) - 1 : box.bottom - 1);
    }
    g.closePath();
    g.stroke();
    g.restore();
    this.drawEdgeNumbers(g, box);
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box */
  drawEdgeNumbers(g, box) {
    const { colour, unit } = this.page;
    const { reading } = box;
    const { choice } = reading;
    if (choice.reading === "corridor") return;
    const forward = choice.reading === "forward";
    g.font = labelFont(unit, colour.sans, 600);
    g.textBaseline = "middle";
    g.textAlign = forward ? "left" : "right";
    const every = box.row < 0.9 * unit ? 4 : 1;
    for (let row = forward ? 1 : 0; row < box.rows; row += every) {
      const edge = reading.edge(row);
      const at = forward ? choice.source + edge : choice.target - edge;
      if (edge === 0 || at < box.first || at > box.last) continue;
      const x = forward ? box.x(at + 1) + 0.3 * unit : box.x(at) - 0.3 * unit;
      const whole = row === (forward ? box.rows - 1 : 0); // the outermost says what the numbers are
      /** @param {string} text */
      const fits = (text) =>
        forward
          ? x + g.measureText(text).width + 0.3 * unit <= box.right
          : x - g.measureText(text).width - 0.3 * unit >= box.left;
      const named = `${grouped(edge)} ${forward ? "on" : "back"}`;
      const label = whole && fits(named) ? named : grouped(edge);
      const right = forward === fits(label); // no room beyond the step: it stands within
      const from = fits(label) ? x : x + (forward ? -0.8 : 0.8) * unit;
      const wide = g.measureText(label).width + 0.3 * unit;
      const y = box.y(row) + box.row * 0.44;
      g.fillStyle = colour.card;
      g.fillRect(right ? from - 0.15 * unit : from - wide + 0.15 * unit, y - 0.5 * unit, wide, unit);
      g.fillStyle = colour.ink;
      g.textAlign = right ? "left" : "right";
      g.fillText(label, from, y + 1);
    }
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} y */
  drawAxis(g, box, y) {
    const { anchor, colour, unit, zoom } = this.page;
    if (zoom === "near" && !box.narrow) return this.drawWords(g, box, y);
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textAlign = "center";
    const step = [5, 10, 20, 50, 100, 200, 500, 1000].find((size) => size * box.wide > 3.2 * unit) ?? 5000;
    const x = clamp(box.x(anchor) + box.wide / 2, box.left + unit, box.right - unit);
    for (let p = Math.ceil(box.first / step) * step; p <= box.last; p += step) {
      const at = box.x(p) + box.wide / 2;
      if (Math.abs(at - x) > 4 * unit && at < box.right - 4.6 * unit) g.fillText(String(p), at, y);
    }
    if (x < box.right - 8.5 * unit) {
      g.textAlign = "right";
      g.fillText("position", box.right, y);
    }
    g.textAlign = x < box.left + 3 * unit ? "left" : x > box.right - 3 * unit ? "right" : "center";
    g.fillStyle = colour.query;
    g.font = labelFont(unit, colour.sans, 600);
    g.fillText(`${shorten(box.reading.run.labels[anchor].trim() || "space", 10)} ${anchor}`, x, y);
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} y */
  drawWords(g, box, y) {
    const { anchor, colour, unit } = this.page;
    const font = labelFont(unit, colour.serif);
    for (let p = box.first; p <= box.last; p++) {
      const chosen = p === anchor;
      g.save();
      g.translate(box.x(p) + box.wide / 2, y);
      g.rotate(Math.PI / 2);
      g.font = chosen ? labelFont(unit, colour.serif, 600) : font;
      g.fillStyle = chosen ? colour.query : colour.soft;
      g.textAlign = "left";
      g.textBaseline = "middle";
      g.fillText(fit(box.reading.run.labels[p], 4.4 * unit, font), 0, 0);
      g.restore();
    }
  }

  /** Under the grid; outlined is what there would be without the cut.
   * @param {CanvasRenderingContext2D} g
   * @param {Box} box
   * @param {number} floor
   * @param {(value: number) => number} tall */
  drawBars(g, box, floor, tall) {
    const { colour } = this.page;
    const { reading } = box;
    const wide = Math.max(1, box.wide - (box.wide > 3 ? 1 : 0));
    for (let p = box.first; p <= box.last; p++) {
      const uncut = reading.arrays.uncut?.[p] ?? 0;
      if (uncut > 0) {
        g.strokeStyle = colour.graphic;
        g.lineWidth = 1;
        g.strokeRect(box.x(p) + 0.5, floor - tall(uncut), Math.max(1, wide - 1), tall(uncut));
      }
      const high = tall(reading.below(p));
      g.fillStyle = colour.influence;
      g.fillRect(box.x(p), floor - high, wide, high);
    }
  }

  /** The column under a point of the canvas.
   * @param {Box} box
   * @param {number} x
   * @param {number | null} row  null = under the grid
   * @returns {Cell} */
  at(box, x, row) {
    const position = clamp(box.first + Math.floor((x - box.left) / box.wide), box.first, box.last);
    const explain = () =>
      row === null ? explainBelow(box.reading, position) : explainState(box.reading, row, position);
    return { position, explain };
  }
}
