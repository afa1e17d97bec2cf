// Mixing colours, and ink that can be read on them.

import { clamp } from "./format.js";

export function rgb(colour) {
  const hex = colour.trim().replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

const mixed = new Map();

/** The colour over the ground with opacity `share` (in steps of 1/255), as an opaque colour; asked for thousands of times a picture. */
export function blend(ground, colour, share) {
  const pair = ground + colour;
  if (!mixed.has(pair)) mixed.set(pair, []);
  const shades = mixed.get(pair);
  const level = Math.round(share * 255);
  return (shades[level] ??= mix(ground, colour, level / 255));
}

function mix(ground, colour, share) {
  const below = rgb(ground);
  const above = rgb(colour);
  return `rgb(${below.map((value, i) => Math.round(value + (above[i] - value) * share)).join(" ")})`;
}

/** Black or white, whichever reads better on an opaque `rgb(r g b)`: one of them always has 4.5:1. */
export function inkOn(fill) {
  const linear = fill
    .match(/\d+/g)
    .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? "#000000" : "#FFFFFF";
}

/** Attention weights are mostly small; the square root keeps them apart and 0 at 0, 1 at 1. */
export const shade = (weight) => Math.sqrt(clamp(weight, 0, 1));
