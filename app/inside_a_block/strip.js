// Numbers as colours: one cell for each, above 0 in one colour and below in the other, against the largest of the box.

import { blend, rgb, shade } from "../kit/colour.js";
import { penOf } from "../kit/dom.js";

/** @typedef {import("./run.js").Numbers} Numbers */
/** @typedef {import("../kit/surface.js").Colours} Colours */

/**
 * How a list is laid out: rows and columns; a plain list in rows of a power of two.
 *
 * @param {number[]} shape
 * @param {number} [wide]  columns at most, of a plain list
 * @returns {[rows: number, columns: number]}
 */
export function layOut(shape, wide = 32) {
  if (shape.length > 1) return [shape[0], shape[1]];
  const columns = Math.min(shape[0], wide);
  return [Math.ceil(shape[0] / columns), columns];
}

/**
 * What of a box can be said in numbers; minus infinity is left out.
 *
 * @param {Float32Array} data
 */
export function statistics(data) {
  const finite = data.filter((value) => Number.isFinite(value));
  const count = finite.length;
  let [sum, squares, least, most] = [0, 0, Infinity, -Infinity];
  for (const value of finite) {
    sum += value;
    squares += value * value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const mean = count ? sum / count : NaN;
  return {
    count,
    mean,
    deviation: Math.sqrt(Math.max(squares / count - mean * mean, 0)),
    length: Math.sqrt(squares),
    least,
    most,
    top: count ? Math.max(Math.abs(least), Math.abs(most)) : 0,
  };
}

/** @type {WeakMap<Float32Array, number>} */
const tops = new WeakMap();

/** The largest number of a box, whatever its sign; minus infinity is none.
 * @param {Float32Array} data */
export function topOf(data) {
  const top = tops.get(data) ?? statistics(data).top;
  tops.set(data, top);
  return top;
}

/** Boxes whose numbers are shares of 1, each in a colour of its own: blue would say that what is seen is below 0.
 * @type {Map<string, "attention" | "graphic">} */
const SHARES = new Map([
  ["pattern", "attention"],
  ["mask", "graphic"],
]);

/**
 * Draws each number as a pixel of a canvas, which the style enlarges.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} box
 * @param {Numbers | null} numbers
 * @param {Colours} colour
 * @param {[rows: number, columns: number]} laid
 * @param {number} top  the largest number, whose colour is full
 */
export function paint(canvas, box, numbers, colour, [rows, columns], top) {
  Object.assign(canvas, { width: columns, height: rows });
  const data = numbers?.data ?? [];
  if (!data.length) return;
  const g = penOf(canvas);
  const image = g.createImageData(columns, rows);
  const shades = ramp(SHARES.get(box) ?? "positive", colour);
  const hidden = rgb(colour.hatch);
  for (let i = 0; i < data.length; i++) {
    const place = SHARES.has(box) ? shade(data[i]) : top ? data[i] / top : 0;
    const [red, green, blue] = data[i] === -Infinity ? hidden : shades[Math.round((place + 1) * LEVELS)];
    image.data.set([red, green, blue, 255], 4 * i);
  }
  g.putImageData(image, 0, 0);
}

const LEVELS = 127;
/** @type {Map<string, number[][]>} by the colours of the theme, those from -1 over 0 to 1 */
const ramps = new Map();

/** @param {"attention" | "graphic" | "positive"} role  of what is above 0 @param {Colours} colour */
function ramp(role, colour) {
  const name = `${role}${colour.card}${colour[role]}${colour.negative}`;
  const known = ramps.get(name);
  if (known) return known;
  const [card, below, above] = [colour.card, colour.negative, colour[role]].map(rgb);
  const made = Array.from({ length: 2 * LEVELS + 1 }, (_, i) => {
    const share = (i - LEVELS) / LEVELS;
    const to = share < 0 ? below : above;
    return card.map((value, channel) => Math.round(value + (to[channel] - value) * Math.abs(share)));
  });
  ramps.set(name, made);
  return made;
}

/**
 * The colour of one number.
 *
 * @param {string} box
 * @param {number} value
 * @param {number} top
 * @param {Colours} colour
 */
export function tint(box, value, top, colour) {
  if (value === -Infinity) return colour.hatch;
  const role = SHARES.get(box);
  if (role) return blend(colour.card, colour[role], shade(value));
  const share = top ? Math.min(Math.abs(value) / top, 1) : 0;
  return blend(colour.card, value < 0 ? colour.negative : colour.positive, share);
}
