// The rings of all layers at once: a row for each layer, a cell for each slot, blue = attention weight in this step.
// Where slots are thinner than a pixel, a pixel shows the largest weight of its bin.

import { onCells } from "../kit/cells.js";
import { blend, inkOn, shade } from "../kit/colour.js";
import { clamp, percent } from "../kit/format.js";
import { fitSmaller, labelFont } from "../kit/measure.js";

/** @import RingPage from "./page.js" */
/** @typedef {ReturnType<AllRings["layout"]>} Box  where the rows and cells lie, css pixels */

const CELL_TEXT = 64;
const APART = 5;

export class AllRings {
  /** @param {RingPage} player */
  constructor(player) {
    this.player = player;
    this.canvas = player.part("all", HTMLCanvasElement);
    /** @type {Box | null} */
    this.box = null;
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => player.point(null),
      go: ({ layer, slot }) => player.pickLayer(layer, slot),
    });
  }

  /** Slots of a row; without a window every position has its own.
   * @param {number} layer */
  slots(layer) {
    const { run, t } = this.player;
    return Number.isFinite(run.windows[layer]) ? run.slotsOf(layer) : Math.max(16, t + 1);
  }

  /** Slots of the longest ring; 0 = there is none. */
  widest() {
    const { run } = this.player;
    return Math.max(0, ...run.windows.map((_, layer) => run.slotsOf(layer)).filter(Number.isFinite));
  }

  /** Slot that this step wrote.
   * @param {number} layer */
  pointer(layer) {
    const { run, t } = this.player;
    return run.slot(t, this.slots(layer));
  }

  /** @param {number} width @param {number} height */
  layout(width, height) {
    const { player } = this;
    const { run, unit } = player;
    const words = run.oneWindow && run.slotsOf(0) <= CELL_TEXT;
    const left = (width < 26 * unit ? 2 : 4.2) * unit;
    const top = words ? 2.3 * unit : 0.4 * unit;
    const bottom = height - 1.5 * unit;
    const widest = Math.max(...run.windows.map((_, layer) => this.slots(layer)));
    const shared = this.widest() || 1;
    const right = width - 2;
    /** @param {number} layer */
    const pitch = (layer) => (right - left) / (Number.isFinite(run.windows[layer]) ? shared : widest);
    const row = (bottom - top) / run.layers;
    /** @param {number} layer */
    const y = (layer) => bottom - (layer + 1) * row;
    return {
      left,
      right,
      top,
      bottom,
      row,
      pitch,
      words,
      narrow: width < 26 * unit,
      y,
    };
  }

  draw() {
    const pen = this.player.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    const { run } = this.player;
    const box = this.layout(width, height);
    this.box = box;
    g.clearRect(0, 0, width, height);
    for (let layer = 0; layer < run.layers; layer++) this.drawRow(g, box, layer);
    if (box.words) this.drawWords(g, box);
    this.drawAxis(g, box);
    this.describe();
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box @param {number} layer */
  drawRow(g, box, layer) {
    const { player } = this;
    const { t, colour, unit } = player;
    const pointer = this.pointer(layer);
    const pitch = box.pitch(layer);
    const y = box.y(layer);
    const high = Math.max(1, box.row - Math.min(0.25 * unit, box.row * 0.2));
    const chosen = layer === player.layer;
    g.font = labelFont(unit, colour.sans, chosen ? 600 : 400);
    g.textAlign = "right";
    g.textBaseline = "middle";
    g.fillStyle = chosen ? colour.ink : colour.soft;
    if (box.row > 0.85 * unit || layer % 4 === 3)
      g.fillText(box.narrow ? `L${layer + 1}` : `layer ${layer + 1}`, box.left - 0.5 * unit, y + high / 2);
    if (pitch > APART) this.drawCells(g, box, layer, y, high);
    else this.drawThin(g, box, layer, y, high);
    if (pitch > (0.56 * String(t).length + 0.2) * unit && box.row > 0.95 * unit)
      this.drawPositions(g, box, layer, y, high);
    this.frame(g, box, layer, pointer, colour.query, 2.5);
    if (chosen && player.slot() !== pointer) this.frame(g, box, layer, player.slot(), colour.ink, 2.5);
    else if (chosen) this.frame(g, box, layer, pointer, colour.ink, 1.25, 2);
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box
   * @param {number} layer @param {number} y @param {number} high */
  drawCells(g, box, layer, y, high) {
    const { run, t, colour, head } = this.player;
    const slots = this.slots(layer);
    const pitch = box.pitch(layer);
    const wide = pitch - 2;
    Object.assign(g, { strokeStyle: colour.line, lineWidth: 1 });
    for (let slot = 0; slot < slots; slot++) {
      const position = run.held(slot, t, slots);
      const at = box.left + slot * pitch;
      g.fillStyle =
        position < 0 ? colour.hatching : this.blue(run.pattern ? run.weight(t, layer, head, t - position) : 0);
      g.fillRect(at, y, wide, high);
      if (position >= 0) g.strokeRect(at + 0.5, y + 0.5, wide - 1, high - 1);
    }
  }

  /** Slots without room for a gap: the empty ones are one stretch, and equal neighbours are filled together.
   * @param {CanvasRenderingContext2D} g @param {Box} box
   * @param {number} layer @param {number} y @param {number} high */
  drawThin(g, box, layer, y, high) {
    const { run, t, colour, head } = this.player;
    const slots = this.slots(layer);
    const pitch = box.pitch(layer);
    const each = Math.max(1, pitch);
    const bins = new Float32Array(Math.ceil((slots * pitch) / each)).fill(-1);
    for (const offset of run.offsets(t, run.windows[layer])) {
      const slot = run.slot(t - offset, slots);
      const bin = Math.min(Math.floor((slot * pitch) / each + 1e-6), bins.length - 1);
      bins[bin] = Math.max(bins[bin], run.pattern ? run.weight(t, layer, head, offset) : 0);
    }
    for (let from = 0, to = 0; from < bins.length; from = to) {
      const kind = this.level(bins[from]);
      for (to = from + 1; to < bins.length && this.level(bins[to]) === kind; ) to++;
      g.fillStyle = kind < 0 ? colour.hatching : this.blue(bins[from]);
      g.fillRect(box.left + from * each, y, (to - from) * each, high);
    }
  }

  /** @param {number} weight */
  level(weight) {
    return weight < 0 ? -1 : Math.round(shade(weight) * 255) || 0;
  }

  /** @param {number} weight */
  blue(weight) {
    return blend(this.player.colour.card, this.player.colour.attention, shade(weight));
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box
   * @param {number} layer @param {number} y @param {number} high */
  drawPositions(g, box, layer, y, high) {
    const { run, t, colour, unit, head } = this.player;
    const slots = this.slots(layer);
    g.font = labelFont(unit, colour.sans);
    g.textAlign = "center";
    for (let slot = 0; slot < slots; slot++) {
      const position = run.held(slot, t, slots);
      if (position < 0) continue;
      const weight = run.pattern ? run.weight(t, layer, head, t - position) : 0;
      g.fillStyle = inkOn(blend(colour.card, colour.attention, shade(weight)));
      g.fillText(String(position), box.left + (slot + 0.5) * box.pitch(layer) - 1, y + high / 2 + 0.5);
    }
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box @param {number} layer
   * @param {number} slot @param {string} colour @param {number} line */
  frame(g, box, layer, slot, colour, line, inset = 0) {
    const pitch = box.pitch(layer);
    const high = box.row - Math.min(0.25 * this.player.unit, box.row * 0.2);
    const wide = Math.max(pitch - (pitch > 5 ? 2 : 0), 3);
    g.strokeStyle = colour;
    g.lineWidth = line;
    g.strokeRect(
      box.left + slot * pitch + 1 + inset,
      box.y(layer) + 1 + inset,
      Math.max(1, wide - 2 - 2 * inset),
      Math.max(1, high - 2 - 2 * inset),
    );
  }

  /** Over the columns: the word at which each slot was made; the same for all layers of one window.
   * @param {CanvasRenderingContext2D} g @param {Box} box */
  drawWords(g, box) {
    const { run, t, colour, unit } = this.player;
    const pitch = box.pitch(0);
    g.textAlign = "center";
    g.textBaseline = "middle";
    for (let slot = 0; slot < run.slotsOf(0); slot++) {
      const position = run.held(slot, t, run.slotsOf(0));
      if (position < 0) continue;
      const now = position === t;
      const x = box.left + (slot + 0.5) * pitch - 1;
      g.fillStyle = now ? colour.query : colour.ink;
      if (pitch > 2.3 * unit) {
        /** @param {number} size */
        const font = (size) => `${now ? "700 " : ""}${size}px ${colour.serif}`;
        const [word, size] = fitSmaller(run.labels[position], pitch, [0.93 * unit, Math.max(12, 0.86 * unit)], font);
        g.font = font(size);
        g.fillText(word, x, 0.7 * unit);
      }
      if (pitch > 0.56 * String(t).length * unit || now) {
        g.font = labelFont(unit, colour.sans, now ? 700 : 400);
        g.fillStyle = now ? colour.query : colour.soft;
        g.fillText(String(position), x, 1.65 * unit);
      }
    }
  }

  /** @param {CanvasRenderingContext2D} g @param {Box} box */
  drawAxis(g, box) {
    const { run, colour, unit } = this.player;
    const slots = this.widest();
    g.font = labelFont(unit, colour.sans);
    g.textBaseline = "top";
    g.textAlign = "right";
    g.fillStyle = colour.soft;
    g.fillText("slot", box.left - 0.5 * unit, box.bottom + 0.25 * unit);
    if (!slots) return;
    const pitch = (box.right - box.left) / slots;
    const step = [1, 2, 4, 8, 16, 64, 256, 1024].find((size) => size * pitch > 1.5 * unit) ?? 4096;
    g.textAlign = "center";
    const pointer = run.oneWindow ? this.pointer(0) : -1;
    for (let slot = 0; slot < slots; slot++) {
      if (slot !== pointer && (slot % step || (pointer >= 0 && Math.abs(slot - pointer) * pitch < 1.3 * unit)))
        continue;
      g.fillStyle = slot === pointer ? colour.query : colour.soft;
      g.font = labelFont(unit, colour.sans, slot === pointer ? 700 : 400);
      g.fillText(String(slot), box.left + (slot + 0.5) * pitch - 1, box.bottom + 0.25 * unit);
    }
  }

  /** @param {MouseEvent} event */
  at(event) {
    const { box, player } = this;
    const place = this.canvas.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    if (!box || !player.run || y < box.top || y > box.bottom || x < box.left) return null;
    const layer = clamp(Math.floor((box.bottom - y) / box.row), 0, player.run.layers - 1);
    const slot = Math.floor((x - box.left) / box.pitch(layer));
    return slot < this.slots(layer) ? { layer, slot } : null;
  }

  /** @param {MouseEvent} event */
  hover(event) {
    const { player } = this;
    const cell = this.at(event);
    const { run, t, head } = player;
    const position = cell ? run.held(cell.slot, t, this.slots(cell.layer)) : -1;
    if (!cell || position < 0) return player.point(null);
    const window = run.windows[cell.layer];
    const lines = [`K, V made at position ${position}, ${t - position} back`];
    if (run.pattern)
      lines.push(`read with weight ${percent(run.weight(t, cell.layer, head, t - position))} (${player.headName()})`);
    const end = run.leaves(position, window);
    if (Number.isFinite(window)) lines.push(Number.isFinite(end) ? `overwritten by position ${end}` : "kept for ever");
    return player.point(position, null, {
      x: event.clientX,
      y: event.clientY,
      title: `layer ${cell.layer + 1}, slot ${cell.slot}`,
      lines,
    });
  }

  describe() {
    const { run, t, layer } = this.player;
    const gone = run.overwrites(t, layer);
    const lost = gone >= 0 ? `; it overwrote what ${run.labels[gone]}, position ${gone}, had left` : "";
    const slot = this.pointer(layer);
    this.canvas.setAttribute(
      "aria-label",
      `Rings of ${run.layers} layers at step ${t}: a row for each layer, a cell for each slot. ` +
        `Written in layer ${layer + 1}: slot ${slot}${lost}. Shade is attention, ${this.player.headName()}.`,
    );
  }
}
