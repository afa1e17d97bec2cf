// One head (or one map across the layers) large: rows = from (query), columns = looks at (key).

import { onCells } from "../kit/cells.js";
import { blend, shade } from "../kit/colour.js";
import { clamp, grouped, percent, plural, quoted } from "../kit/format.js";
import { fit, labelFont } from "../kit/measure.js";

/** @import AttentionPage from "./page.js" */
/** @typedef {{ query: number, key: number }} Cell  positions; a key below 0 is before the text begins */
/** Where the cells lie, css pixels, and which they are.
 * @typedef {Object} Box
 * @property {number} left
 * @property {number} top
 * @property {number} right
 * @property {number} bottom
 * @property {number} rows
 * @property {number} first  query of the first row
 * @property {number} row  its height
 * @property {number} columns
 * @property {number} wide  width of a column
 * @property {number} window  keys that a query sees, at most the tokens that there are
 * @property {number} from  key of the first column of the triangle; 0 in a band
 * @property {number} kept  columns of kept first positions: before those of the triangle, behind those of a band
 * @property {number} per  offsets of a column of the band; 1 in a triangle */

export class LargePanel {
  /** @param {AttentionPage} player */
  constructor(player) {
    this.player = player;
    this.canvas = player.part("large", HTMLCanvasElement);
    /** @type {Box | null} */
    this.box = null;
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => player.aim(null),
      go: ({ query }) => player.go(query, { by: "hand" }),
    });
  }

  /** @param {number} width @param {number} height
   * @returns {Box} */
  layout(width, height) {
    const { player } = this;
    const { run, t, unit, shape } = player;
    const left = clamp(width * 0.17, 5.7 * unit, 6.6 * unit);
    const top = shape === "band" ? 2.5 * unit : 4.6 * unit;
    const right = width - 4;
    const rows = clamp(Math.floor((height - top - 2) / (0.98 * unit)), 1, run.count);
    const first = clamp(t - Math.floor(rows * 0.75), 0, run.count - rows);
    const row = Math.min((height - top - 2) / rows, 1.5 * unit);
    const window = Math.min(player.values.width(), run.count);
    if (shape === "band") {
      const kept = clamp(run.count - window, 0, run.sinks);
      const columns = clamp(window, 1, Math.floor((right - left) / 2) - kept) + kept;
      const wide = Math.min((right - left) / columns, 2.4 * unit);
      return {
        kept,
        left,
        top,
        rows,
        first,
        row,
        columns,
        wide,
        window,
        from: 0,
        per: window / (columns - kept),
        right: left + wide * columns,
        bottom: top + row * rows,
      };
    }
    const last = first + rows - 1;
    const most = Math.floor((right - left) / 4);
    const from = Math.max(0, first - window + 1, last + 1 - most);
    const kept = Math.min(run.sinks, from);
    const columns = last - from + 1 + kept;
    const wide = Math.min((right - left) / columns, 1.5 * unit);
    return {
      kept,
      left,
      top,
      rows,
      first,
      row,
      columns,
      wide,
      window,
      from,
      per: 1,
      right: left + wide * columns,
      bottom: top + row * rows,
    };
  }

  draw() {
    const { player } = this;
    const pen = player.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    g.clearRect(0, 0, width, height);
    const { run, colour } = player;
    if (!run.pattern) return;
    const box = this.layout(width, height);
    this.box = box;
    g.fillStyle = colour.hatching;
    g.fillRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    for (let row = 0; row < box.rows; row++) this.drawRow(g, box, box.first + row);
    if (player.shape === "square") this.drawWindow(g, box);
    this.drawNames(g, box);
    this.drawMarks(g, box);
    this.describe(box);
  }

  /** Key of a column for a query: by offset in the band (the largest weight of the bin), by position in the square.
   * @param {Box} box @param {number} query @param {number} column */
  keyOf(box, query, column) {
    const { player } = this;
    const { values } = player;
    if (player.shape === "square") return column < box.kept ? column : box.from + column - box.kept;
    if (column >= box.columns - box.kept) {
      const key = column - (box.columns - box.kept);
      return query - key >= box.window ? key : -1; // nearer than that it stands among the others
    }
    const from = Math.floor(column * box.per);
    const to = Math.max(from + 1, Math.floor((column + 1) * box.per));
    let best = from;
    for (let offset = from + 1; offset < to; offset++)
      if (values.value(query, offset) > values.value(query, best)) best = offset;
    return query - best;
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box @param {number} query */
  drawRow(g, box, query) {
    const { colour, values } = this.player;
    const y = box.top + (query - box.first) * box.row;
    const gap = box.wide > 7 && box.row > 7 ? 1 : 0;
    for (let column = 0; column < box.columns; column++) {
      const key = this.keyOf(box, query, column);
      if (!values.sees(query, query - key)) continue;
      const weight = values.value(query, query - key);
      if (!(weight >= 0)) continue; // not derived yet
      const x = box.left + column * box.wide;
      g.fillStyle = blend(colour.card, colour.attention, shade(weight));
      g.fillRect(x, y, box.wide - gap + (gap ? 0 : 0.5), box.row - gap);
    }
  }

  /** Theory: what the window allows, as an ink staircase.
   * @param {CanvasRenderingContext2D} g @param {Box} box */
  drawWindow(g, box) {
    const { unit, colour } = this.player;
    g.strokeStyle = colour.ink;
    g.lineWidth = 1.5;
    for (const edge of [1 - box.window, 1]) {
      g.beginPath();
      for (let row = 0; row < box.rows; row++) {
        const column = clamp(box.first + row + edge - box.from, 0, box.columns - box.kept) + box.kept;
        const x = box.left + column * box.wide;
        const y = box.top + row * box.row;
        if (row) g.lineTo(x, y);
        else g.moveTo(x, y);
        g.lineTo(x, y + box.row);
      }
      g.stroke();
    }
    g.font = labelFont(unit, colour.sans, 600);
    /** @param {string} text @param {number} x @param {number} y @param {"left" | "right"} align */
    const label = (text, x, y, align) => {
      const wide = g.measureText(text).width + 8;
      g.fillStyle = colour.card;
      g.fillRect(align === "right" ? x - wide + 4 : x - 4, y - 0.6 * unit, wide, 1.2 * unit);
      g.fillStyle = colour.soft;
      g.textAlign = align;
      g.textBaseline = "middle";
      g.fillText(text, x, y);
    };
    if (box.rows > 8) {
      label("masked: future", box.right - 8, box.top + unit, "right");
      const text = `masked: older than ${grouped(box.window)}${box.kept ? ", not kept" : ""}`;
      const row = box.rows - 4; // above the last rows, where the query often stands
      const room = (box.first + row - box.window + 1 - box.from) * box.wide;
      const x = box.left + box.kept * box.wide + 8;
      if (room > g.measureText(text).width + 24) label(text, x, box.top + (row + 0.5) * box.row, "left");
    }
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box */
  drawNames(g, box) {
    const { run, colour, unit, shape, values } = this.player;
    const query = values.query();
    g.textBaseline = "middle";
    g.textAlign = "right";
    for (let row = 0; row < box.rows; row++) {
      const position = box.first + row;
      const current = position === query;
      g.font = labelFont(unit, colour.serif, current ? 700 : 400);
      g.fillStyle = current ? colour.query : colour.ink;
      g.fillText(
        fit(run.labels[position], box.left - 2.6 * unit, g.font),
        box.left - 2.3 * unit,
        box.top + (row + 0.5) * box.row,
      );
      g.font = labelFont(unit, colour.sans, current ? 700 : 400);
      if (!current) g.fillStyle = colour.soft;
      g.fillText(String(position), box.left - 0.35 * unit, box.top + (row + 0.5) * box.row);
    }
    g.font = labelFont(unit, colour.sans, 600);
    g.fillStyle = colour.soft;
    g.textBaseline = "top";
    g.textAlign = "left";
    g.fillText("from (query)", 0, shape === "band" ? 1.25 * unit : box.top - 1.1 * unit);
    g.fillText(shape === "band" ? "looks at (key), tokens back" : "looks at (key)", box.left, 0);
    if (shape === "band") this.drawOffsets(g, box);
    else this.drawKeys(g, box);
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box */
  drawOffsets(g, box) {
    const { colour, unit } = this.player;
    g.font = labelFont(unit, colour.sans);
    g.textAlign = "center";
    let free = 0;
    for (let column = 0; column < box.columns; column++) {
      const x = box.left + (column + 0.5) * box.wide;
      if (x < free) continue;
      const key = column - (box.columns - box.kept);
      g.fillText(key < 0 ? grouped(Math.floor(column * box.per)) : `@${key}`, x, 1.3 * unit);
      free = x + (box.wide > 1.4 * unit ? 0 : 2.4 * unit);
    }
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box */
  drawKeys(g, box) {
    const { run, colour, unit, aimed } = this.player;
    const every = Math.ceil((0.95 * unit) / box.wide);
    g.textAlign = "left";
    g.textBaseline = "middle";
    for (let column = 0; column < box.columns; column++) {
      const position = this.keyOf(box, box.first, column);
      const chosen = position === aimed?.key;
      if (position % every && column >= box.kept && !chosen) continue;
      g.save();
      g.translate(box.left + (column + 0.5) * box.wide, box.top - 3);
      g.rotate(-Math.PI / 2);
      g.font = labelFont(unit, colour.serif, chosen ? 700 : 400);
      g.fillStyle = chosen ? colour.ink : colour.soft;
      g.fillText(fit(run.labels[position], box.top - 1.5 * unit, g.font), 0, 0);
      g.restore();
    }
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box */
  drawMarks(g, box) {
    const { colour, aimed, values } = this.player;
    const query = values.query();
    if (query >= box.first && query < box.first + box.rows) {
      g.strokeStyle = colour.query;
      g.lineWidth = 2;
      g.strokeRect(box.left - 1, box.top + (query - box.first) * box.row - 1, box.right - box.left + 2, box.row + 1);
    }
    const place = aimed && this.place(box, aimed);
    if (!place) return;
    g.strokeStyle = colour.ink;
    g.lineWidth = 2;
    g.strokeRect(place.x - 1, place.y - 1, Math.max(box.wide, 4) + 1, box.row + 1);
  }

  /** Where a cell lies; null = not in the picture.
   * @param {Box} box @param {Cell} cell */
  place(box, { query, key }) {
    if (query < box.first || query >= box.first + box.rows) return null;
    const kept = key >= 0 && key < box.kept;
    const ahead = kept && key < box.from ? key : box.kept + key - box.from;
    const back = kept && query - key >= box.window ? box.columns - box.kept + key : Math.floor((query - key) / box.per);
    const column = this.player.shape === "band" ? back : ahead;
    if (column < 0 || column >= box.columns) return null;
    return { x: box.left + column * box.wide, y: box.top + (query - box.first) * box.row };
  }

  /** @param {MouseEvent} event */
  at(event) {
    const { box } = this;
    const place = this.canvas.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    if (!box || x < box.left || x >= box.right || y < box.top || y >= box.bottom) return null;
    const query = clamp(box.first + Math.floor((y - box.top) / box.row), box.first, box.first + box.rows - 1);
    return { query, key: this.keyOf(box, query, Math.floor((x - box.left) / box.wide)) };
  }

  /** @param {MouseEvent} event */
  hover(event) {
    const { player } = this;
    const cell = this.at(event);
    if (!cell) return player.aim(null);
    player.aim(cell, { x: event.clientX, y: event.clientY, title: this.title(cell), lines: this.lines(cell) });
  }

  /** @param {Cell} cell */
  title({ query, key }) {
    const { run } = this.player;
    return key < 0
      ? `${quoted(run.labels[query])} (${query})`
      : `${quoted(run.labels[query])} (${query}) → ${quoted(run.labels[key])} (${key})`;
  }

  /** Everything known of one cell, in sentences.
   * @param {Cell} cell */
  lines({ query, key }) {
    const { run, picture, values } = this.player;
    const offset = query - key;
    if (key < 0)
      return [
        `from (query) ${quoted(run.labels[query])}, position ${query}`,
        `masked: ${grouped(offset)} back would be before the text begins`,
      ];
    const lines = [
      `from (query) ${quoted(run.labels[query])}, position ${query}`,
      `looks at (key) ${quoted(run.labels[key])}, position ${key}`,
      offset < 0
        ? `${grouped(-offset)} ahead`
        : offset
          ? `${plural(offset, "token")} back`
          : "the token itself, 0 back",
    ];
    if (offset < 0) return [...lines, "masked: future, weight 0"];
    if (!values.sees(query, offset)) {
      const limit = picture === "rollout" ? "the exact reach" : `the window of ${grouped(values.width())}`;
      return [...lines, `masked: older than ${limit}, weight 0`];
    }
    return [...lines, `weight ${values.share(query, offset)} (${values.what()})`, ...this.score(query, offset)];
  }

  /** The score before the softmax if the run has it; else what the weights alone say of it.
   * @param {number} query @param {number} offset */
  score(query, offset) {
    const { picture, head, values } = this.player;
    if (picture !== "head" || values.hides()) return [];
    if (head < 0) return ["a mean of heads has no score of its own"];
    const raw = values.rawScore(query, offset);
    if (Number.isFinite(raw)) return [`score ${raw.toFixed(2)} before the softmax`];
    const weight = values.value(query, offset);
    let most = 0;
    for (const o of values.offsets(query)) most = Math.max(most, values.value(query, o));
    if (!weight) return ["score not recorded; the weight is too small to tell it from 0"];
    const below = Math.log(most / weight);
    const distance = below < 0.005 ? "" : `${below.toFixed(2)} below `;
    return [`score not recorded; ${distance}the highest of this row (derived: log of the ratio of weights)`];
  }

  /** @param {Box} box */
  describe(box) {
    const { run, values } = this.player;
    const query = values.query();
    const strongest = values
      .strongest(query, 3)
      .map(([weight, key]) => `${quoted(run.labels[key])} ${percent(weight)}`);
    this.canvas.setAttribute(
      "aria-label",
      `${values.what()}, queries ${box.first} to ${box.first + box.rows - 1}. ` +
        `From ${quoted(run.labels[query])}, position ${query}, most looked at: ${strongest.join(", ")}.`,
    );
  }
}
