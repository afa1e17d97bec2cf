// Mixing colours, and ink that can be read on them.

import { clamp } from "./format.js";

/**
 * @param {string} colour  `#rrggbb`
 * @returns {number[]} red, green and blue, 0 to 255
 */
export function rgb(colour) {
  const hex = colour.trim().replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** @type {Map<string, string[]>} by ground and colour, the shades that were asked for, by their level */
const mixed = new Map();

/**
 * The colour over the ground as an opaque colour; asked for thousands of times a picture.
 *
 * @param {string} ground
 * @param {string} colour
 * @param {number} share  opacity, 0 to 1, in steps of 1/255
 */
export function blend(ground, colour, share) {
  const pair = ground + colour;
  const shades = mixed.get(pair) ?? [];
  if (!shades.length) mixed.set(pair, shades);
  const level = Math.round((share || 0) * 255); // a weight that was not kept is no colour
  shades[level] ??= mix(ground, colour, level / 255);
  return shades[level];
}

/** @type {(ground: string, colour: string, share: number) => string} */
function mix(ground, colour, share) {
  const below = rgb(ground);
  const above = rgb(colour);
  return `rgb(${below.map((value, i) => Math.round(value + (above[i] - value) * share)).join(" ")})`;
}

/**
 * Black or white, whichever reads better: one of them always has 4.5:1.
 *
 * @param {string} fill  an opaque `rgb(r g b)`
 */
export function inkOn(fill) {
  const [red, green, blue] = (fill.match(/\d+/g) ?? [])
    .map((value) => Number(value) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#FFFFFF";
}

/**
 * Attention weights are mostly small; the square root keeps them apart and 0 at 0, 1 at 1.
 *
 * @param {number} weight
 */
export const shade = (weight) => Math.sqrt(clamp(weight, 0, 1));
