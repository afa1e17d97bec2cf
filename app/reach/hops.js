// Many layers or large windows: the x axis counts hops, so that the staircase is L x L whatever the window is.
// A cell shows the largest value of its bin; a click on it goes to the tokens.

import { labelFont } from "../kit/measure.js";
import { blend } from "../kit/colour.js";
import { clamp, grouped, plural } from "../kit/format.js";
import { greenShare, tiny } from "./grid.js";

export class HopAxis {
  constructor(page) {
    this.page = page;
    this.bins = null;
  }

  /** How far k hops carry something in this reading, from the chosen word or back from the prediction. */
  reach(hops) {
    const { meta } = this.page.run;
    return this.page.choice.reading === "backward"
      ? meta.backward_edges[this.page.run.layers - hops]
      : meta.forward_edges[hops];
  }

  get back() {
    return this.page.choice.reading === "backward";
  }
  get origin() {
    return this.back ? this.page.choice.target : this.page.choice.source;
  }
  get columns() {
    return this.page.run.layers + 2;
  } // 0 hops, 1 ... L, and what no hop reaches

  /** Hops of a position; L + 1 = out of reach, -1 = on the other side of the origin. */
  hops(position) {
    const distance = this.back ? this.origin - position : position - this.origin;
    if (distance < 0) return -1;
    let k = 0;
    while (k <= this.page.run.layers && this.reach(k) < distance) k++;
    return k;
  }

  /** First and last distance of so many hops. */
  distances(hops) {
    const { layers } = this.page.run;
    return [hops ? this.reach(hops - 1) + 1 : 0, hops > layers ? Infinity : this.reach(hops)];
  }

  /** First and last position of so many hops that the text has; null = it has none. */
  positions(hops) {
    const [near, far] = this.distances(hops);
    const [from, to] = this.back ? [this.origin - far, this.origin - near] : [this.origin + near, this.origin + far];
    const ends = [Math.max(0, from), Math.min(this.page.run.count - 1, to)];
    return ends[0] <= ends[1] ? ends : null;
  }

  column(hops) {
    return this.back ? this.columns - 1 - hops : hops;
  }

  layout(left, right, top, bottom, narrow) {
    const { run } = this.page;
    const rows = run.layers + 1;
    const wide = (right - left) / this.columns;
    return {
      left,
      right,
      top,
      bottom,
      rows,
      narrow,
      wide,
      columns: this.columns,
      row: (bottom - top) / rows,
      hops: this,
      first: this.back ? 0 : this.origin,
      last: this.back ? this.origin : run.count - 1,
      x: (position) => left + this.column(this.hops(position)) * wide,
      y: (row) => bottom - (row + 1) * ((bottom - top) / rows),
    };
  }

  /** Theory alone, whether the text has such tokens or not. */
  inside(row, hops) {
    const { choice, run } = this.page;
    if (hops > run.layers) return false;
    const [near] = this.distances(hops);
    if (choice.reading === "backward") return hops <= run.layers - row;
    const from = Math.max(
      choice.source,
      choice.reading === "corridor" ? choice.target - run.meta.backward_edges[row] : choice.source,
    );
    return (
      hops <= row &&
      (choice.reading === "forward" ||
        (choice.source + near <= choice.target && choice.source + this.distances(hops)[1] >= from))
    );
  }

  /** Where the largest value of each bin lies; found once for an answer. */
  peak(row, hops) {
    const { page } = this;
    const key = `${JSON.stringify(page.choice)} ${page.fresh} ${page.run.count}`;
    if (this.key !== key || this.held !== page.arrays) Object.assign(this, { key, held: page.arrays, bins: new Map() });
    const name = `${row} ${hops}`;
    if (!this.bins.has(name)) this.bins.set(name, this.search(row, this.positions(hops)));
    return this.bins.get(name);
  }

  search(row, ends) {
    if (!ends) return null;
    const { page } = this;
    let best = { position: ends[0], value: row === null ? page.below(ends[0]) : page.value(row, ends[0]) };
    for (let position = ends[0] + 1; position <= ends[1]; position++) {
      const value = row === null ? page.below(position) : page.value(row, position);
      if (Math.abs(value) > Math.abs(best.value) || !Number.isFinite(best.value)) best = { position, value };
    }
    return best;
  }

  drawCells(g, box, row, y, high) {
    const { colour } = this.page;
    for (let hops = 0; hops < this.columns; hops++) {
      const ends = this.positions(hops);
      const value = this.peak(row, hops)?.value ?? NaN;
      if (Math.abs(value) > 0) g.fillStyle = blend(colour.card, colour.influence, greenShare(value));
      else if (this.inside(row, hops)) g.fillStyle = ends ? colour.cell : colour.card;
      else continue;
      g.fillRect(box.left + this.column(hops) * box.wide, y, box.wide - 0.75, high);
    }
  }

  drawStaircase(g, box) {
    const { colour, unit } = this.page;
    g.strokeStyle = colour.ink;
    g.lineWidth = Math.max(1.5, 0.13 * unit);
    g.beginPath();
    const ink = (row, hops) => hops >= 0 && hops < this.columns && row >= 0 && row < box.rows && this.inside(row, hops);
    for (let row = 0; row < box.rows; row++) {
      for (let hops = 0; hops < this.columns; hops++) {
        if (!this.inside(row, hops)) continue;
        const x = box.left + this.column(hops) * box.wide;
        const step = this.back ? -1 : 1;
        const [low, high] = [row ? box.y(row - 1) : box.bottom, box.y(row)];
        if (!ink(row, hops - step)) {
          g.moveTo(x, low - 1);
          g.lineTo(x, high - 1);
        }
        if (!ink(row, hops + step)) {
          g.moveTo(x + box.wide, low - 1);
          g.lineTo(x + box.wide, high - 1);
        }
        if (!ink(row - 1, hops)) {
          g.moveTo(x, low - 1);
          g.lineTo(x + box.wide, low - 1);
        }
        if (!ink(row + 1, hops)) {
          g.moveTo(x, high - 1);
          g.lineTo(x + box.wide, high - 1);
        }
      }
    }
    g.stroke();
  }

  drawAxis(g, box, y) {
    const { colour, unit, run } = this.page;
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textAlign = "center";
    const every = [1, 2, 4, 8, 16, 32].find((size) => size * box.wide > 2.2 * unit) ?? 64;
    for (let hops = 0; hops <= run.layers; hops += every)
      g.fillText(hops, box.left + (this.column(hops) + 0.5) * box.wide, y);
    g.textAlign = this.back ? "left" : "right";
    const label = this.back ? "← hops back" : "hops on →";
    const room = (run.layers % every) * box.wide + box.wide;
    if (room > 5.5 * unit || box.narrow === false)
      g.fillText(label, this.back ? box.left : box.right, y + (room > 5.5 * unit ? 0 : 0.95 * unit));
  }

  drawBars(g, box, floor, tall) {
    g.fillStyle = this.page.colour.influence;
    for (let hops = 0; hops < this.columns; hops++) {
      const high = tall(Math.abs(this.peak(null, hops)?.value ?? 0));
      if (high) g.fillRect(box.left + this.column(hops) * box.wide, floor - high, Math.max(1, box.wide - 1), high);
    }
  }

  /** The bin under a point of the canvas. */
  at(box, x, row) {
    const column = clamp(Math.floor((x - box.left) / box.wide), 0, this.columns - 1);
    const hops = this.back ? this.columns - 1 - column : column;
    const peak = this.peak(row, hops);
    return { row, hops, position: peak?.position ?? null };
  }

  told({ row, hops }) {
    const { run } = this.page;
    const [near, far] = this.distances(hops);
    const side = this.back ? "back" : "on";
    const range =
      hops > run.layers
        ? `more than ${grouped(run.reach)}`
        : near === far
          ? grouped(near)
          : `${grouped(near)} to ${grouped(far)}`;
    const where = row === null ? "predictions" : row ? `after layer ${row}` : "embedding";
    const title = hops > run.layers ? `${where}, out of reach` : `${where}, ${plural(hops, "hop")} ${side}`;
    const peak = this.peak(row, hops);
    const lines = [`${range} tokens ${side}`];
    if (!peak) lines.push("the text does not go that far");
    else if (Number.isFinite(peak.value))
      lines.push(`largest of this bin: ${tiny(peak.value)}, at position ${peak.position}`);
    if (row !== null && !this.inside(row, hops)) lines.push("theory: beyond the edge, nothing can arrive");
    if (peak && row !== null) lines.push("click: the tokens there");
    return { title, lines };
  }
}
