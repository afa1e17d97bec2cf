// What is known of one cell of a picture, beside the place where the pointer is.

import { el } from "./dom.js";

/** @typedef {import("./playhead.js").Cell} Cell */
/**
 * @typedef {Object} Explaining  what of a picture it takes to explain a cell
 * @property {{ labels: string[] }} run
 * @property {(children: Node[], node: Element | null, place: Cell) => void} explain
 */

/**
 * @param {Explaining} picture
 * @param {number} position  of the token that the cell stands for
 * @param {Element | null} node
 * @param {Cell} cell
 */
export function showPopover(picture, position, node, cell) {
  const word = el("b", { class: "mx-serif" }, picture.run.labels[position]);
  const title = el("p", { class: "mx-pop-title" }, word, ` ${cell.title}`);
  picture.explain([title, ...cell.lines.map((line) => el("p", {}, line))], node, cell);
}
