// What is known of one cell of a picture, beside the place where the pointer is.

import { el } from "./dom.js";

/**
 * @param {{ run: { labels: string[] }, explain: (children: Node[], node: Element | null, place: Cell) => void }} picture
 * @param {number} position  of the token that the cell stands for
 * @param {Element | null} node
 * @param {Cell} cell
 *
 * @typedef {import("./playhead.js").Cell} Cell
 */
export function showPopover(picture, position, node, cell) {
  const word = el("b", { class: "mx-serif" }, picture.run.labels[position]);
  const title = el("p", { class: "mx-pop-title" }, word, ` ${cell.title}`);
  picture.explain([title, ...cell.lines.map((line) => el("p", {}, line))], node, cell);
}
