// The text: the chosen query, and how much it looks at each word; a click chooses another one.

import { Passage } from "../kit/passage.js";
import { why } from "./run.js";

export class Story extends Passage {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page.part("story"));
    this.page = page;
    this.answer((position) => page.go({ t: position }));
  }

  /** @param {import("./run.js").WindowRun} run */
  draw(run) {
    const { page } = this;
    const { t } = page;
    const from = this.fill(run, t);
    const made = page.weights(t);
    for (const [i, token] of this.tokens.entries()) {
      const position = from + i;
      const seen = why(t, position, page.window, run.own.sinks);
      const tint = made && position !== t ? Math.round(60 * Math.sqrt(made.weights[position])) : 0;
      const marks = `${position === t ? "mx-now" : seen}${tint}`;
      if (token.marks === marks) continue;
      token.marks = marks;
      token.node.classList.toggle("mx-now", position === t);
      token.node.classList.toggle("mx-later", seen === "future");
      token.node.classList.toggle("mx-out", seen === "older");
      token.node.classList.toggle("mx-in", position !== t && (seen === "allowed" || seen === "kept"));
      this.tint(token, tint);
    }
    this.reveal(t, run.meta.status === "running");
  }
}
