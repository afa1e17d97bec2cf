// Sizes: the rem that the presenter's switch enlarges, and text that fits.

import { penOf } from "./dom.js";

export const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;

/**
 * The font of labels on canvases: one size, 12 px, and a third more in larger mode. Where there is no room a label
 * is left out, never made smaller.
 *
 * @param {number} unit  of the surface, px
 * @param {string} family
 * @param {number} [weight]
 */
export const labelFont = (unit, family, weight = 400) => `${weight} ${Math.max(12, 0.86 * unit)}px ${family}`;

const ruler = penOf(document.createElement("canvas"));

/**
 * The text, cut with an ellipsis where it would be too wide.
 *
 * @param {string} text
 * @param {number} width  px
 * @param {string} font  as a canvas takes it
 */
export function fit(text, width, font) {
  ruler.font = font;
  if (ruler.measureText(text).width <= width) return text;
  const letters = [...text];
  while (letters.length > 1 && ruler.measureText(`${letters.join("")}…`).width > width) letters.pop();
  return `${letters.join("")}…`;
}

/**
 * A word and the size it has room in: the larger one, or else the smaller one, and only there is it cut.
 *
 * @param {string} text
 * @param {number} width  px
 * @param {[large: number, small: number]} sizes  px
 * @param {(size: number) => string} font  as a canvas takes it
 * @returns {[word: string, size: number]}
 */
export function fitSmaller(text, width, [large, small], font) {
  const word = fit(text, width - 3, font(large));
  return word === text ? [word, large] : [fit(text, width - 1, font(small)), small];
}
