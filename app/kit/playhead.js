// What the pictures that step through a run share: they take payloads, own the playhead, and let every panel draw one
// moment. A picture names its panels (`text` and `timeline` always) and draws the others in `drawPictures`.

import { el } from "./dom.js";
import { drawChips } from "./chips.js";
import { clamp } from "./format.js";
import { later } from "./later.js";
import { explainByte, showPopover } from "./popover.js";
import { coming, reportedPlace } from "./places.js";
import { Surface } from "./surface.js";
import { settled, throttled } from "./timing.js";
import { begin, grown, heading, join, lead, part, tellApart } from "./together.js";

/** @typedef {import("./run.js").RunPayload} RunPayload */
/** @typedef {import("./types.js").Ack} Ack */
/** @typedef {import("./types.js").Need} Need */
/** @typedef {import("./types.js").At} At */
/** @typedef {{ ack: Ack, need: Need, at: At }} RunEvents */
/** @typedef {{ by: "hand" | "clock" }} How */
/** @typedef {{ x: number, y: number, title: string, lines: string[] }} Cell  on the screen, and what is known of it */

/**
 * @template {RunPayload} [P=RunPayload]
 * @template {import("./run.js").Run<P>} [R=import("./run.js").Run<P>]
 * @template {RunEvents} [Events=RunEvents]  what the picture says, by name
 * @template [View=unknown]  how a run was last looked at
 * @extends {Surface<R, Events>}
 */
export class Playhead extends Surface {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("./mount.js").Look} look
   * @param {import("./memory.js").Memory<R, View>} memory  of this kind of picture, kept by its module
   */
  constructor(host, look, memory) {
    super(host, look);
    this.memory = memory;
    this.t = 0;
    this.layer = 0;
    this.head = -1;
    /** @type {number | null} position that a link asked for and that the text may not have yet */
    this.target = null;
    /** Whether a hand or a link has put the playhead somewhere. */
    this.moved = false;
    /** Whether the text on screen is no longer that of the run. */
    this.rewritten = false;
    /** @type {import("./text.js").TextPanel} */
    this.text = later();
    /** @type {import("./timeline.js").Timeline} */
    this.timeline = later();
    /** Model and window that the chip names. */
    this.named = "";
    /** When tokens were last asked for, and how often. */
    this.askedAt = -Infinity;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.saying = undefined;
    this.settle = settled(() => this.emitAt(), 400);
    this.acknowledge = throttled(() => this.emitAck(), 300);
    join(this);
  }

  /** @param {Record<string, (button: HTMLButtonElement) => void>} acts  beside those of the timeline */
  bind(acts = {}) {
    super.bind({
      back: () => this.go(this.t - 1, { by: "hand" }),
      forward: () => this.go(this.t + 1, { by: "hand" }),
      play: () => this.timeline.toggle(),
      end: () => this.go(this.run.count - 1, { by: "hand" }),
      ...acts,
    });
    const layer = this.part("layer", HTMLSelectElement);
    const head = this.part("head", HTMLSelectElement);
    layer.addEventListener("change", () => this.pickLayer(Number(layer.value)));
    head.addEventListener("change", () => this.pickHead(Number(head.value)));
  }

  /**
   * @param {R} run
   * @param {P} payload
   */
  absorb(run, payload) {
    return run.absorb(payload);
  }

  /**
   * Takes one payload: appends, answers gaps, and keeps the playhead where the hand left it.
   *
   * @param {P} payload
   */
  take(payload) {
    const { header } = payload;
    const run = this.memory.runOf(header.run);
    const wasLast = this.run === run && this.t >= run.count - 1;
    const { gap, grew, rewritten } = this.absorb(run, payload);
    if (rewritten && this.run === run) this.rewritten = true;
    if (gap) this.askAgain(run);
    if (!run.count) return this.wait(header);
    if (this.run !== run) {
      this.open(run, header);
      begin(this);
    }
    // follows the growing text; a place that a link asked for is the end of that
    else if (grew && wasLast && !this.timeline.playing) this.t = Math.min(run.count - 1, this.target ?? Infinity);
    if (this.rewritten) this.text.reset();
    this.rewritten = false;
    this.arrived(payload);
    this.draw();
    grown(this);
    this.answer(header);
  }

  /**
   * Nothing of the run is here yet.
   *
   * @param {P["header"]} header
   */
  wait(header) {
    this.message(header.message);
  }

  /**
   * Another run than before comes on the page: each picture says where and how it opens.
   *
   * @param {R} run
   * @param {P["header"]} _header
   */
  open(run, _header) {
    this.run = run;
  }

  /**
   * Shows what is known of a token, or of a cell of a picture that stands for it.
   *
   * @param {number} position
   * @param {Element | null} node
   * @param {Cell | null} cell
   */
  explainToken(position, node, cell) {
    if (cell) showPopover(this, position, node, cell);
    else explainByte(this, position, node);
  }

  /** What arrow keys move: the token that is read, unless a page shows something else that has an order.
   * @param {1 | -1} step */
  stepBy(step) {
    this.go(this.t + step, { by: "hand" });
  }

  /**
   * What else a payload brings, once the run has it and before it is drawn.
   *
   * @param {P} _payload
   */
  arrived(_payload) {}

  /** @param {P["header"]} header */
  answer(header) {
    const { status, from, to } = header;
    const { stages, extras } = /** @type {{ stages?: unknown, extras?: unknown }} */ (header);
    // what was sent is answered, even if it was known
    if (to > from || stages || extras) this.lastValues.ack = undefined;
    if (status === "running") this.acknowledge();
    else this.emitAck();
  }

  /**
   * Tokens are missing: Python is asked for them, at most once a second.
   *
   * @param {R} run
   */
  askAgain(run) {
    if (performance.now() - this.askedAt < 1000) return;
    this.askedAt = performance.now();
    this.emit("need", { run: run.id, from: run.count, n: performance.now() });
  }

  /**
   * @param {number} t
   * @param {number} layer
   * @param {number} head
   */
  goQuietly(t, layer, head) {
    this.t = clamp(t, 0, this.run.count - 1);
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, -1, this.run.meta.model.n_heads - 1);
  }

  /**
   * Values and names of the heads that can be chosen; below 0 are means.
   *
   * @param {R} run
   * @returns {[number, string][]}
   */
  headOptions({ meta: { model, pattern } }) {
    const heads = pattern && !pattern.mean ? model.n_heads : 0;
    return [[-1, "mean"], ...numbered(heads)];
  }

  /** @param {R} run */
  fillPickers(run) {
    /** @param {[number, string][]} choices */
    const options = (choices) => choices.map(([value, label]) => el("option", { value }, label));
    this.part("layer").replaceChildren(...options(run.layerChoices()));
    this.part("head").replaceChildren(...options(this.headOptions(run)));
  }

  /**
   * @param {number} position
   * @param {How} how  a hand stops the clock
   */
  go(position, { by }) {
    if (!this.run?.count) return;
    if (by === "hand" && this.timeline.playing) this.timeline.pause();
    this.target = null;
    this.moved = true;
    this.t = clamp(position, 0, this.run.count - 1);
    this.draw();
    lead(this);
    if (!this.timeline.playing) this.settle();
  }

  /** @param {number} layer */
  pickLayer(layer) {
    this.pick(layer, this.head);
  }
  /** @param {number} head */
  pickHead(head) {
    this.pick(this.layer, head);
  }

  /**
   * @param {number} layer
   * @param {number} head
   */
  pick(layer, head) {
    const known = [...this.part("head", HTMLSelectElement).options].map((option) => Number(option.value));
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, Math.min(...known), Math.max(...known));
    this.moved = true;
    this.draw();
    lead(this);
    this.settle();
  }

  /** How this run is looked at, as far as another one can be looked at so; each picture adds its own. */
  shared() {
    return { t: heading(this), layer: this.layer, head: this.head };
  }

  /** Looks at this run as the picture beside looks at its own.
   * @param {{ t: number, layer: number, head: number }} shared */
  follow({ t, layer, head, ...rest }) {
    if (!this.run?.count) return;
    if (this.timeline.playing) this.timeline.pause();
    Object.assign(this, rest);
    this.target = Number.isFinite(t) ? coming(this.run, t) : null;
    this.goQuietly(t, layer, head);
    this.draw();
  }

  /** What differs between this run and the one beside it, here; each picture says it of what it draws.
   * @param {any} _other  a picture of this kind
   * @returns {string} */
  apart(_other) {
    return "";
  }

  headName() {
    return this.head < 0 ? "mean of the heads" : `head ${this.head + 1}`;
  }

  /**
   * What the picture adds to the data of its root, for styles and tests.
   *
   * @returns {Record<string, string | number>}
   */
  rootData() {
    return {};
  }

  /** What must be so before the pictures are drawn: which of them are there. */
  prepare() {}
  drawBar() {}
  drawPictures() {}
  drawPointed() {}

  /** Notes how the run is looked at, for the next time. */
  remember() {}

  /** Everything on screen shows the same moment. */
  draw() {
    const { run } = this;
    if (!run?.count || !this.root.isConnected) return;
    const began = performance.now();
    this.t = Math.min(this.t, run.count - 1);
    tellApart(this);
    this.prepare();
    // Canvases first: a font is set there only once the browser knows all styles, and words and titles change theirs.
    this.drawPictures();
    this.timeline.draw();
    this.drawBar();
    this.text.draw();
    this.text.keepInView();
    this.text.drawBands();
    this.remember();
    Object.assign(this.root.dataset, {
      step: this.t,
      layer: this.layer,
      head: this.head,
      run: run.id,
      count: run.count,
      status: run.meta.status,
      ...this.rootData(),
      ready: "1",
      drawMs: (performance.now() - began).toFixed(1),
    });
    this.say();
  }

  /** @param {string} read  how much of the text has been read */
  drawChips(read) {
    drawChips(this, read);
  }

  /** The moment in one sentence, for those who do not see it. */
  sentence() {
    const { run, t } = this;
    return `Position ${t}, ${run.labels[t]}.`;
  }

  say() {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      if (this.timeline.playing || this.run.meta.status === "running") return;
      this.part("live-region").textContent = this.sentence();
    }, 500);
  }

  /**
   * One token under the pointer or in focus: every panel marks it, the popover explains it.
   *
   * @param {number | null} position
   * @param {Element | null} [node]
   * @param {Cell | null} [cell]
   */
  point(position, node = null, cell = null) {
    if (position === null || !this.run || position >= this.run.count) {
      this.part("pop").hidden = true;
      if (this.hovered === null) return;
      this.hovered = null;
    } else {
      const same = this.hovered === position;
      this.hovered = position;
      if (node || cell) this.explainToken(position, node, cell);
      if (same) return;
    }
    this.again();
  }

  /** Draws in the next frame what shows the token under the pointer. */
  again() {
    this.soon("pointed", () => {
      if (this.run?.count) this.drawPointed();
    });
  }

  emitAt() {
    const at = reportedPlace(this);
    if (at) this.emitNew("at", at);
  }

  /**
   * What Python need not send again.
   *
   * @returns {Omit<import("./types.js").Ack, "n">}
   */
  known() {
    return { run: this.run.id, to: this.run.count, parts: {} };
  }

  emitAck() {
    const known = this.known();
    this.emitNew("ack", /** @type {Events["ack"]} */ ({ ...known, n: performance.now() }), known);
  }

  dispose() {
    part(this);
    this.timeline.dispose();
    this.settle.cancel();
    this.leave();
  }
}

/**
 * Values from 0 and names from 1 of things of which people count the first as 1.
 *
 * @param {number} many
 * @returns {[number, string][]}
 */
export const numbered = (many) => Array.from({ length: many }, (_, i) => [i, String(i + 1)]);
