// The words around a chosen position: made once for a stretch of the text; afterwards only their marks change.

import { clamp } from "./format.js";
import { closest, el } from "./dom.js";

/**
 * @typedef {{ count: number, texts: string[], labels: string[], meta: { n_prompt: number } }} Written
 * @typedef {{ node: HTMLElement, word: HTMLElement, marks: string }} Token
 */

const LONG_VIEW = 700;
const MARGIN = 50;

export class Passage {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    /** The stretch `[from, to)` of the text that stands in the panel; null = none yet.
     * @type {[from: number, to: number] | null} */
    this.stretch = null;
    /** @type {Token[]} */
    this.tokens = [];
    /** What was scrolled into view last, and in what size of the panel. */
    this.place = "";
  }

  /**
   * What a click on a word does, and what pointing at one; null = at none any more.
   *
   * @param {(position: number) => void} pick
   * @param {(position: number | null, node: Element | null) => void} [point]
   */
  answer(pick, point) {
    this.host.addEventListener("click", (event) => {
      const token = closest(event, "[data-p]");
      if (token) pick(Number(token.dataset.p));
    });
    if (!point) return;
    this.host.addEventListener("pointerover", (event) => {
      const token = closest(event, "[data-p]");
      point(token ? Number(token.dataset.p) : null, token);
    });
    this.host.addEventListener("pointerleave", () => point(null, null));
  }

  /** The text has changed: its words are made anew. */
  reset() {
    this.stretch = null;
  }

  /** Makes the words around a position, unless they are there already.
   * @param {Written} run
   * @param {number} anchor
   * @returns {number} position of the first */
  fill(run, anchor) {
    const { stretch } = this;
    if (stretch && anchor >= stretch[0] + (stretch[0] ? MARGIN : 0) && anchor < stretch[1]) return stretch[0];
    const from = clamp(anchor - LONG_VIEW, 0, Math.max(0, run.count - 2 * LONG_VIEW));
    const to = Math.min(run.count, from + 2 * LONG_VIEW);
    this.tokens = [];
    for (let position = from; position < to; position++) this.tokens.push(this.token(run, position));
    this.host.replaceChildren(...this.tokens.map(({ node }) => node));
    this.stretch = [from, to];
    return from;
  }

  /** @param {Written} run
   * @param {number} position
   * @returns {Token} */
  token(run, position) {
    const text = run.texts[position];
    const written = text.trim() || (text.includes("\n") ? "↵" : "·");
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
   * @param {number} tint  percent */
  tint(token, tint) {
    if (tint) {
      token.word.dataset.g = "1";
      token.word.style.setProperty("--g", String(tint));
    } else delete token.word.dataset.g;
  }

  /** Scrolls a word into view, when another is asked for or the panel has another size.
   * @param {number} position
   * @param {boolean} growing  a text that grows moves nothing */
  reveal(position, growing = false) {
    const { host, stretch } = this;
    const { clientHeight, clientWidth, scrollHeight } = host;
    const place = `${position} ${clientHeight} ${clientWidth} ${growing ? "" : scrollHeight}`;
    if (this.place === place || !stretch) return;
    this.place = place;
    const token = this.tokens[position - stretch[0]];
    if (!token) return;
    const box = host.getBoundingClientRect();
    const word = token.node.getBoundingClientRect();
    const above = word.top - box.top - 0.3 * word.height;
    const below = word.bottom - box.bottom + 0.5 * word.height;
    if (above < 0 || below > 0) host.scrollTop += word.top - box.top - box.height / 3;
  }
}
