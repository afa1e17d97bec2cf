// The text, coloured by how much each prediction changes; and what is written behind it, right and wrong.

import { apart, el } from "../kit/dom.js";
import { Passage } from "../kit/passage.js";
import { grouped } from "../kit/format.js";

/** @typedef {import("./run.js").MuseumRun} MuseumRun */

export class Told extends Passage {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page.part("text"));
    this.page = page;
    this.answer(
      (position) => page.look(position),
      (position, node) => page.tell(position, node),
    );
  }

  /** @param {MuseumRun} run */
  draw(run) {
    const { page } = this;
    const from = this.fill(run, page.at);
    const kl = page.measured ? run.arrays.kl : undefined;
    const top = kl ? kl.reduce((most, value) => Math.max(most, value), 0) : 0;
    for (const [i, token] of this.tokens.entries()) {
      const position = from + i;
      const now = position === page.at;
      const tint = kl && top > 1e-6 && !now ? Math.round(36 * Math.sqrt(kl[position] / top)) : 0;
      const marks = `${now}${tint}`;
      if (token.marks === marks) continue;
      token.marks = marks;
      token.node.classList.toggle("mx-now", now);
      this.tint(token, tint);
    }
    this.reveal(page.at);
    page.part("written").replaceChildren(...(page.measured ? written(page.measured) : []));
    this.progress(run);
  }

  /** How far the reading is, with the button that ends it. @param {MuseumRun} run */
  progress(run) {
    const { page } = this;
    const { reading, stopped, can_measure, status } = run.meta;
    const host = page.part("reading");
    const act = (/** @type {string} */ name, /** @type {string} */ label) =>
      el("button", { type: "button", class: "mx-chip", "data-act": name }, label);
    const problem = run.meta.stories.find(({ name }) => name === page.mistake)?.problem;
    if (page.measured || !can_measure || problem || status === "running") host.replaceChildren();
    else if (stopped && page.fresh) host.replaceChildren("Stopped. ", act("again", "Read it after all"));
    else if (!reading || !page.fresh) host.replaceChildren("Reading the text both ways …");
    else {
      const [done, total, what] = reading;
      host.replaceChildren(`${what || "loading"}, ${grouped(done)} of ${grouped(total)} `, act("stop", "Stop"));
    }
  }
}

/** @param {import("./types.js").ReadBothWays} measured */
function written({ written: [right, wrong], same }) {
  const block = (/** @type {string} */ title, /** @type {string} */ text, /** @type {string} */ name) =>
    el(
      "section",
      { "data-written": name },
      el("h3", {}, title),
      el("p", {}, text.slice(0, same), el("mark", {}, text.slice(same))),
    );
  const alike = right === wrong ? "with the mistake: the same words" : "with the mistake";
  return apart([block("as it should be, always the likeliest word", right, "right"), block(alike, wrong, "wrong")]);
}
