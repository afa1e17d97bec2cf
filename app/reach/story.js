// The text around the chosen token, coloured by what was measured; a click on a word chooses it.

import { clamp } from "../kit/format.js";
import { el } from "../kit/dom.js";

/**
 * @typedef {import("./reading.js").Reading} Reading
 * @typedef {{ node: HTMLElement, word: HTMLElement, marks: string }} Token
 */

const LONG_VIEW = 700;

export class Story {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.host = page.part("story");
    /** The stretch `[from, to)` of the text that stands in the panel; null = none yet.
     * @type {[from: number, to: number] | null} */
    this.stretch = null;
    /** @type {Token[]} */
    this.tokens = [];
    /** What was scrolled into view last, and in what size of the panel. */
    this.place = "";
    /** @type {HTMLElement | undefined} */
    this.hovered = undefined;
  }

  /** The text has changed: its words are made anew. */
  reset() {
    this.stretch = null;
  }

  /** Spans are made once for a stretch of text; afterwards only their marks change.
   * @param {Reading} reading */
  draw(reading) {
    const { page, host } = this;
    const { run } = reading;
    const [from] = this.fill(run);
    for (const [i, token] of this.tokens.entries()) this.mark(token, from + i, reading);
    const { clientHeight, clientWidth, scrollHeight } = host;
    const place = `${page.anchor} ${clientHeight} ${clientWidth} ${run.meta.status === "running" ? "" : scrollHeight}`;
    if (this.place !== place) this.reveal(page.anchor - from, place);
  }

  /** Makes the words around the chosen token, unless they are there already.
   * @param {import("./run.js").ReachRun} run
   * @returns {[from: number, to: number]} */
  fill(run) {
    const { anchor } = this.page;
    const { stretch } = this;
    if (stretch && anchor >= stretch[0] + (stretch[0] ? 50 : 0) && anchor < stretch[1]) return stretch;
    const from = clamp(anchor - LONG_VIEW, 0, Math.max(0, run.count - 2 * LONG_VIEW));
    const to = Math.min(run.count, from + 2 * LONG_VIEW);
    this.tokens = [];
    for (let position = from; position < to; position++) this.tokens.push(this.token(run, position));
    this.host.replaceChildren(...this.tokens.map(({ node }) => node));
    this.stretch = [from, to];
    return this.stretch;
  }

  /** @param {import("./run.js").ReachRun} run
   * @param {number} position
   * @returns {Token} */
  token(run, position) {
    const text = run.texts[position];
    const written = text.trim() ? text.trimStart() : text.includes("\n") ? "↵" : "·";
    const begin = position === 0 && !text.trim();
    const mark = begin && run.labels[0].trim(); // as the other pages print it
    const word = el("span", { class: `mx-w${begin ? " mx-mark" : ""}` }, mark || written);
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
    if (tint) {
      token.word.dataset.g = "1";
      token.word.style.setProperty("--g", String(tint));
    } else delete token.word.dataset.g;
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

  /** Scrolls a token into view.
   * @param {number} index  among those in the panel
   * @param {string} place */
  reveal(index, place) {
    this.place = place;
    const { host } = this;
    const token = this.tokens[index];
    if (!token) return;
    const top = token.node.offsetTop - host.offsetTop;
    if (top < host.scrollTop + 20 || top > host.scrollTop + host.clientHeight - 50)
      host.scrollTop = top - host.clientHeight / 3;
  }

  markHover() {
    const { hovered } = this.page;
    this.hovered?.classList.remove("mx-hover");
    this.hovered = hovered === null || !this.stretch ? undefined : this.tokens[hovered - this.stretch[0]]?.node;
    this.hovered?.classList.add("mx-hover");
  }
}
