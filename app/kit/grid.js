// The state grid: rows are states (tokens, after layer 1 ... L), columns are positions. The staircase is theory
// (what could reach the prediction); the blue cells are the keys that this step's query reads in each layer (model).

import { onCells } from "./cells.js";
import { labelFont } from "./measure.js";
import { blend, shade } from "./colour.js";
import { clamp, grouped, percent, plural, rowName } from "./format.js";

/** @typedef {import("./playhead.js").Playhead} Player */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {CanvasRenderingContext2D} Pen */
/**
 * Where things are on the canvas, px.
 *
 * @typedef {Object} Layout
 * @property {number} left
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 * @property {number} rows  how many
 * @property {number} row  height of one
 * @property {number} columns  how many
 * @property {number} first  position of the first column
 * @property {number} wide  width of a column
 * @property {boolean} byHops  whether columns are hops, not tokens
 * @property {boolean} narrow
 * @property {(position: number) => number} x  left edge of a position
 * @property {(row: number) => number} y  top of a row; 0 = the tokens, below all others
 */

const MAX_COLUMNS = 240;

/** @template {Player} [P=Player] */
export class GridPanel {
  /** @param {P} player */
  constructor(player) {
    this.player = player;
    this.canvas = player.part("grid", HTMLCanvasElement);
    /** @type {Layout | null} of the last drawing */
    this.box = null;
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => player.point(null),
      go: ({ row, position }) => {
        if (row < player.run.layers) player.layer = row;
        if (position < player.run.count) player.go(position, { by: "hand" });
      },
    });
  }

  /** Tokens that the picture makes room for. */
  expected() {
    return this.player.run.total;
  }

  /**
   * Where things are: by position, or by hops when layers or windows are many.
   *
   * @param {number} width
   * @param {number} height
   * @returns {Layout}
   */
  layout(width, height) {
    const { run, t, unit } = this.player;
    const total = this.expected();
    const narrow = width < 26 * unit;
    const left = (narrow ? 3.4 : 4.8) * unit;
    const right = width - 0.5 * unit;
    const top = 0.3 * unit;
    const bottom = height - 1.7 * unit;
    const rows = run.layers + 1;
    const finite = Number.isFinite(run.reach);
    const byHops =
      finite && (run.smallest > 64 || run.layers > 12) && total > Math.max(1.5 * run.smallest, MAX_COLUMNS);
    let columns = Math.min(total, MAX_COLUMNS);
    if (total > MAX_COLUMNS && finite) columns = Math.min(run.reach + 2 * run.smallest, MAX_COLUMNS);
    columns = Math.max(columns, 24);
    const leftmost = Math.max(0, t - columns + 1);
    const first = byHops ? Math.max(0, t - run.reach - run.smallest) : leftmost;
    const wide = (right - left) / columns;
    /** @type {(position: number) => number} */
    const x = byHops
      ? (position) =>
          right -
          wide -
          ((right - left - wide) * Math.min(this.hopsBack(run, t - position), run.layers + 1)) / (run.layers + 1)
      : (position) => left + (position - leftmost) * wide;
    const row = (bottom - top) / rows;
    /** @type {(row: number) => number} */
    const y = (above) => bottom - (above + 1) * row;
    return { left, right, top, bottom, rows, row, columns, first, wide, byHops, x, y, narrow };
  }

  /**
   * Hops back as a number with a fraction, so that each layer's window is equally wide.
   *
   * @param {Run} run
   * @param {number} distance
   */
  hopsBack(run, distance) {
    if (distance <= 0) return distance;
    for (let k = 1; k < run.cumulative.length; k++) {
      if (distance <= run.cumulative[k]) {
        return k - 1 + (distance - run.cumulative[k - 1]) / (run.cumulative[k] - run.cumulative[k - 1]);
      }
    }
    return run.layers + (distance - run.reach) / run.smallest;
  }

  /**
   * First position that a state of the cone can depend on.
   *
   * @param {number} row
   */
  edge(row) {
    const { run, t } = this.player;
    return Math.max(0, t - run.cumulative[run.layers - row]);
  }

  /**
   * Kept first positions that lie before the cone of a row: every layer above reads them all the same.
   *
   * @param {number} row
   */
  keptAhead(row) {
    const { run, t } = this.player;
    return run.outside(t, t - this.edge(row) + 1);
  }

  draw() {
    const pen = this.player.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    const box = this.layout(width, height);
    this.box = box;
    g.clearRect(0, 0, width, height);
    for (let row = 0; row < box.rows; row++) this.drawRow(g, box, row);
    this.drawColumns(g, box);
    this.drawStaircase(g, box);
    this.drawAxis(g, box);
    this.drawHover(g, box);
    this.describe();
  }

  /**
   * @param {Pen} g
   * @param {Layout} box
   * @param {number} row
   */
  drawRow(g, box, row) {
    const { player } = this;
    const { run, t, colour, unit } = player;
    const gap = Math.min(0.16 * unit, box.row * 0.14);
    const y = box.y(row);
    const high = box.row - gap;
    const from = Math.max(box.left, box.x(this.edge(row)));
    const last = Math.min(box.right, box.x(t) + box.wide);
    g.fillStyle = colour.hatching;
    g.fillRect(box.left, y, Math.max(0, Math.min(from, last) - box.left), high);
    g.fillStyle = colour.cell;
    g.fillRect(from, y, Math.max(0, last - from), high);
    for (const p of row < run.layers ? this.keptAhead(row) : [])
      if (box.x(p) >= box.left) g.fillRect(box.x(p), y, Math.max(1, box.wide), high);
    if (box.wide >= 3 && !box.byHops) {
      g.fillStyle = colour.card;
      g.beginPath();
      for (let p = this.edge(row) + 1; p <= t; p++) g.rect(Math.round(box.x(p)) - 0.5, y, 1, high);
      g.fill();
    }
    g.strokeStyle = colour.graphic;
    g.lineWidth = 1;
    g.strokeRect(from + 0.5, y + 0.5, Math.max(0, last - from - 1), high - 1);
    if (row < run.layers && run.pattern) this.drawReads(g, box, row, y, high);
    g.fillStyle = colour.query;
    const seam = Math.max(box.wide, 3);
    g.fillRect(last - seam, y, seam, high);
    if (last < box.right) {
      g.fillStyle = colour.ground;
      g.fillRect(last, y, box.right - last, high);
    }
    const chosen = row === player.layer;
    g.font = labelFont(unit, colour.sans, chosen ? 600 : 400);
    g.textAlign = "right";
    g.textBaseline = "middle";
    g.fillStyle = chosen ? colour.attention : colour.soft;
    const label = row === 0 ? "tokens" : box.narrow ? `L${row}` : `after L${row}`;
    if (box.row > 0.84 * unit || row % 4 === 0) g.fillText(label, box.left - 0.45 * unit, y + high / 2);
  }

  /**
   * Keys that layer row + 1 reads from this row; where columns are thinner than a pixel, the largest of the bin.
   *
   * @param {Pen} g
   * @param {Layout} box
   * @param {number} row
   * @param {number} y
   * @param {number} high
   */
  drawReads(g, box, row, y, high) {
    const { run, t, colour, head } = this.player;
    const reach = Math.min(run.windows[row], t + 1 - box.first, run.width);
    let bin = -1;
    let top = 0;
    const flush = () => {
      if (bin < 0) return;
      g.fillStyle = blend(colour.card, colour.attention, shade(top));
      g.fillRect(bin, y, Math.max(1, box.wide - (box.wide >= 3 ? 0.5 : 0)), high);
    };
    const kept = run.outside(t, run.windows[row]).map((p) => t - p);
    const near = Array.from({ length: Math.max(reach, 0) }, (_, i) => reach - 1 - i);
    for (const offset of run.missing.has(row) ? [] : [...kept, ...near]) {
      if (box.x(t - offset) < box.left) continue;
      const at = box.wide >= 1 && !box.byHops ? box.x(t - offset) : Math.floor(box.x(t - offset));
      const weight = run.weight(t, row, head, offset);
      if (at !== bin) {
        flush();
        bin = at;
        top = 0;
      }
      top = Math.max(top, weight);
    }
    flush();
    if (row === this.player.layer) {
      const from = box.x(t - reach + 1);
      g.strokeStyle = colour.attention;
      g.lineWidth = 1.5;
      g.strokeRect(from, y + 0.75, box.x(t) + box.wide - from - 0.75, high - 1.5);
    }
  }

  /**
   * @param {Pen} g
   * @param {Layout} box
   */
  drawColumns(g, box) {
    const { run, t, colour } = this.player;
    const prompt = run.meta.n_prompt;
    if (box.byHops || prompt <= box.first || prompt > t) return;
    g.strokeStyle = colour.soft;
    g.lineWidth = 1;
    g.setLineDash([2, 3]);
    g.beginPath();
    g.moveTo(Math.round(box.x(prompt)) + 0.5, box.y(0));
    g.lineTo(Math.round(box.x(prompt)) + 0.5, box.bottom);
    g.stroke();
    g.setLineDash([]);
  }

  /**
   * @param {Pen} g
   * @param {Layout} box
   */
  drawStaircase(g, box) {
    const { run, t, colour, unit } = this.player;
    g.strokeStyle = colour.ink;
    g.lineWidth = Math.max(2, 0.13 * unit);
    g.lineJoin = "round";
    g.beginPath();
    const first = Math.max(0, box.first);
    const right = box.x(t) + box.wide;
    g.moveTo(right, box.y(run.layers) - 1);
    g.lineTo(box.x(t), box.y(run.layers) - 1);
    for (let row = run.layers; row >= 0; row--) {
      const at = Math.max(box.left, box.x(Math.max(this.edge(row), first)));
      g.lineTo(at, box.y(row) - 1);
      g.lineTo(at, row ? box.y(row - 1) - 1 : box.bottom);
    }
    g.stroke();
    g.fillStyle = colour.ink;
    g.font = labelFont(unit, colour.sans, 600);
    g.textAlign = "right";
    g.textBaseline = "middle";
    const every = box.row < 0.8 * unit ? 4 : 1;
    for (let row = run.layers - 1; row >= 0; row -= every) {
      const back = run.cumulative[run.layers - row];
      const at = box.x(t - back);
      if (t - back < 0 || at - box.left < 2.2 * unit) continue;
      const label = grouped(back);
      const wide = g.measureText(label).width + 0.5 * unit;
      const y = box.y(row) + box.row * 0.46;
      g.fillStyle = colour.card;
      g.fillRect(at - wide - 0.1 * unit, y - 0.5 * unit, wide - 0.1 * unit, unit);
      g.fillStyle = colour.ink;
      g.fillText(label, at - 0.35 * unit, y + 1);
    }
  }

  /**
   * @param {Pen} g
   * @param {Layout} box
   */
  drawAxis(g, box) {
    const { run, t, colour, unit } = this.player;
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textBaseline = "top";
    const y = box.bottom + 0.35 * unit;
    if (box.byHops) {
      for (let k = 0; k <= run.layers; k += run.layers > 12 ? 4 : 1) {
        g.textAlign = k ? "center" : "right";
        g.fillText(k ? `${k}` : "hops back  0", box.right - ((box.right - box.left) * k) / (run.layers + 1), y);
      }
      return;
    }
    const step = [10, 20, 50, 100, 200, 500].find((size) => size * box.wide > 3.2 * unit) ?? 1000;
    g.textAlign = "center";
    const centre = clamp(box.x(t) + box.wide / 2, box.left + unit, box.right - unit);
    for (let p = Math.ceil(box.first / step) * step; p < box.first + box.columns; p += step) {
      const x = box.x(p) + box.wide / 2;
      if (Math.abs(x - centre) > 2.6 * unit && x < box.right - 4.6 * unit) g.fillText(String(p), x, y);
    }
    if (centre < box.right - 6.4 * unit) {
      g.textAlign = "right";
      g.fillText("position", box.right, y);
      g.textAlign = "center";
    }
    g.fillStyle = colour.query;
    g.font = labelFont(unit, colour.sans, 600);
    g.fillText(String(t), centre, y);
  }

  /**
   * @param {Pen} g
   * @param {Layout} box
   */
  drawHover(g, box) {
    const { hovered, colour, t } = this.player;
    if (hovered === null || hovered > t || hovered < box.first) return;
    g.strokeStyle = colour.ink;
    g.lineWidth = 1;
    const x = box.x(hovered);
    g.strokeRect(Math.round(x) - 0.5, box.top - 1, Math.max(3, Math.round(box.wide) + 1), box.bottom - box.top + 2);
  }

  /**
   * The cell under the pointer; null = none.
   *
   * @param {MouseEvent} event
   */
  at(event) {
    const { box } = this;
    const place = this.canvas.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    if (!box || x < box.left || x > box.right || y < box.top || y > box.bottom) return null;
    const row = clamp(Math.floor((box.bottom - y) / box.row), 0, box.rows - 1);
    if (!box.byHops) return { row, position: box.first + Math.floor((x - box.left) / box.wide) };
    let position = this.player.t;
    while (position > box.first && box.x(position) > x) position--;
    return { row, position };
  }

  /** @param {PointerEvent} event */
  hover(event) {
    const { player } = this;
    const cell = this.at(event);
    if (!cell || cell.position > player.t) return player.point(null);
    const { run, t, head } = player;
    const distance = t - cell.position;
    const row = cell.row;
    const lines = [];
    const inside = cell.position >= this.edge(row) || (row < run.layers && cell.position < run.sinks);
    if (row < run.layers && run.sees(row, t, cell.position) && run.pattern) {
      lines.push(
        `read by layer ${row + 1} with weight ${percent(run.weight(t, row, head, distance))} (${player.headName()})`,
      );
    } else lines.push(inside ? "can arrive by relay: later states have read it" : "cannot reach this prediction");
    const title = `${rowName(row)}, position ${cell.position}, ${distance} back`;
    player.point(cell.position, null, { x: event.clientX, y: event.clientY, title, lines });
  }

  describe() {
    const { player } = this;
    const { run, t } = player;
    const from = this.edge(0);
    this.canvas.setAttribute(
      "aria-label",
      `State grid for position ${t}: after ${run.layers} layers the prediction can depend on ` +
        `positions ${from} to ${t}${run.sinks ? ` and the first ${plural(run.sinks, "token")}` : ""}; ` +
        `each layer reads at most ${plural(Math.min(t + 1, run.smallest), "key")} directly, ${player.headName()}.`,
    );
  }
}
