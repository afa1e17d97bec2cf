// Layers x positions on a canvas, for the text and for the one that lends: axes, colours, words where they fit, hits.

import { blend, inkOn } from "../kit/colour.js";
import { clamp, shorten } from "../kit/format.js";

/**
 * @typedef {{ from: number, to: number }} View  positions in sight
 * @typedef {{ row: number, position: number }} Cell
 * @typedef {{ share: number, colour: string, label?: string, hatched?: boolean }} Look  of a cell
 * @typedef {Object} Sheet  what is drawn
 * @property {View} view
 * @property {number} rows
 * @property {(row: number, position: number) => Look | null} look  null = nothing is known of it
 * @property {(position: number) => string} word  under a column
 * @property {Cell} at  the chosen cell
 * @property {Cell[]} marked  cells with a dashed frame
 */

const LEFT = 2.5; // names of rows, in letters of the page
const WORDS = 18; // px: words under the columns
export const WORDY = 46; // px: a column that has room for a word

export class Cells {
  /**
   * @param {import("./page.js").default} page
   * @param {HTMLCanvasElement} canvas
   */
  constructor(page, canvas) {
    this.page = page;
    this.canvas = canvas;
    /** @type {Sheet | null} */
    this.sheet = null;
  }

  get left() {
    return LEFT * this.page.unit;
  }

  /** Columns that have room for a word. */
  roomy() {
    const { width } = this.page.size(this.canvas);
    return Math.max(4, Math.floor((width - this.left) / ((WORDY * this.page.unit) / 14)));
  }

  /** @param {Sheet} sheet */
  draw(sheet) {
    this.sheet = sheet;
    const { page } = this;
    const pen = page.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    const { colour } = page;
    g.clearRect(0, 0, width, height);
    const { wide, high } = this.geometry(width, height);
    const gap = wide > 8 ? 1 : 0;
    const small = page.unit * 0.86;
    g.textBaseline = "middle";
    for (let row = 0; row < sheet.rows; row++) {
      const y = this.y(row, high);
      for (let position = sheet.view.from; position < sheet.view.to; position++) {
        const look = sheet.look(row, position);
        if (!look) continue;
        const x = this.left + (position - sheet.view.from) * wide;
        const fill = blend(colour.card, look.colour, clamp(look.share, 0, 1));
        g.fillStyle = look.hatched ? colour.hatching : fill;
        g.fillRect(x, y, Math.max(1, wide - gap), Math.max(1, high - gap));
        if (!look.label || look.hatched || wide < WORDY * 0.8 || high < small) continue;
        g.fillStyle = inkOn(fill);
        g.font = `${small}px ${colour.serif}`;
        g.textAlign = "center";
        g.fillText(this.fitting(g, look.label, wide - 4), x + wide / 2, y + high / 2);
      }
    }
    this.axes(g, width, height, wide, high);
    for (const cell of sheet.marked) this.frame(g, cell, wide, high, [4, 3], colour.ink);
    this.frame(g, sheet.at, wide, high, [], colour.query);
  }

  /** @param {number} width
   * @param {number} height */
  geometry(width, height) {
    const { view, rows } = /** @type {Sheet} */ (this.sheet);
    return {
      wide: (width - this.left) / Math.max(1, view.to - view.from),
      high: (height - (WORDS * this.page.unit) / 14) / rows,
    };
  }

  /** @param {number} row
   * @param {number} high */
  y(row, high) {
    return ((this.sheet?.rows ?? 0) - 1 - row) * high;
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {number} width
   * @param {number} height
   * @param {number} wide
   * @param {number} high */
  axes(g, width, height, wide, high) {
    const sheet = /** @type {Sheet} */ (this.sheet);
    const { colour, unit } = this.page;
    const small = unit * 0.86;
    g.fillStyle = colour.soft;
    g.font = `${small}px ${colour.sans}`;
    g.textAlign = "right";
    const every = Math.ceil(small / high);
    for (let row = 0; row < sheet.rows; row++)
      if (row % every === 0 || row === sheet.at.row) {
        g.fillStyle = row === sheet.at.row ? colour.query : colour.soft;
        g.fillText(row ? String(row) : "emb", this.left - 6, this.y(row, high) + high / 2);
      }
    g.textAlign = "center";
    const step = wide < WORDY * 0.8 ? Math.ceil(64 / wide) : 1;
    for (let position = sheet.view.from; position < sheet.view.to; position++) {
      const chosen = position === sheet.at.position;
      const near = Math.abs(position - sheet.at.position) * wide < 32;
      if (!chosen && step > 1 && (position % step || near)) continue;
      g.fillStyle = chosen ? colour.query : colour.soft;
      g.font = `${chosen ? "700 " : ""}${small}px ${step > 1 ? colour.sans : colour.serif}`;
      const text = step > 1 ? String(position) : this.fitting(g, sheet.word(position).trim() || "␣", wide - 2);
      const x = this.left + (position - sheet.view.from + 0.5) * wide;
      g.fillText(text, clamp(x, this.left, width - 8), height - (WORDS * unit) / 28);
    }
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {Cell} cell
   * @param {number} wide
   * @param {number} high
   * @param {number[]} dash
   * @param {string} colour */
  frame(g, { row, position }, wide, high, dash, colour) {
    const { view } = /** @type {Sheet} */ (this.sheet);
    if (position < view.from || position >= view.to) return;
    g.setLineDash(dash);
    g.lineWidth = 2.5;
    g.strokeStyle = colour;
    g.strokeRect(
      this.left + (position - view.from) * wide + 0.5,
      this.y(row, high) + 0.5,
      Math.max(3, wide - 2),
      high - 2,
    );
    g.setLineDash([]);
  }

  /** @param {CanvasRenderingContext2D} g
   * @param {string} text
   * @param {number} room  px */
  fitting(g, text, room) {
    const word = text.trim() || "␣";
    if (g.measureText(word).width <= room) return word;
    for (let length = word.length - 1; length > 1; length--)
      if (g.measureText(shorten(word, length)).width <= room) return shorten(word, length);
    return word[0];
  }

  /** The cell under a point of the screen; null = none.
   * @param {{ clientX: number, clientY: number }} point
   * @returns {Cell | null} */
  hit({ clientX, clientY }) {
    const { sheet } = this;
    if (!sheet) return null;
    const box = this.canvas.getBoundingClientRect();
    const { wide, high } = this.geometry(box.width, box.height);
    const position = sheet.view.from + Math.floor((clientX - box.left - this.left) / wide);
    const row = sheet.rows - 1 - Math.floor((clientY - box.top) / high);
    const inside = position >= sheet.view.from && position < sheet.view.to && row >= 0 && row < sheet.rows;
    return inside ? { row, position } : null;
  }
}
