// The text: a click on a word chooses its position; words are tinted by the probability that they had.

import { Passage } from "../kit/passage.js";

/** @typedef {import("./run.js").ResidualRun} ResidualRun */

export class Story extends Passage {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page.part("story"));
    this.page = page;
    this.answer((position) => page.choose(position, page.row));
  }

  /** @param {ResidualRun} run */
  draw(run) {
    const { t, aimed, patched } = this.page;
    const from = this.fill(run, t);
    const moved = patched ? run.column("patch", t) : -1;
    for (const [i, token] of this.tokens.entries()) {
      const position = from + i;
      const kl = moved >= 0 ? run.cell("patch", "patched_kl", 0, position) : 0;
      const tint = kl > 0 && position !== t ? Math.round(36 * Math.sqrt(Math.min(1, kl))) : 0;
      const lent = (aimed ?? patched)?.position === position;
      const marks = `${position === t} ${lent} ${tint}`;
      if (token.marks === marks) continue;
      token.marks = marks;
      token.node.classList.toggle("mx-now", position === t);
      token.node.classList.toggle("mx-lent", lent);
      this.tint(token, tint);
    }
    this.reveal(t);
  }
}
