// The text, coloured by how much each prediction changes; a click on a word chooses a prediction, hides the word, cuts
// the edge from it to the chosen one, or says that it is the one to replace.

import { segmented } from "../kit/dom.js";
import { Passage } from "../kit/passage.js";
import { lent } from "./changes.js";
import { wordSpan } from "./words.js";

/**
 * @typedef {import("../kit/passage.js").Token} Token
 * @typedef {import("./run.js").BreakRun} BreakRun
 * @typedef {"target" | "hide" | "edge" | "source"} Clicks
 */

/** @type {[Clicks, string][]} */
const CLICKS = [
  ["target", "a prediction"],
  ["hide", "a word to hide"],
];
/** @type {[Clicks, string]} */
const EDGE = ["edge", "an edge to cut"];
/** @type {[Clicks, string]} */
const SOURCE = ["source", "a word to replace"];

export class Story extends Passage {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page.part("story"));
    this.page = page;
    this.answer(
      (position) => page.pick(position),
      (position, node) => page.tell(position, node),
    );
  }

  /** @param {BreakRun} run */
  draw(run) {
    const { page } = this;
    const { target, changes } = page.choice;
    const from = this.fill(run, target);
    const marks = marked(changes ?? [], target, run.texts);
    const kl = page.laid ? run.arrays.kl : undefined;
    const top = kl ? kl.reduce((most, value) => Math.max(most, value), 0) : 0;
    for (const [i, token] of this.tokens.entries()) {
      const position = from + i;
      const tint = kl && top > 0 && position !== target ? Math.round(36 * Math.sqrt(kl[position] / top)) : 0;
      const unseen = page.clicks === "edge" && position !== target && !page.sees(position);
      const classes = [position === target ? "mx-now" : "", marks.get(position) ?? "", unseen ? "mx-noedge" : ""];
      this.mark(token, classes.filter(Boolean), tint);
    }
    this.reveal(target);
    const clicks = [...CLICKS, page.another.replaces ? SOURCE : EDGE];
    segmented(page.part("clicks"), clicks, page.clicks, (clicks) => {
      page.clicks = clicks;
      page.draw();
    });
  }

  /** @param {Token} token
   * @param {string[]} classes
   * @param {number} tint  percent */
  mark(token, classes, tint) {
    const marks = `${classes}${tint}`;
    if (token.marks === marks) return;
    token.marks = marks;
    for (const name of MARKS) token.node.classList.toggle(name, classes.includes(name));
    this.tint(token, tint);
  }
}

const MARKS = ["mx-now", "mx-unread", "mx-cut", "mx-lent", "mx-noedge"];

/** How words are marked by what is changed: hidden from all, from the chosen one, or replaced in another text.
 * @param {string[]} changes
 * @param {number} target
 * @param {string[]} texts */
function marked(changes, target, texts) {
  /** @type {Map<number, string>} */
  const marks = new Map();
  for (const change of changes) {
    const [kind, first, second] = change.split(":");
    const other = lent(change);
    if (kind === "hide") marks.set(Number(first), "mx-unread");
    else if (kind === "edge" && Number(second) === target) marks.set(Number(first), "mx-cut");
    else if (other) {
      const [from, end] = wordSpan(texts, other.source);
      for (let position = from; position < end; position++) marks.set(position, "mx-lent");
    }
  }
  return marks;
}
