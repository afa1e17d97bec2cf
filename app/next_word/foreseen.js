// A branch as far as the page knows it by itself. It stands there from the click on another word until Python's first
// answer, so that nobody waits for what is known: the text up to that word, and which word was chosen.

import { el } from "../kit/dom.js";
import { NextWordRun } from "./run.js";

export class Foreseen extends NextWordRun {
  /**
   * @param {NextWordRun} parent
   * @param {number} position  where the other word is to stand
   * @param {number} token  its id
   * @param {number} asked  the number of the question
   */
  constructor(parent, position, token, asked) {
    super(`${parent.id} ${position}:${token}`);
    const { texts, pieces, labels, ids, hashes, steps } = parent;
    Object.assign(this, parent, { id: this.id });
    [this.texts, this.pieces, this.labels] = [[...texts], [...pieces], [...labels]];
    [this.ids, this.hashes, this.steps] = [[...ids], [...hashes], [...steps]];
    this.parent = parent;
    this.asked = asked;
    this.truncate(position);
    this.ids[position] = token; // chosen, not read: `count` ends before it
    this.labels[position] = parent.nameOf(token);
    /** @type {import("./run.js").NextWordHeader} */
    this.meta = { ...parent.meta, run: this.id, status: "running", message: "", tokens_per_second: null };
  }

  /** Whether a payload was on its way before Python was asked.
   * @param {import("./run.js").NextWordHeader} header */
  before({ run, answered }) {
    return run === this.parent.id && answered !== this.asked;
  }

  /** The chosen word as it stands at the end of the text. */
  word() {
    const label = this.labels[this.count];
    return el("span", { class: "mx-tok mx-coming", title: "chosen; the model reads it now" }, ` ${label.trim()}`);
  }
}
