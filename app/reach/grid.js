// The grid: rows are states (embedding, after layer 1 ... L), columns are positions. Thick ink is theory, green is
// what was measured on a log scale, hatched is exactly nothing.

import { onCells } from "../kit/cells.js";
import { HopAxis } from "./hops.js";
import { blend } from "../kit/colour.js";
import { clamp, grouped, shorten } from "../kit/format.js";
import { fit, labelFont } from "../kit/measure.js";

const MIN_NEAR = 24; // columns of the near view, of two windows if they lie between
const MAX_NEAR = 72;
export const DECADES = 12; // the scale runs from 1 down to 1e-12; what is smaller and not 0 keeps the palest step

/** Share of the green over the ground for a value; 0 is nothing at all. */
export function greenShare(value) {
  const size = Math.abs(value);
  if (!(size > 0)) return 0;
  return 0.09 + 0.91 * clamp((Math.log10(size) + DECADES) / DECADES, 0, 1) ** 1.7;
}

/** A number over many decades, for people: 0.23, 4.1e-9 as 4.1 × 10⁻⁹, and 0 only for an exact 0. */
export function tiny(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "exactly 0";
  const size = Math.abs(value);
  if (size >= 0.001 && size < 1000) return `${Number(value.toPrecision(2))}`;
  const power = Math.floor(Math.log10(size));
  const raised = [...`${power}`].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
  return `${(value / 10 ** power).toFixed(1)} × 10${raised}`;
}

export class ReachGrid {
  constructor(page) {
    this.page = page;
    this.canvas = page.part("grid");
    this.axis = new HopAxis(page);
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => page.point(null),
      go: ({ position, row, hops }) => {
        if (position === null) return;
        if (hops === undefined || page.hidden) page.pick(position, row);
        else page.visit(position, row);
      },
    });
  }

  /** First and last column: the cone and a margin, or three windows around the chosen token. */
  range() {
    const { run, choice, zoom } = this.page;
    const { source, target, reading } = choice;
    const last = run.count - 1;
    const window = Number.isFinite(run.smallest) ? run.smallest : last;
    const anchor = this.page.anchor;
    if (zoom === "near") {
      const wide = clamp(2 * window + 4, MIN_NEAR, MAX_NEAR);
      const before = this.page.centre !== null ? wide / 2 : reading === "forward" ? 4 : wide - 4;
      const from = clamp(Math.round((this.page.centre ?? anchor) - before), 0, Math.max(0, last - wide));
      return [from, Math.min(last, from + wide)];
    }
    const margin = Math.max(4, Math.ceil(window / 2));
    const reach = Number.isFinite(run.reach) ? run.reach : last;
    if (reading === "forward")
      return [
        clamp(source - margin, 0, Math.max(0, last - reach - 2 * margin)),
        Math.min(last, source + reach + margin),
      ];
    if (reading === "backward")
      return [Math.max(0, target - reach - margin), Math.min(last, Math.max(target + margin, 24))];
    return [Math.max(0, source - margin), Math.min(last, Math.max(target + margin, source + 24))];
  }

  layout(width, height) {
    const { run, unit, zoom } = this.page;
    const narrow = width < 30 * unit;
    const left = (narrow ? 3.2 : 4.6) * unit;
    const right = width - 0.5 * unit;
    const top = 0.3 * unit;
    const bottom = height - (zoom === "near" && !narrow ? 5.2 : zoom === "hops" && !narrow ? 2.7 : 1.7) * unit;
    if (zoom === "hops") return this.axis.layout(left, right, top, bottom, narrow);
    const [first, last] = this.range();
    const rows = run.layers + 1;
    const columns = last - first + 1;
    const wide = (right - left) / columns;
    return {
      left,
      right,
      top,
      bottom,
      rows,
      first,
      last,
      columns,
      wide,
      narrow,
      row: (bottom - top) / rows,
      x: (position) => left + (position - first) * wide,
      y: (row) => bottom - (row + 1) * ((bottom - top) / rows),
    };
  }

  draw() {
    const pen = this.page.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    const box = this.layout(width, height);
    this.box = box;
    g.clearRect(0, 0, width, height);
    for (let row = 0; row < box.rows; row++) this.drawRow(g, box, row);
    this.drawEnds(g, box);
    if (!this.page.hidden) (box.hops ?? this).drawStaircase(g, box);
    this.drawCut(g, box);
    this.drawGuess(g, box);
    this.drawAxis(g, box);
    this.drawHover(g, box);
    this.describe();
  }

  drawRow(g, box, row) {
    const { page } = this;
    const { colour, unit, hidden } = page;
    const y = box.y(row);
    const high = box.row - Math.min(0.16 * unit, box.row * 0.14);
    g.fillStyle = hidden ? colour.cell : colour.hatching;
    g.fillRect(box.left, y, box.right - box.left, high);
    if (!hidden) (box.hops ?? this).drawCells(g, box, row, y, high);
    const chosen = row === page.row;
    g.font = labelFont(unit, colour.sans, chosen ? 600 : 400);
    g.textAlign = "right";
    g.textBaseline = "middle";
    g.fillStyle = chosen ? colour.ink : colour.soft;
    const label = row === 0 ? (box.narrow ? "emb." : "embedding") : box.narrow ? `L${row}` : `after L${row}`;
    if (box.row > 0.84 * unit || row % 4 === 0) g.fillText(label, box.left - 0.45 * unit, y + high / 2);
  }

  /** Where columns are thinner than a pixel, a bin shows its largest value. */
  drawCells(g, box, row, y, high) {
    const { page } = this;
    const { colour } = page;
    const gap = box.wide >= 5 ? 0.75 : 0;
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
      const value = page.value(row, position);
      if (value !== 0 && Number.isFinite(value)) best = Math.max(best, greenShare(value));
      else if (page.allowed(row, position)) best = Math.max(best, 0);
    }
    flush();
  }

  drawEnds(g, box) {
    const { page } = this;
    const { colour, choice, run } = page;
    const ends =
      choice.reading === "forward"
        ? [[choice.source, 0]]
        : choice.reading === "backward"
          ? [[choice.target, run.layers]]
          : [
              [choice.source, 0],
              [choice.target, run.layers],
            ];
    for (const [position, row] of ends) {
      if (position < box.first || position > box.last) continue;
      const wide = Math.max(box.wide, 4);
      g.fillStyle = colour.query;
      g.fillRect(
        box.x(position) - (wide - box.wide) / 2,
        box.y(row),
        wide,
        box.row - Math.min(0.16 * page.unit, box.row * 0.14),
      );
    }
  }

  /** The outline of what theory allows: up along its left side, down along its right side. */
  drawStaircase(g, box) {
    const { page } = this;
    const { colour, unit } = page;
    const spans = [];
    for (let row = 0; row < box.rows; row++) spans.push(page.span(row));
    if (spans.some((span) => !span)) return;
    const left = (row) => box.x(clamp(spans[row][0], box.first - 1, box.last + 2));
    const right = (row) => box.x(clamp(spans[row][1] + 1, box.first - 1, box.last + 2));
    g.save();
    g.beginPath();
    g.rect(box.left - 2, 0, box.right - box.left + 4, box.bottom + 2); // what lies beside the columns shown is not drawn
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
    this.drawEdgeNumbers(g, box, spans);
  }

  drawEdgeNumbers(g, box, spans) {
    const { colour, unit, choice } = this.page;
    if (choice.reading === "corridor") return;
    const forward = choice.reading === "forward";
    g.font = labelFont(unit, colour.sans, 600);
    g.textBaseline = "middle";
    g.textAlign = forward ? "left" : "right";
    const every = box.row < 0.9 * unit ? 4 : 1;
    for (let row = forward ? 1 : 0; row < box.rows; row += every) {
      const edge = this.page.edge(row);
      const at = forward ? choice.source + edge : choice.target - edge;
      if (edge === 0 || at < box.first || at > box.last || !spans[row]) continue;
      const x = forward ? box.x(at + 1) + 0.3 * unit : box.x(at) - 0.3 * unit;
      const whole = row === (forward ? box.rows - 1 : 0); // the outermost says what the numbers are
      const fits = (text) =>
        forward
          ? x + g.measureText(text).width + 0.3 * unit <= box.right
          : x - g.measureText(text).width - 0.3 * unit >= box.left;
      const named = `${grouped(edge)} ${forward ? "on" : "back"}`;
      const label = whole && fits(named) ? named : grouped(edge);
      if (!fits(label)) continue;
      const wide = g.measureText(label).width + 0.3 * unit;
      const y = box.y(row) + box.row * 0.44;
      g.fillStyle = colour.card;
      g.fillRect(forward ? x - 0.15 * unit : x - wide + 0.15 * unit, y - 0.5 * unit, wide, unit);
      g.fillStyle = colour.ink;
      g.fillText(label, x, y + 1);
    }
  }

  drawCut(g, box) {
    const { colour, unit, choice } = this.page;
    const [kind, number] = choice.cut.split(":");
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

  drawAxis(g, box) {
    const { page } = this;
    const { colour, unit, run } = page;
    const here = page.anchor;
    g.textBaseline = "top";
    const y = box.bottom + 0.35 * unit;
    if (box.hops) return box.hops.drawAxis(g, box, y);
    if (page.zoom === "near" && !box.narrow) return this.drawWords(g, box, y);
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textAlign = "center";
    const step = [5, 10, 20, 50, 100, 200, 500, 1000].find((size) => size * box.wide > 3.2 * unit) ?? 5000;
    const x = clamp(box.x(here) + box.wide / 2, box.left + unit, box.right - unit);
    for (let p = Math.ceil(box.first / step) * step; p <= box.last; p += step) {
      const at = box.x(p) + box.wide / 2;
      if (Math.abs(at - x) > 4 * unit && at < box.right - 4.6 * unit) g.fillText(p, at, y);
    }
    if (x < box.right - 8.5 * unit) {
      g.textAlign = "right";
      g.fillText("position", box.right, y);
    }
    g.textAlign = x < box.left + 3 * unit ? "left" : x > box.right - 3 * unit ? "right" : "center";
    g.fillStyle = colour.query;
    g.font = labelFont(unit, colour.sans, 600);
    g.fillText(`${shorten(run.labels[here].trim() || "space", 10)} ${here}`, x, y);
  }

  drawWords(g, box, y) {
    const { page } = this;
    const { colour, unit, run } = page;
    const font = labelFont(unit, colour.serif);
    for (let p = box.first; p <= box.last; p++) {
      const chosen = p === page.anchor;
      g.save();
      g.translate(box.x(p) + box.wide / 2, y);
      g.rotate(Math.PI / 2);
      g.font = chosen ? labelFont(unit, colour.serif, 600) : font;
      g.fillStyle = chosen ? colour.query : colour.soft;
      g.textAlign = "left";
      g.textBaseline = "middle";
      g.fillText(fit(run.labels[p], 4.4 * unit, font), 0, 0);
      g.restore();
    }
  }

  drawHover(g, box) {
    const { hovered, colour } = this.page;
    if (hovered === null || hovered < box.first || hovered > box.last) return;
    g.strokeStyle = colour.ink;
    g.lineWidth = 1;
    g.strokeRect(
      Math.round(box.x(hovered)) - 0.5,
      box.top - 1,
      Math.max(3, Math.round(box.wide) + 1),
      box.bottom - box.top + 2,
    );
  }

  at(event) {
    const { box } = this;
    const place = this.canvas.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    if (!box || x < box.left || x > box.right || y < box.top || y > box.bottom) return null;
    const row = clamp(Math.floor((box.bottom - y) / box.row), 0, box.rows - 1);
    if (box.hops) return box.hops.at(box, x, row);
    return {
      row,
      position: clamp(box.first + Math.floor((x - box.left) / box.wide), box.first, box.last),
    };
  }

  hover(event) {
    const cell = this.at(event);
    if (!cell) return this.page.point(null);
    if (this.page.hidden) return this.page.point(cell.position);
    const told = cell.hops === undefined ? this.page.told(cell.row, cell.position) : this.axis.told(cell);
    this.page.point(cell.position ?? this.page.anchor, null, { x: event.clientX, y: event.clientY, ...told });
  }

  describe() {
    const { page } = this;
    this.canvas.setAttribute(
      "aria-label",
      page.hidden ? "State grid, hidden until you have guessed." : page.sentence(),
    );
  }
}
