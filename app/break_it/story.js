// The text, coloured by how much each prediction changes; a click on a word chooses a prediction, or hides the word.

import { clamp } from "../kit/format.js";
import { closest, el, segmented } from "../kit/dom.js";

/**
 * @typedef {import("./run.js").BreakRun} BreakRun
 * @typedef {{ node: HTMLElement, word: HTMLElement, marks: string }} Token
 * @typedef {"target" | "hide"} Clicks
 */

/** @type {[Clicks, string][]} */
const CLICKS = [
  ["target", "a prediction"],
  ["hide", "a word to hide"],
];
const LONG_VIEW = 700;

export class Story {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.host = page.part("story");
    /** @type {[from: number, to: number] | null} */
    this.stretch = null;
    /** @type {Token[]} */
    this.tokens = [];
    this.place = "";
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

  /** The text has changed: its words are made anew. */
  reset() {
    this.stretch = null;
  }

  /** @param {BreakRun} run */
  draw(run) {
    const { page, host } = this;
    const { target, changes } = page.choice;
    const [from] = this.fill(run, target);
    const hidden = new Set((changes ?? []).filter((one) => one.startsWith("hide:")).map((one) => Number(one.slice(5))));
    const kl = page.laid ? run.arrays.kl : undefined;
    const top = kl ? kl.reduce((most, value) => Math.max(most, value), 0) : 0;
    for (const [i, token] of this.tokens.entries()) {
      const position = from + i;
      const tint = kl && top > 0 && position !== target ? Math.round(36 * Math.sqrt(kl[position] / top)) : 0;
      this.mark(token, position === target, hidden.has(position), tint);
    }
    const { clientHeight, clientWidth, scrollHeight } = host;
    const place = `${target} ${clientHeight} ${clientWidth} ${scrollHeight}`;
    if (this.place !== place) this.reveal(target - from, place);
    segmented(page.part("clicks"), CLICKS, page.clicks, (clicks) => {
      page.clicks = clicks;
      page.draw();
    });
  }

  /** Makes the words around the chosen one, unless they are there already.
   * @param {BreakRun} run
   * @param {number} target
   * @returns {[from: number, to: number]} */
  fill(run, target) {
    const { stretch } = this;
    if (stretch && target >= stretch[0] + (stretch[0] ? 50 : 0) && target < stretch[1]) return stretch;
    const from = clamp(target - LONG_VIEW, 0, Math.max(0, run.count - 2 * LONG_VIEW));
    const to = Math.min(run.count, from + 2 * LONG_VIEW);
    this.tokens = [];
    for (let position = from; position < to; position++) this.tokens.push(this.token(run, position));
    this.host.replaceChildren(...this.tokens.map(({ node }) => node));
    this.stretch = [from, to];
    return this.stretch;
  }

  /** @param {BreakRun} run
   * @param {number} position
   * @returns {Token} */
  token(run, position) {
    const text = run.texts[position];
    const written = text.trim() ? text.trimStart() : text.includes("\n") ? "↵" : "·";
    const begin = position === 0 && !text.trim();
    const word = el(
      "span",
      { class: `mx-w${begin ? " mx-mark" : ""}` },
      (begin && run.labels[0].trim()) || written.trimEnd(),
    );
    const node = el(
      "span",
      { class: `mx-tok${position < run.meta.n_prompt ? " mx-prompt" : ""}`, "data-p": position },
      /^\s/.test(text) && position > 1 ? " " : "",
      word,
      text.includes("\n") ? "\n" : "",
    );
    return { node, word, marks: "" };
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
    if (tint) {
      token.word.dataset.g = "1";
      token.word.style.setProperty("--g", String(tint));
    } else delete token.word.dataset.g;
  }

  /** @param {number} index  among those in the panel
   * @param {string} place */
  reveal(index, place) {
    this.place = place;
    const { host } = this;
    const token = this.tokens[index];
    if (!token) return;
    const box = host.getBoundingClientRect();
    const word = token.node.getBoundingClientRect();
    const above = word.top - box.top - 0.3 * word.height;
    const below = word.bottom - box.bottom + 0.5 * word.height;
    if (above < 0 || below > 0) host.scrollTop += word.top - box.top - box.height / 3;
  }
}
