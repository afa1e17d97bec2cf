// The text panel: one span per token, coloured by hops or by probability, with a popover and a strip map.

import { BYTE_MARK, isByte } from "./bytes.js";
import { closest, el } from "./dom.js";
import { clamp, plural } from "./format.js";
import { rem } from "./measure.js";

const LONG_TEXT = 600;
const VIEW = 420;
const HOP_LEVELS = 8;

/** @typedef {import("./playhead.js").Playhead} Player */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {{ node: HTMLElement, ink: HTMLElement, look: string }} Entry  a token on the page, and how it looks */

/** @template {Player} [P=Player] */
export class TextPanel {
  /** @param {P} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("story");
    this.flow = el("div", {});
    this.bands = el("div", { "aria-hidden": "true" });
    this.host.append(this.flow, this.bands);
    /** @type {Map<number, Entry>} by position */
    this.spans = new Map();
    /** Positions on the page, and how many there are after them. */
    this.from = 0;
    this.to = 0;
    this.later = 0;
    /** @type {HTMLElement | null} */
    this.after = null;
    /** @type {"hops" | "probability"} */
    this.colourBy = "hops";
    /** @type {number[]} positions at which what is searched for begins */
    this.hits = [];
    this.host.addEventListener("click", (event) => {
      const beyond = closest(event, ".mx-more");
      if (beyond) return player.go(Number(beyond.dataset.to), { by: "hand" });
      const position = this.positionOf(event);
      if (position !== null) player.go(position, { by: "hand" });
    });
    const point = (/** @type {Event} */ event) =>
      player.point(this.positionOf(event), event.target instanceof Element ? event.target : null);
    this.host.addEventListener("pointerover", point);
    this.host.addEventListener("pointerleave", () => player.point(null));
    this.host.addEventListener("focusin", point);
    this.host.addEventListener("focusout", () => player.point(null));
    this.bindFind();
  }

  /**
   * Position of the token in which something happened; null = beside the tokens.
   *
   * @param {Event} event
   */
  positionOf(event) {
    const token = closest(event, "[data-p]");
    return token ? Number(token.dataset.p) : null;
  }

  bindFind() {
    const box = this.player.part("find", HTMLInputElement);
    box.addEventListener("input", () => {
      this.find(box.value);
      this.player.draw();
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.nextHit(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") {
        box.value = "";
        this.find("");
        this.player.draw();
      }
      event.stopPropagation();
    });
  }

  /**
   * Positions of the tokens in which a match begins; a match may run over several tokens.
   *
   * @param {string} needle
   */
  find(needle) {
    const wanted = needle.trim().toLowerCase();
    const { run } = this.player;
    this.hits = [];
    if (wanted) {
      /** @type {number[]} */
      const starts = [];
      let text = "";
      for (const piece of run.texts) {
        starts.push(text.length);
        text += piece;
      }
      text = text.toLowerCase();
      let token = 0;
      for (let at = text.indexOf(wanted); at >= 0 && this.hits.length < 500; at = text.indexOf(wanted, at + 1)) {
        while (token + 1 < starts.length && starts[token + 1] <= at) token++;
        if (this.hits.at(-1) !== token) this.hits.push(token);
      }
    }
    this.player.part("found").textContent = wanted
      ? this.hits.length
        ? plural(this.hits.length, "hit")
        : "not in this text"
      : "";
  }

  /** @param {1 | -1} direction */
  nextHit(direction) {
    const { hits } = this;
    if (!hits.length) return;
    const { t } = this.player;
    const later = hits.find((hit) => hit > t) ?? hits[0];
    const earlier = hits.findLast((hit) => hit < t) ?? hits[hits.length - 1];
    this.player.go(direction > 0 ? later : earlier, { by: "hand" });
  }

  reset() {
    this.spans.clear();
    this.flow.replaceChildren();
    this.from = 0;
    this.to = 0;
    this.find(this.player.part("find", HTMLInputElement).value);
  }

  /**
   * Very long texts keep about VIEW tokens in the page, around the playhead.
   *
   * @returns {[number, number]} the first, and the one after the last
   */
  frame() {
    const { run, t } = this.player;
    if (run.count <= LONG_TEXT) return [0, run.count];
    const inside = this.from < this.to && t >= this.from + (this.from ? 200 : 0) && t < this.to;
    const keep = inside && (t < this.to - 50 || this.to >= run.count) && this.to - this.from <= LONG_TEXT;
    if (keep) return [this.from, Math.min(run.count, Math.max(this.to, Math.min(this.from + LONG_TEXT, run.count)))];
    const from = clamp(t - Math.floor(VIEW * 0.7), 0, Math.max(0, run.count - VIEW));
    return [from, Math.min(run.count, from + VIEW)];
  }

  grow() {
    const { run } = this.player;
    const [from, to] = this.frame();
    if (from !== this.from || to < this.to) {
      this.spans.clear();
      this.flow.replaceChildren();
      this.to = from;
      if (from) this.flow.append(this.more(from - 1, `${plural(from, "earlier token")} … `));
    }
    this.from = from;
    const added = document.createDocumentFragment();
    for (let position = this.to; position < to; position++) added.append(this.token(run, position));
    this.to = to;
    if (added.childElementCount || this.later !== run.count - to) {
      this.later = run.count - to;
      this.after?.remove();
      this.after = this.later ? this.more(to, ` … ${plural(this.later, "later token")}`) : null;
      if (this.after) added.append(this.after);
    }
    this.flow.append(added);
  }

  /**
   * Where the part of a long text that is on the page ends; a click goes on there.
   *
   * @param {number} to
   * @param {string} words
   */
  more(to, words) {
    return el("button", { type: "button", class: "mx-more", "data-to": to }, words);
  }

  /**
   * Leading white space stays outside the coloured word, so that a line break falls where the text has one.
   *
   * @param {Run} run
   * @param {number} position
   */
  token(run, position) {
    const text = run.texts[position];
    const word = text.trimStart();
    const space = text.slice(0, text.length - word.length);
    const held = !text && run.pieces[position]; // a byte whose character is not complete, or a control token
    const ink = el("span", { class: "mx-w" }, word || (held ? (isByte(held) ? BYTE_MARK : held) : ""));
    const node = el("span", { class: "mx-tok", "data-p": position }, space.replace(/\n/g, ""), ink);
    if (/\n/.test(text)) {
      ink.textContent = "↵";
      ink.classList.add("mx-mark");
      node.append(el("br"));
    } else if (!word) ink.classList.add("mx-mark", ...(isByte(held || "") ? ["mx-byte"] : []));
    if (position < run.meta.n_prompt) node.classList.add("mx-prompt");
    this.spans.set(position, { node, ink, look: "" });
    return node;
  }

  /**
   * How strongly a word this far back is marked: by hops; -1 = struck, out of reach.
   *
   * @param {number} distance
   * @param {number} position  of the word
   */
  remoteness(distance, position) {
    return this.player.run.hops(distance, position);
  }

  draw() {
    const { run, t, hovered } = this.player;
    this.grow();
    const hits = new Set(this.hits);
    const byHops = this.colourBy === "hops";
    const nearest = run.windows[run.layers - 1];
    for (const [position, entry] of this.spans) {
      const distance = t - position;
      const hops = distance >= 0 ? this.remoteness(distance, position) : -2;
      let look = position < run.meta.n_prompt ? "mx-tok mx-prompt" : "mx-tok";
      if (distance === 0) look += " mx-now";
      else if (distance < 0) look += " mx-later";
      else if (byHops && hops < 0) look += " mx-out";
      const inside = run.sees(run.layers - 1, t, position);
      if (inside) look += " mx-in";
      if (distance === nearest - 1 || (position === 0 && inside)) look += " mx-in-first";
      if (position === hovered) look += " mx-hover";
      if (hits.has(position)) look += " mx-hit";
      const level = byHops && hops > 0 ? Math.ceil((hops * HOP_LEVELS) / run.layers) : 0;
      const tint = !byHops && distance >= 0 ? this.tint(run.p(position)) : "";
      const key = `${look}|${level}|${tint}`;
      if (entry.look === key) continue;
      entry.look = key;
      entry.node.className = look;
      entry.ink.dataset.h = String(level || "");
      entry.ink.dataset.tint = String(tint);
      entry.node.tabIndex = distance === 0 ? 0 : -1;
      if (distance === 0) this.name(entry.node, run, position);
      else entry.node.removeAttribute("aria-current");
    }
  }

  /**
   * @param {HTMLElement} node
   * @param {Run} run
   * @param {number} position
   */
  name(node, run, position) {
    node.setAttribute("role", "button");
    node.setAttribute("aria-current", "true");
    node.setAttribute("aria-label", `${run.labels[position]}, position ${position}`);
  }

  /**
   * 0 = likely ... 4 = below 1 %.
   *
   * @param {number} probability
   */
  tint(probability) {
    if (!Number.isFinite(probability)) return "";
    return probability >= 0.5 ? 0 : probability >= 0.2 ? 1 : probability >= 0.05 ? 2 : probability >= 0.01 ? 3 : 4;
  }

  /** A small number where each hop begins. Laid over the text, so that the text itself need not move. */
  drawBands() {
    const { run, t } = this.player;
    const marks = [];
    const frame = this.host.getBoundingClientRect();
    for (let k = 1; this.colourBy === "hops" && k <= run.layers && run.meta.mode === "desk"; k++) {
      const entry = this.spans.get(t - run.cumulative[k]);
      if (!entry || (run.layers > 12 && k % 4)) continue;
      const place = entry.ink.getClientRects()[0];
      if (!place || place.bottom < frame.top - 99 || place.top > frame.bottom + 99) continue;
      const mark = el("span", { class: "mx-band" }, String(k));
      const x = place.left - frame.left - 2;
      mark.style.transform = `translate(${x}px, ${place.top - frame.top + this.host.scrollTop - 0.5 * rem()}px)`;
      marks.push(mark);
    }
    this.bands.replaceChildren(...marks);
  }

  /** Scrolls the panel, never the page. */
  keepInView() {
    const entry = this.spans.get(this.player.t);
    if (!entry) return;
    const box = this.host.getBoundingClientRect();
    const word = entry.node.getBoundingClientRect();
    if (!box.height || !word.height) return;
    const below = word.bottom - box.bottom + word.height * 1.2;
    const above = word.top - box.top - word.height * 1.2;
    if (below > 0)
      this.host.scrollTop += this.player.run.meta.status === "running" ? below : Math.max(below, box.height * 0.25);
    else if (above < 0) this.host.scrollTop += above;
  }
}
