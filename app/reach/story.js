// The text around the chosen token, coloured by what was measured; a click on a word chooses it.

import { Passage } from "../kit/passage.js";

/**
 * @typedef {import("../kit/passage.js").Token} Token
 * @typedef {import("./reading.js").Reading} Reading
 */

export class Story extends Passage {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page.part("story"));
    this.page = page;
    /** @type {HTMLElement | undefined} */
    this.hovered = undefined;
  }

  /** @param {Reading} reading */
  draw(reading) {
    const { page } = this;
    const { run } = reading;
    const from = this.fill(run, page.anchor);
    for (const [i, token] of this.tokens.entries()) this.mark(token, from + i, reading);
    this.reveal(page.anchor, run.meta.status === "running");
  }

  /** @param {Token} token
   * @param {number} position
   * @param {Reading} reading */
  mark(token, position, reading) {
    const { page } = this;
    const chosen = position === page.anchor;
    const end = reading.ends.some(([at]) => at === position);
    const out = !page.hidden && this.outOfReach(position, reading);
    const tint = chosen || page.hidden ? 0 : reading.tint(position, page.scale);
    const marks = `${chosen}${end}${out}${tint}`;
    if (token.marks === marks) return;
    token.marks = marks;
    token.node.classList.toggle("mx-now", chosen);
    token.node.classList.toggle("mx-end", !chosen && end);
    token.node.classList.toggle("mx-out", out);
    this.tint(token, tint);
  }

  /** Beyond the edge, of this reading's last row forward and first row back; a corridor marks nothing.
   * @param {number} position
   * @param {Reading} reading */
  outOfReach(position, reading) {
    const { choice, network } = reading;
    const span = reading.span(choice.reading === "forward" ? network.layers : 0);
    if (!span) return false;
    if (choice.reading === "backward") return position <= choice.target && position < span[0];
    return choice.reading === "forward" && position > span[1];
  }

  markHover() {
    const { hovered } = this.page;
    this.hovered?.classList.remove("mx-hover");
    this.hovered = hovered === null || !this.stretch ? undefined : this.tokens[hovered - this.stretch[0]]?.node;
    this.hovered?.classList.add("mx-hover");
  }
}
