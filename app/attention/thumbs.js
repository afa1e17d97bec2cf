// Layers x heads: each head's attention over the whole run as a picture of its own, drawn pixel by pixel.

import { onCells } from "../kit/cells.js";
import { clamp, plural } from "../kit/format.js";
import { penOf } from "../kit/dom.js";
import { fit, labelFont } from "../kit/measure.js";
import { rgb, shade } from "../kit/colour.js";

/** @import AttentionPage from "./page.js" */
/** @typedef {ReturnType<ThumbPanel["layout"]>} Box  where the heads lie, css pixels */

/** Queries that a head's picture has: each a line of its own, where all of a long text would be texture. */
const ROWS = 40;
const STRIDE = 10;

export class ThumbPanel {
  /** @param {AttentionPage} player */
  constructor(player) {
    this.player = player;
    this.canvas = player.part("thumbs", HTMLCanvasElement);
    /** @type {Box | null} */
    this.box = null;
    /** What the picture shows, of how many tokens, and since when (ms). */
    this.look = "";
    this.drawn = 0;
    this.since = 0;
    this.image = document.createElement("canvas");
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => player.tip(null),
      go: ({ layer, head }) => player.pick(layer, head),
    });
  }

  heads() {
    const { run } = this.player;
    return run.pattern ? run.heads : 0;
  }

  /** The queries that are drawn: those around the chosen one, the first of them, and one past the last. */
  queries() {
    const { run, values } = this.player;
    const first = Math.floor((values.query() - ROWS / 2) / STRIDE) * STRIDE;
    const from = clamp(first, 0, Math.max(0, run.count - ROWS));
    return { from, to: Math.min(run.count, from + ROWS) };
  }

  /** @param {number} width @param {number} height */
  layout(width, height) {
    const { run, unit } = this.player;
    const heads = this.heads();
    const per = heads > 1 ? run.meta.model.n_heads / run.meta.model.n_kv_heads : 1;
    const groups = Math.ceil(heads / per);
    const left = 2 * unit;
    const top = 2.3 * unit;
    const bottom = 1.4 * unit;
    const gap = heads > 12 || run.layers > 12 ? 2 : 5;
    const apart = groups > 1 ? Math.min(10, 60 / groups) : 0;
    const wide = (width - left - 4 - apart * (groups - 1) - gap * heads) / Math.max(heads, 1);
    const high = (height - top - bottom - 3 - (gap + 3) * run.layers) / run.layers;
    /** @param {number} head */
    const x = (head) => left + 3 + head * (wide + gap) + Math.floor(head / per) * apart;
    /** @param {number} layer */
    const y = (layer) => top + 2 + (run.layers - 1 - layer) * (high + gap + 3);
    return {
      left,
      top,
      bottom,
      gap,
      wide,
      high,
      per,
      heads,
      groups,
      apart,
      x,
      y,
    };
  }

  draw() {
    const { player } = this;
    const pen = player.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    g.clearRect(0, 0, width, height);
    if (!this.heads()) return;
    const box = this.layout(width, height);
    this.box = box;
    this.render(box, this.canvas.width, this.canvas.height);
    g.save();
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.drawImage(this.image, 0, 0);
    g.restore();
    this.drawFrames(g, box);
    this.drawQuery(g, box);
    this.describe();
  }

  /** The pixels of all heads: made anew only when what they show has changed; at most four times a second.
   * @param {Box} box @param {number} width @param {number} height of the canvas, its own pixels */
  render(box, width, height) {
    const { player } = this;
    const { run } = player;
    const { theme } = player.root.dataset;
    const { from, to } = this.queries();
    const look = [run.id, player.shape, player.values.hides() ? 1 : 0, theme, width, height, from].join();
    const same = look === this.look;
    if (same && to === this.drawn) return;
    const now = performance.now();
    if (same && run.meta.status === "running" && now - this.since < 250) return;
    Object.assign(this, { look, drawn: to, since: now });
    this.image.width = width;
    this.image.height = height;
    const ratio = devicePixelRatio || 1;
    const g = penOf(this.image);
    const w = Math.max(1, Math.round(box.wide * ratio));
    const h = Math.max(1, Math.round(box.high * ratio));
    for (let layer = 0; layer < run.layers; layer++) {
      const seen = this.seen(layer); // the same for all heads
      for (let head = 0; head < box.heads; head++) {
        g.putImageData(
          this.paint(this.cells(layer, head, w, h, seen), w, h),
          Math.round(box.x(head) * ratio),
          Math.round(box.y(layer) * ratio),
        );
      }
    }
  }

  /** Keys of a query, itself included, that a layer's heads are drawn with.
   * @param {number} layer */
  width(layer) {
    const { run } = this.player;
    return Math.min(run.windows[layer], run.width, run.count);
  }

  /** How far back the keys are that each query of the pictures sees in a layer.
   * @param {number} layer */
  seen(layer) {
    const { run } = this.player;
    const { from, to } = this.queries();
    return Array.from({ length: to - from }, (_, i) => run.offsets(from + i, this.width(layer)));
  }

  /** Rows = query, columns = offset (band) or key (triangle); a pixel holds the largest weight of its bin, -1 = masked.
   * @param {number} layer @param {number} head @param {number} w @param {number} h pixels
   * @param {number[][]} seen  offsets, by query */
  cells(layer, head, w, h, seen) {
    const { run, shape, values } = this.player;
    const { from, to } = this.queries();
    const n = to - from;
    const width = this.width(layer);
    const band = shape === "band";
    const firstKey = Math.max(0, from - width + 1);
    const kept = Math.min(run.sinks, band ? Math.max(0, to - width) : firstKey); // columns of their own, at the edge
    const columns = kept + (band ? width : to - firstKey);
    const cells = new Float32Array(w * h).fill(-1);
    for (let query = from; query < to; query++) {
      const top = Math.floor(((query - from) * h) / n);
      const bottom = Math.max(top + 1, Math.floor(((query - from + 1) * h) / n));
      for (const offset of seen[query - from]) {
        const weight = values.weight(query, layer, head, offset);
        const key = query - offset;
        const column = band ? (offset < width ? offset : width + key) : key < firstKey ? key : kept + key - firstKey;
        const left = Math.floor((column * w) / columns);
        const right = Math.max(left + 1, Math.floor(((column + 1) * w) / columns));
        for (let y = top; y < bottom; y++)
          for (let x = left; x < right; x++) if (weight > cells[y * w + x]) cells[y * w + x] = weight;
      }
    }
    return cells;
  }

  /** @param {Float32Array} cells @param {number} w @param {number} h */
  paint(cells, w, h) {
    const { colour } = this.player;
    const low = rgb(colour.card);
    const high = rgb(colour.attention);
    const masked = rgb(colour.hatch);
    const image = new ImageData(w, h);
    for (let i = 0; i < cells.length; i++) {
      const share = shade(cells[i]);
      for (let c = 0; c < 3; c++)
        image.data[i * 4 + c] = cells[i] < 0 ? masked[c] : low[c] + (high[c] - low[c]) * share;
      image.data[i * 4 + 3] = 255;
    }
    return image;
  }

  /** Heads that share a key/value head stand in one frame, in its colour and under its name.
   * @param {CanvasRenderingContext2D} g @param {Box} box */
  drawFrames(g, box) {
    const { player } = this;
    const { run, colour, unit } = player;
    g.textBaseline = "alphabetic";
    for (let group = 0; group < box.groups && box.heads > 1; group++) {
      const from = group * box.per;
      const x = box.x(from) - 3;
      const wide = box.x(from + box.per - 1) + box.wide + 3 - x;
      g.strokeStyle = colour.groups[group % colour.groups.length];
      g.lineWidth = 2;
      for (let layer = 0; layer < run.layers; layer++) g.strokeRect(x, box.y(layer) - 3, wide, box.high + 6);
      g.font = labelFont(unit, colour.sans, 600);
      g.textAlign = "left";
      g.fillStyle = g.strokeStyle;
      g.fillRect(x, 0.12 * unit, 0.7 * unit, 0.7 * unit);
      g.fillStyle = colour.ink;
      g.fillText(
        fit(wide > 7 * unit ? `K/V head ${group + 1}` : `${group + 1}`, wide - unit, g.font),
        x + unit,
        0.78 * unit,
      );
    }
    g.font = labelFont(unit, colour.sans);
    g.textAlign = "center";
    const every = box.wide < 1.3 * unit ? 4 : 1;
    for (let head = 0; head < box.heads; head += every) {
      g.fillStyle = head === player.head ? colour.ink : colour.soft;
      g.fillText(box.heads > 1 ? String(head + 1) : "mean of the heads", box.x(head) + box.wide / 2, 1.85 * unit);
    }
    g.textAlign = "left";
    g.textBaseline = "middle";
    for (let layer = 0; layer < run.layers; layer += box.high < 0.8 * unit ? 4 : 1) {
      g.fillStyle = layer === player.layer ? colour.ink : colour.soft;
      g.font = labelFont(unit, colour.sans, layer === player.layer ? 700 : 400);
      g.fillText(`L${layer + 1}`, 0, box.y(layer) + box.high / 2);
    }
  }

  /** The query as a line through every head, and the chosen head in ink.
   * @param {CanvasRenderingContext2D} g @param {Box} box */
  drawQuery(g, box) {
    const { player } = this;
    const { run, colour, unit } = player;
    const { from, to } = this.queries();
    const place = (player.values.query() - from + 0.5) / (to - from);
    g.fillStyle = colour.query;
    for (let layer = 0; layer < run.layers; layer++) {
      const y = box.y(layer) + place * box.high;
      for (let head = 0; head < box.heads; head++) g.fillRect(box.x(head) - 2, y - 0.5, 3, 1.5);
    }
    g.strokeStyle = colour.ink;
    g.lineWidth = 2.5;
    const chosen =
      player.head < 0 ? Array.from({ length: box.heads }, (_, i) => i) : [Math.min(player.head, box.heads - 1)];
    for (const head of chosen) g.strokeRect(box.x(head) - 1, box.y(player.layer) - 1, box.wide + 2, box.high + 2);
    g.fillStyle = colour.soft;
    g.font = labelFont(unit, colour.sans);
    g.textAlign = "left";
    g.textBaseline = "bottom";
    const height = box.y(0) + box.high + box.bottom + 2;
    const across = player.shape === "band" ? "tokens back, 0 at the left" : "position of the key";
    const room = player.size(this.canvas).width - box.left;
    const whole = `down: from (query) ${from} to ${to - 1} · across: ${across}`;
    const short = `down: query ${from} to ${to - 1} · across: ${player.shape === "band" ? "tokens back" : "key"}`;
    g.fillText(g.measureText(whole).width <= room ? whole : fit(short, room, g.font), box.left, height);
  }

  /** @param {MouseEvent} event */
  at(event) {
    const { box } = this;
    if (!box || !this.heads()) return null;
    const place = this.canvas.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    for (let layer = 0; layer < this.player.run.layers; layer++) {
      if (y < box.y(layer) - 3 || y > box.y(layer) + box.high + 3) continue;
      if (x < box.left) return { layer, head: -1 };
      for (let head = 0; head < box.heads; head++) {
        if (x >= box.x(head) - 3 && x <= box.x(head) + box.wide + 3) return { layer, head: box.heads > 1 ? head : -1 };
      }
    }
    return null;
  }

  /** @param {MouseEvent} event */
  hover(event) {
    const { player } = this;
    const at = this.at(event);
    if (!at) return player.tip(null);
    const lines = at.head < 0 ? ["mean of its heads"] : player.table.lines(at.layer, at.head);
    player.tip({
      x: event.clientX,
      y: event.clientY,
      title: at.head < 0 ? `layer ${at.layer + 1}` : `layer ${at.layer + 1}, head ${at.head + 1}`,
      lines,
    });
  }

  describe() {
    const { run, shape, layer } = this.player;
    const { from, to } = this.queries();
    const { n_layers: layers, n_heads: heads, n_kv_heads: shared } = run.meta.model;
    const size = `${plural(layers, "layer")} with ${plural(heads, "head")} each`;
    this.canvas.setAttribute(
      "aria-label",
      `Attention of ${size}, from ${plural(to - from, "token")} around the chosen one, as ` +
        `${shape === "band" ? "bands by tokens back" : "triangles"}; ${heads / shared} heads share a key/value head. ` +
        `Chosen: layer ${layer + 1}, ${this.player.headName()}.`,
    );
  }
}
