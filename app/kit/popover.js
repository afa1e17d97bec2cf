// What is known of one cell of a picture, beside the place where the pointer is.

import { byteNote, tokenNote } from "./bytes.js";
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
  const note = byteNote(picture.run.labels[position]);
  const lines = note ? [...cell.lines, note] : cell.lines;
  picture.explain([title, ...lines.map((line) => el("p", {}, line))], node, cell);
}

/**
 * A token of a text that stands for one byte says so, and the mark of the begin; of others nothing need be said.
 *
 * @param {import("./playhead.js").Playhead} picture
 * @param {number} position
 * @param {Element | null} node
 */
export function explainByte(picture, position, node) {
  const note = tokenNote(picture.run, position);
  if (note) picture.explain([el("p", {}, note)], node);
  else picture.part("pop").hidden = true;
}
