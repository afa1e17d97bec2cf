// Words of the text, as elements.

import { el } from "../kit/dom.js";

/** @typedef {string | HTMLElement} Part  of a sentence */

/** A word as it is printed; a space as a sign for it.
 * @param {string} word */
export const printed = (word) => word.trim() || "␣";

/** A word that the reading is about.
 * @param {import("./run.js").ReachRun} run
 * @param {number} position */
export const wordAt = (run, position) => el("b", { class: "mx-q mx-serif" }, printed(run.labels[position]));

/** @param {string | number} text */
export const bold = (text) => el("b", {}, `${text}`);

/** A button that stands in a sentence; `page.js` says what it does.
 * @param {string} act
 * @param {string} label */
export const button = (act, label) => el("button", { type: "button", class: "mx-chip", "data-act": act }, label);
