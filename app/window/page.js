// What may a token see? One text, its mask and scores, one row of it, and a case that can be counted.

import { Bar } from "./bar.js";
import { Case } from "./case.js";
import { Change } from "./change.js";
import { Mask } from "./mask.js";
import { Row } from "./row.js";
import { Story } from "./story.js";
import { hearKeys } from "../kit/keys.js";
import { Surface } from "../kit/surface.js";
import { caseTable, changeTable, maskTable } from "./tables.js";
import { WindowRun, weights } from "./run.js";
import { clamp, grouped } from "../kit/format.js";
import { firstStep, keepPlace, placeOf, reportedPlace, takePlace } from "../kit/places.js";
import { settled } from "../kit/timing.js";

/**
 * @typedef {import("./types.js").WindowChoice} Choice
 * @typedef {import("./types.js").WindowHeader} WindowHeader
 * @typedef {import("./types.js").WindowArrays} WindowArrays
 */

/** @extends {Surface<WindowRun, import("./types.js").Events>} */
export default class WindowPage extends Surface {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("../kit/mount.js").Look} look
   */
  constructor(host, look) {
    super(host, look);
    /** What is asked; what has come may answer the question before.
     * @type {Choice} */
    this.choice = { window: null, plus: false };
    this.asked = 0;
    this.t = 0;
    this.layer = 0;
    this.head = 0;
    /** Whether a hand or a link has put the eye somewhere; a position that a link asks for and that is still coming. */
    this.moved = false;
    /** @type {number | null} */
    this.target = null;
    this.mounted = performance.now();
    /** From then to the first picture, ms.
     * @type {number | null} */
    this.openMs = null;
    /** What is drawn of a pair: its weight, or its score.
     * @type {"weight" | "score"} */
    this.what = "weight";
    this.mask = new Mask(this);
    this.panels = [new Bar(this), new Case(this), new Story(this), this.mask, new Row(this), new Change(this)];
    this.send = settled(() => this.question(), 200);
    this.report = settled(() => this.settle(), 300);
    this.bind({ own: () => this.ask({ window: null, plus: false }) });
    hearKeys(this.root, (key) => this.key(key));
  }

  tables() {
    return {
      case: () => caseTable(this),
      mask: () => maskTable(this),
      change: () => changeTable(this),
    };
  }

  /** @param {string} key */
  key(key) {
    if (!this.run) return false;
    const { t, layer, head } = this;
    const heads = this.run.meta.model.n_heads;
    if (key === "ArrowLeft") this.go({ t: t - 1 });
    else if (key === "ArrowRight") this.go({ t: t + 1 });
    else if (key === "Home") this.go({ t: 0 });
    else if (key === "End") this.go({ t: this.run.count - 1 });
    else if (key === "ArrowUp") this.go({ layer: layer + 1 });
    else if (key === "ArrowDown") this.go({ layer: layer - 1 });
    else if (key === "]") this.go({ head: (head + 1) % heads });
    else if (key === "[") this.go({ head: (head + heads - 1) % heads });
    else return false;
    return true;
  }

  /** Windows of all layers under the choice; Infinity = none. */
  get windows() {
    const { window, plus } = this.choice;
    return this.run.windows.map((own) => (window ?? own) + (plus ? 1 : 0));
  }

  /** W of the layer that is looked at. */
  get window() {
    return this.windows[this.layer];
  }

  /** Whether what has come was read with the chosen windows, and the numbers of the chosen layer are among it. */
  get fresh() {
    const { windows, layers } = this.run.meta;
    if (!layers.includes(this.layer)) return false;
    return windows.length > 0 && windows.every((window, layer) => (window ?? Infinity) === this.windows[layer]);
  }

  /** The weights of a query; null = the numbers are not here.
   * @param {number} query */
  weights(query) {
    const { layer, head, run } = this;
    const scores = this.fresh ? run.scores(layer, head, query) : null;
    return scores && { scores, weights: weights(scores, query, this.window, run.own.sinks) };
  }

  /** @param {{ header: WindowHeader, arrays: WindowArrays }} payload */
  take({ header, arrays }) {
    const first = this.run?.id !== header.run;
    const grown = first || this.run.count !== header.tokens.length;
    this.run = new WindowRun(header, arrays);
    if (first || header.asked >= this.asked) {
      this.asked = header.asked;
      this.choice = { ...header.choice };
    }
    if (grown) for (const panel of this.panels) if (panel instanceof Story) panel.reset();
    if (first) this.open();
    if (this.target !== null && this.target < this.run.count) this.goQuietly(this.target, this.layer, this.head);
    this.goQuietly(this.t, this.layer, this.head);
    this.message(header.message);
    this.draw();
    if (!header.layers.includes(this.layer) && header.layers.length && !header.reading) this.ask({});
  }

  /** Where the visitor was in this run, else where a word has left the window. */
  open() {
    this.moved = false;
    this.target = null;
    const place = placeOf(this.run.id, this.run.meta.at);
    if (place) takePlace(this, place);
    else this.goQuietly(firstStep(this.run, this.run.meta.status), this.run.middle, 0);
  }

  /** @param {number} t @param {number} layer @param {number} head below 0 = the first */
  goQuietly(t, layer, head) {
    this.t = clamp(t, 0, this.run.count - 1);
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, 0, this.run.meta.model.n_heads - 1);
    if (this.target !== null && this.t >= this.target) this.target = null;
  }

  /** @param {{ t?: number, layer?: number, head?: number }} place */
  go({ t = this.t, layer = this.layer, head = this.head }) {
    if (!this.run) return;
    this.target = null;
    this.goQuietly(t, layer, head);
    this.moved = true;
    keepPlace(this);
    this.report();
    if (this.run.meta.layers.length && this.run.kept(this.layer) < 0) this.ask({});
    else this.draw();
  }

  settle() {
    const at = reportedPlace(this);
    if (at) this.emitNew("at", at);
  }

  /** @param {Partial<Choice>} change */
  ask(change) {
    if (!this.run) return;
    this.choice = { ...this.choice, ...change };
    this.asked += 1;
    this.send();
    this.draw();
  }

  question() {
    this.emit("ask", { run: this.run.id, n: this.asked, layer: this.layer, ...this.choice });
  }

  draw() {
    const { run, root } = this;
    if (!run) return;
    const began = performance.now();
    const { model, status, reading } = run.meta;
    const named = this.part("model");
    named.textContent = `${model.name} · ${model.n_layers} layers · ${model.n_heads} heads · ${run.own.windowName()}`;
    const state = this.part("status");
    state.hidden = status !== "running" && !reading;
    state.textContent = reading ? `${reading[2] || "reading"} …` : `being written, ${grouped(run.count)} tokens`;
    for (const panel of this.panels) panel.draw(run);
    const can = run.meta.can_measure;
    for (const badge of ["mask-badge", "row-badge"]) this.part(badge).textContent = can ? "derived" : "no model";
    this.part("change-badge").textContent = can ? "model" : "no model";
    this.openMs ??= performance.now() - this.mounted;
    Object.assign(root.dataset, {
      run: run.id,
      t: this.t,
      layer: this.layer,
      head: this.head,
      window: Number.isFinite(this.window) ? this.window : "none",
      plus: this.choice.plus ? "1" : "0",
      count: run.count,
      asked: this.asked,
      fresh: this.fresh ? "1" : "0",
      status,
      ready: "1",
      openMs: this.openMs.toFixed(1),
      drawMs: (performance.now() - began).toFixed(1),
    });
  }

  dispose() {
    this.send.cancel();
    this.report.cancel();
    this.leave();
  }
}
