// One text, its map of knock-outs and its changed copy: takes payloads, owns what is asked, lets every part draw the
// same moment.

import { Another } from "./another.js";
import { Both } from "./both.js";
import { BreakRun } from "./run.js";
import { Choosing } from "./choosing.js";
import { PartMap } from "./map.js";
import { Story } from "./story.js";
import { Strip } from "./strip.js";
import { klTable, mapTable } from "./tables.js";
import { hearKeys } from "../kit/keys.js";
import { Surface } from "../kit/surface.js";
import { Windows } from "../kit/windows.js";
import { el } from "../kit/dom.js";
import { grouped, quoted } from "../kit/format.js";
import { nats, toggled } from "./changes.js";
import { settled } from "../kit/timing.js";
import { spot, unreported } from "../kit/places.js";

/**
 * @typedef {import("./types.js").ChoiceHeader} Choice
 * @typedef {import("./types.js").BreakHeader} BreakHeader
 * @typedef {import("./types.js").BreakArrays} BreakArrays
 */

/** How a visitor works, on whichever picture of this page he comes back to.
 * @type {{ by: import("./run.js").Columns, several: boolean }} */
const manner = { by: "heads", several: false };

/** @extends {Surface<BreakRun, import("./types.js").Events>} */
export default class BreakPage extends Surface {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("../kit/mount.js").Look} look
   */
  constructor(host, look) {
    super(host, look);
    /** What is asked.
     * @type {Choice} */
    this.choice = { target: 0, level: "zero", changes: null, writing: "greedy" };
    /** Number of the last question. */
    this.asked = 0;
    /** Columns of the map, and whether a click on a part leaves the other changes as they are. */
    this.manner = manner;
    /** @type {import("./story.js").Clicks} */
    this.clicks = "target";
    this.acts = 0;
    this.mounted = performance.now();
    /** From then to the first picture, ms.
     * @type {number | null} */
    this.openMs = null;
    /** Who sees whom. */
    this.windows = new Windows();
    this.another = new Another(this);
    this.panels = [
      new PartMap(this),
      new Story(this),
      new Strip(this),
      new Both(this),
      new Choosing(this),
      this.another,
    ];
    this.send = settled(() => this.question(), 150);
    this.bind({ stop: (button) => this.press("stop", button), again: (button) => this.press("again", button) });
    hearKeys(this.root, (key) => this.key(key));
  }

  tables() {
    return { map: () => mapTable(this), strip: () => klTable(this) };
  }

  /** @param {string} key */
  key(key) {
    if (!this.run) return false;
    const { target } = this.choice;
    if (key === "ArrowLeft") this.choose(target - 1);
    else if (key === "ArrowRight") this.choose(target + 1);
    else if (key === "Home") this.choose(0);
    else if (key === "End") this.choose(this.run.count - 1);
    else return false;
    return true;
  }

  /** Whether what has come answers the last question. */
  get fresh() {
    return this.run && this.run.meta.asked >= this.asked;
  }

  /** Whether the map is that of the chosen prediction. */
  get mapped() {
    const { target, level } = this.run.meta.choice;
    return target === this.choice.target && level === this.choice.level && this.run.arrays.heads !== undefined;
  }

  /** Whether the changed run is the one that is asked for. */
  get laid() {
    return this.fresh && this.run.meta.changed !== null;
  }

  /** @param {{ header: BreakHeader, arrays: BreakArrays }} payload */
  take({ header, arrays }) {
    const first = this.run?.id !== header.run;
    const grown = first || this.run.count !== header.tokens.length;
    this.run = new BreakRun(header, arrays);
    this.windows.setReach(header.model.windows, header.model.sinks);
    if (first || header.asked >= this.asked) {
      this.asked = header.asked;
      this.choice = { ...header.choice };
    }
    if (grown) for (const panel of this.panels) if (panel instanceof Story) panel.reset();
    this.message(header.message);
    const place = first ? unreported(this.run.id) : null;
    if (place) this.comeFrom(place);
    this.draw();
  }

  /** A step made just before another page was left: Python hears of it now, and begins there.
   * @param {import("../kit/places.js").Stay} place */
  comeFrom(place) {
    const { t, layer, head } = place;
    place.reported = spot(place);
    this.asked += 1;
    this.emit("ask", { run: this.run.id, n: this.asked, at: { t, layer, head } });
  }

  /** A click on a word.
   * @param {number} position */
  pick(position) {
    if (this.clicks === "target") this.choose(position);
    else if (this.clicks === "edge") this.toggle(this.another.edge(position));
    else if (this.clicks === "source") this.another.replace(position);
    else if (position < this.run.count - 1) this.toggle(`hide:${position}`);
  }

  /** Whether the chosen word sees another one, in any layer.
   * @param {number} position */
  sees(position) {
    const { target } = this.choice;
    return position < target && this.windows.windows.some((_, layer) => this.windows.sees(layer, target, position));
  }

  /** Another prediction.
   * @param {number} position */
  choose(position) {
    if (!this.run || position < 0 || position >= this.run.count || position === this.choice.target) return;
    this.ask({ target: position });
  }

  /** A click on a part, or on a word to hide.
   * @param {string} change */
  toggle(change) {
    this.ask({ changes: toggled(this.choice.changes ?? [], change, this.manner.several) });
  }

  /** @param {Partial<Choice>} change */
  ask(change) {
    if (!this.run) return;
    // What was chosen for the visitor is chosen anew with another prediction.
    const given = this.run.meta.chosen_for && this.fresh && !("changes" in change) ? { changes: null } : {};
    this.choice = { ...this.choice, ...given, ...change };
    this.asked += 1;
    this.send();
    this.draw();
  }

  question() {
    this.emit("ask", { run: this.run.id, n: this.asked, ...this.choice });
  }

  /** A button that Python hears of, once.
   * @param {import("./types.js").Act["what"]} what
   * @param {HTMLButtonElement} button */
  press(what, button) {
    this.acts += 1;
    this.emit("act", { run: this.run.id, what, n: this.acts });
    button.disabled = true;
  }

  /** What is known of one prediction, beside its word or its bar.
   * @param {number | null} position
   * @param {Element | null} node
   * @param {import("../kit/surface.js").Point | null} [place] */
  tell(position, node, place = null) {
    const { run } = this;
    if (position === null || !run) {
      this.part("pop").hidden = true;
      return;
    }
    const { kl, moved } = run.arrays;
    const word = el("b", { class: "mx-serif" }, run.labels[position]);
    const lines = [el("p", { class: "mx-pop-title" }, word, ` position ${position}`)];
    if (this.clicks === "edge" && !this.sees(position)) lines.push(el("p", {}, this.another.unseen(position)));
    if (this.laid && kl && moved) {
      lines.push(el("p", {}, kl[position] === 0 ? "same prediction, bit for bit" : `KL ${nats(kl[position])} nats`));
      if (Number.isFinite(moved[position])) {
        const next = quoted(run.labels[position + 1].trim() || "␣");
        lines.push(el("p", {}, `ln p of ${next} changes by ${nats(moved[position])}`));
      }
    }
    this.explain(lines, node, place);
  }

  draw() {
    const { run, root } = this;
    if (!run) return;
    const began = performance.now();
    const { model, status } = run.meta;
    this.part("model").replaceChildren(
      el("b", {}, model.name),
      ` ${model.n_layers} layers · ${model.n_heads} heads · ${model.n_kv_heads} K/V heads`,
    );
    this.part("status").hidden = status !== "running";
    this.part("status").textContent = `being written, ${grouped(run.count)} tokens`;
    this.part("text-title").replaceChildren("The same text, read twice");
    for (const panel of this.panels) panel.draw(run);
    for (const badge of ["text-badge", "map-badge", "next-badge", "written-badge"])
      this.part(badge).textContent = run.meta.can_measure ? "model" : "no model";
    this.openMs ??= performance.now() - this.mounted;
    Object.assign(root.dataset, {
      run: run.id,
      target: this.choice.target,
      level: this.choice.level,
      changes: (this.choice.changes ?? []).join(","),
      count: run.count,
      asked: this.asked,
      mapped: this.mapped ? "1" : "0",
      fresh: this.laid ? "1" : "0",
      stopped: run.meta.stopped ? "1" : "0",
      status,
      ready: "1",
      openMs: this.openMs.toFixed(1),
      drawMs: (performance.now() - began).toFixed(1),
    });
  }

  dispose() {
    this.send.cancel();
    this.leave();
  }
}
