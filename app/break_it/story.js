// The text, coloured by how much each prediction changes; a click on a word chooses a prediction, or hides the word.

import { closest, segmented } from "../kit/dom.js";
import { Passage } from "../kit/passage.js";

/**
 * @typedef {import("../kit/passage.js").Token} Token
 * @typedef {import("./run.js").BreakRun} BreakRun
 * @typedef {"target" | "hide"} Clicks
 */

/** @type {[Clicks, string][]} */
const CLICKS = [
  ["target", "a prediction"],
  ["hide", "a word to hide"],
];

export class Story extends Passage {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page.part("story"));
    this.page = page;
    this.host.addEventListener("click", (event) => {
      const token = closest(event, "[data-p]");
      if (token) page.pick(Number(token.dataset.p));
    });
    this.host.addEventListener("pointerover", (event) => {
      const token = closest(event, "[data-p]");
      page.tell(token ? Number(token.dataset.p) : null, token);
    });
    this.host.addEventListener("pointerleave", () => page.tell(null, null));
  }

  /** @param {BreakRun} run */
  draw(run) {
    const { page } = this;
    const { target, changes } = page.choice;
    const from = this.fill(run, target);
    const hidden = new Set((changes ?? []).filter((one) => one.startsWith("hide:")).map((one) => Number(one.slice(5))));
    const kl = page.laid ? run.arrays.kl : undefined;
    const top = kl ? kl.reduce((most, value) => Math.max(most, value), 0) : 0;
    for (const [i, token] of this.tokens.entries()) {
      const position = from + i;
      const tint = kl && top > 0 && position !== target ? Math.round(36 * Math.sqrt(kl[position] / top)) : 0;
      this.mark(token, position === target, hidden.has(position), tint);
    }
    this.reveal(target);
    segmented(page.part("clicks"), CLICKS, page.clicks, (clicks) => {
      page.clicks = clicks;
      page.draw();
    });
  }

  /** @param {Token} token
   * @param {boolean} chosen
   * @param {boolean} hidden
   * @param {number} tint  percent */
  mark(token, chosen, hidden, tint) {
    const marks = `${chosen}${hidden}${tint}`;
    if (token.marks === marks) return;
    token.marks = marks;
    token.node.classList.toggle("mx-now", chosen);
    token.node.classList.toggle("mx-unread", hidden);
    this.tint(token, tint);
  }
}
