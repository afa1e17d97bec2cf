// One head (or one map across the layers) large: rows = from (query), columns = looks at (key).

import { onCells } from "../kit/cells.js";
import { blend, shade } from "../kit/colour.js";
import { clamp, grouped, percent, plural, quoted } from "../kit/format.js";
import { fit, labelFont } from "../kit/measure.js";

export class LargePanel {
  constructor(player) {
    this.player = player;
    this.canvas = player.part("large");
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => player.aim(null),
      go: ({ query }) => player.go(query, { by: "hand" }),
    });
  }

  layout(width, height) {
    const { player } = this;
    const { run, t, unit, shape } = player;
    const left = clamp(width * 0.17, 5.7 * unit, 6.6 * unit);
    const top = shape === "band" ? 2.5 * unit : 4.6 * unit;
    const right = width - 4;
    const rows = clamp(Math.floor((height - top - 2) / (0.98 * unit)), 1, run.count);
    const first = clamp(t - Math.floor(rows * 0.75), 0, run.count - rows);
    const row = Math.min((height - top - 2) / rows, 1.5 * unit);
    const window = Math.min(player.width(), run.count);
    if (shape === "band") {
      const columns = clamp(window, 1, Math.floor((right - left) / 2));
      const wide = Math.min((right - left) / columns, 2.4 * unit);
      return {
        left,
        top,
        rows,
        first,
        row,
        columns,
        wide,
        window,
        per: window / columns,
        right: left + wide * columns,
        bottom: top + row * rows,
      };
    }
    const last = first + rows - 1;
    const most = Math.floor((right - left) / 4);
    const from = Math.max(0, first - window + 1, last + 1 - most);
    const columns = last - from + 1;
    const wide = Math.min((right - left) / columns, 1.5 * unit);
    return {
      left,
      top,
      rows,
      first,
      row,
      columns,
      wide,
      window,
      from,
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
    this.box = this.layout(width, height);
    const { box } = this;
    g.fillStyle = colour.hatching;
    g.fillRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    for (let row = 0; row < box.rows; row++) this.drawRow(g, box.first + row);
    if (player.shape === "square") this.drawWindow(g);
    this.drawNames(g);
    this.drawMarks(g);
    this.describe();
  }

  /** Key of a column for a query: by offset in the band (the largest weight of the bin), by position in the square. */
  keyOf(query, column) {
    const { box, player } = this;
    if (player.shape === "square") return box.from + column;
    const from = Math.floor(column * box.per);
    const to = Math.max(from + 1, Math.floor((column + 1) * box.per));
    let best = from;
    for (let offset = from + 1; offset < to; offset++)
      if (player.value(query, offset) > player.value(query, best)) best = offset;
    return query - best;
  }

  drawRow(g, query) {
    const { box, player } = this;
    const { colour } = player;
    const y = box.top + (query - box.first) * box.row;
    const gap = box.wide > 7 && box.row > 7 ? 1 : 0;
    for (let column = 0; column < box.columns; column++) {
      const key = this.keyOf(query, column);
      if (key < 0 || key > query || query - key >= box.window) continue;
      const weight = player.value(query, query - key);
      if (!(weight >= 0)) continue; // not derived yet
      const x = box.left + column * box.wide;
      g.fillStyle = blend(colour.card, colour.attention, shade(weight));
      g.fillRect(x, y, box.wide - gap + (gap ? 0 : 0.5), box.row - gap);
    }
  }

  /** Theory: what the window allows, as an ink staircase. */
  drawWindow(g) {
    const { box, player } = this;
    g.strokeStyle = player.colour.ink;
    g.lineWidth = 1.5;
    for (const edge of [(query) => query - box.window + 1, (query) => query + 1]) {
      g.beginPath();
      for (let row = 0; row < box.rows; row++) {
        const x = box.left + clamp(edge(box.first + row) - box.from, 0, box.columns) * box.wide;
        const y = box.top + row * box.row;
        if (row) g.lineTo(x, y);
        else g.moveTo(x, y);
        g.lineTo(x, y + box.row);
      }
      g.stroke();
    }
    const { unit, colour } = player;
    g.font = labelFont(unit, colour.sans, 600);
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
      const text = `masked: older than ${grouped(box.window)}`;
      const row = box.rows - 4; // above the last rows, where the query often stands
      const room = (box.first + row - box.window + 1 - box.from) * box.wide;
      if (room > g.measureText(text).width + 24) label(text, box.left + 8, box.top + (row + 0.5) * box.row, "left");
    }
  }

  drawNames(g) {
    const { box, player } = this;
    const { run, colour, unit, shape } = player;
    const query = player.query();
    g.textBaseline = "middle";
    g.textAlign = "right";
    for (let row = 0; row < box.rows; row++) {
      const position = box.first + row;
      const here = position === query;
      g.font = labelFont(unit, colour.serif, here ? 700 : 400);
      g.fillStyle = here ? colour.query : colour.ink;
      g.fillText(
        fit(run.labels[position], box.left - 2.6 * unit, g.font),
        box.left - 2.3 * unit,
        box.top + (row + 0.5) * box.row,
      );
      g.font = labelFont(unit, colour.sans, here ? 700 : 400);
      if (!here) g.fillStyle = colour.soft;
      g.fillText(position, box.left - 0.35 * unit, box.top + (row + 0.5) * box.row);
    }
    g.font = labelFont(unit, colour.sans, 600);
    g.fillStyle = colour.soft;
    g.textBaseline = "top";
    g.textAlign = "left";
    g.fillText("from (query)", 0, shape === "band" ? 1.25 * unit : box.top - 1.1 * unit);
    g.fillText(shape === "band" ? "looks at (key), tokens back" : "looks at (key)", box.left, 0);
    if (shape === "band") this.drawOffsets(g);
    else this.drawKeys(g);
  }

  drawOffsets(g) {
    const { box, player } = this;
    const { colour, unit } = player;
    g.font = labelFont(unit, colour.sans);
    g.textAlign = "center";
    let free = 0;
    for (let column = 0; column < box.columns; column++) {
      const x = box.left + (column + 0.5) * box.wide;
      if (x < free) continue;
      g.fillText(grouped(Math.floor(column * box.per)), x, 1.3 * unit);
      free = x + (box.wide > 1.4 * unit ? 0 : 2.4 * unit);
    }
  }

  drawKeys(g) {
    const { box, player } = this;
    const { run, colour, unit } = player;
    const every = Math.ceil((0.95 * unit) / box.wide);
    g.textAlign = "left";
    g.textBaseline = "middle";
    for (let column = 0; column < box.columns; column++) {
      const position = box.from + column;
      const chosen = position === player.aimed?.key;
      if (position % every && !chosen) continue;
      g.save();
      g.translate(box.left + (column + 0.5) * box.wide, box.top - 3);
      g.rotate(-Math.PI / 2);
      g.font = labelFont(unit, colour.serif, chosen ? 700 : 400);
      g.fillStyle = chosen ? colour.ink : colour.soft;
      g.fillText(fit(run.labels[position], box.top - 1.5 * unit, g.font), 0, 0);
      g.restore();
    }
  }

  drawMarks(g) {
    const { box, player } = this;
    const { colour, aimed } = player;
    const query = player.query();
    if (query >= box.first && query < box.first + box.rows) {
      g.strokeStyle = colour.query;
      g.lineWidth = 2;
      g.strokeRect(box.left - 1, box.top + (query - box.first) * box.row - 1, box.right - box.left + 2, box.row + 1);
    }
    const place = aimed && this.place(aimed.query, aimed.key);
    if (!place) return;
    g.strokeStyle = colour.ink;
    g.lineWidth = 2;
    g.strokeRect(place.x - 1, place.y - 1, Math.max(box.wide, 4) + 1, box.row + 1);
  }

  place(query, key) {
    const { box, player } = this;
    if (query < box.first || query >= box.first + box.rows) return null;
    const column = player.shape === "band" ? Math.floor((query - key) / box.per) : key - box.from;
    if (column < 0 || column >= box.columns) return null;
    return { x: box.left + column * box.wide, y: box.top + (query - box.first) * box.row };
  }

  at(event) {
    const { box } = this;
    const place = this.canvas.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    if (!box || x < box.left || x >= box.right || y < box.top || y >= box.bottom) return null;
    const query = clamp(box.first + Math.floor((y - box.top) / box.row), box.first, box.first + box.rows - 1);
    return { query, key: this.keyOf(query, Math.floor((x - box.left) / box.wide)) };
  }

  hover(event) {
    const { player } = this;
    const cell = this.at(event);
    if (!cell) return player.aim(null);
    player.aim(cell, { x: event.clientX, y: event.clientY, title: this.title(cell), lines: this.lines(cell) });
  }

  title({ query, key }) {
    const { run } = this.player;
    return key < 0
      ? `${quoted(run.labels[query])} (${query})`
      : `${quoted(run.labels[query])} (${query}) → ${quoted(run.labels[key])} (${key})`;
  }

  /** Everything known of one cell, in sentences. */
  lines({ query, key }) {
    const { player } = this;
    const { run } = player;
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
    if (offset >= player.width()) {
      return [
        ...lines,
        `masked: older than ${player.picture === "rollout" ? "the exact reach" : `the window of ${grouped(player.width())}`}, weight 0`,
      ];
    }
    return [...lines, `weight ${player.share(query, offset)} (${player.what()})`, ...this.score(query, offset)];
  }

  /** The score before the softmax if the run has it; else what the weights alone say of it. */
  score(query, offset) {
    const { player } = this;
    if (player.picture !== "head" || player.hides()) return [];
    if (player.head < 0) return ["a mean of heads has no score of its own"];
    const raw = player.rawScore(query, offset);
    if (Number.isFinite(raw)) return [`score ${raw.toFixed(2)} before the softmax`];
    const weight = player.value(query, offset);
    let most = 0;
    for (let o = 0; o < player.width() && o <= query; o++) most = Math.max(most, player.value(query, o));
    if (!weight) return ["score not recorded; the weight is too small to tell it from 0"];
    const below = Math.log(most / weight);
    return [
      `score not recorded; ${below < 0.005 ? "the highest of this row" : `${below.toFixed(2)} below the highest of this row`} (derived: log of the ratio of weights)`,
    ];
  }

  describe() {
    const { player, box } = this;
    const { run } = player;
    const query = player.query();
    const found = player.strongest(query, 3).map(([weight, key]) => `${run.labels[key]} ${percent(weight)}`);
    this.canvas.setAttribute(
      "aria-label",
      `${player.what()}, queries ${box.first} to ${box.first + box.rows - 1}. ` +
        `From ${run.labels[query]}, position ${query}, most looked at: ${found.join(", ")}.`,
    );
  }
}
