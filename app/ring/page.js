// The page ring: takes payloads, owns the playhead, and lets every panel draw the same moment.

import { AllRings } from "./all_rings.js";
import { AskableText, HeldTimeline, OpenableRing, showWordOrSlot } from "./parts.js";
import { ForgottenPanel } from "./forgotten.js";
import { Memory } from "../kit/memory.js";
import { Playhead } from "../kit/playhead.js";
import { RingRun } from "./run.js";
import { Scenes } from "./scenes.js";
import { allTable, slotTable } from "./tables.js";
import { SlotPanel } from "./slot.js";
import { clamp, grouped, plural, quoted, shorten } from "../kit/format.js";
import { span } from "./plans.js";
import { el, legend, segmented } from "../kit/dom.js";
import { ringTable } from "../kit/reads.js";
import { SourcePanel } from "../kit/source.js";
import { term } from "../kit/terms.js";
import { lead } from "../kit/together.js";
import { keepPlace, openAt } from "../kit/places.js";

/** @import { RingPayload } from "./run.js" */
/** @import { Events, RingHeader } from "./types.js" */
/** @import { Cell } from "../kit/playhead.js" */
/** How a run was last looked at.
 * @typedef {{ t: number, end: boolean, layer: number, head: number, chosenSlot: number | null, scene: Scene,
 *   target: number | null }} RingView */
/** @typedef {"steps" | "chunks" | "rewind"} Scene */
/** @typedef {"go" | "ask"} Click */

/** @type {[Scene, string, string?][]} */
const SCENES = [
  ["steps", "step by step"],
  ["chunks", "prompt, chunk by chunk", "chunk"],
  ["rewind", "going back"],
];
/** @type {[Click, string][]} */
const CLICKS = [
  ["go", "go there"],
  ["ask", "ask about it"],
];

/** @type {Memory<RingRun, RingView>} */
const memory = new Memory(RingRun);

/** @extends {Playhead<RingPayload, RingRun, Events, RingView>} */
export default class RingPage extends Playhead {
  /** @param {HTMLElement} host @param {{ markup: string, style: string }} look */
  constructor(host, look) {
    super(host, look, memory);
    /** @type {Scene} */
    this.scene = "steps";
    /** @type {Click} what a click on a word does */
    this.clickMode = "go";
    /** @type {number | null} null = the one just written */
    this.chosenSlot = null;
    /** @type {number | null} position of the word that is asked about; null = none was chosen */
    this.asked = null;
    this.text = new AskableText(this);
    this.all = new AllRings(this);
    this.ring = new OpenableRing(this);
    this.slotPanel = new SlotPanel(this);
    this.scenes = new Scenes(this);
    this.forgotten = new ForgottenPanel(this);
    this.timeline = new HeldTimeline(this);
    this.source = new SourcePanel(this.part("source"));
    this.bind({
      "chunk-back": () => this.scenes.move(-1),
      "chunk-on": () => this.scenes.move(1),
      "mark-back": () => this.mark(this.marked() - 1),
      "mark-on": () => this.mark(this.marked() + 1),
      measure: () =>
        this.trigger("measure", {
          run: this.run.id,
          position: this.marked(),
          step: this.t,
          word: this.forgotten.word.value,
        }),
      "save-slot": () => this.slotPanel.saveTable(),
      "save-mask": () => this.scenes.saveMask(),
      cancel: () => this.trigger("cancel", { run: this.run.id, n: performance.now() }),
      live: () =>
        this.trigger("live", {
          run: this.run.id,
          n: performance.now(),
          t: this.t,
          layer: this.layer,
          head: Math.max(this.head, -1),
        }),
    });
  }

  tables() {
    return { all: () => allTable(this), ring: () => ringTable(this), "slot-numbers": () => slotTable(this) };
  }

  /** @param {RingRun} run @param {RingPayload} payload */
  absorb(run, payload) {
    const change = super.absorb(run, payload);
    run.takeSlot(payload);
    return change;
  }

  /** @param {RingRun} run @param {RingHeader} header */
  open(run, { at, status, beside }) {
    Object.assign(this, { run, target: null, asked: beside.ask, moved: false });
    if (beside.put) this.part("word", HTMLInputElement).value = beside.put;
    this.text.reset();
    this.fillPickers(run);
    const view = this.memory.views.get(run.id);
    openAt(this, { at, status }, view, -1);
    // a group of heads is known on this page only
    if (view && this.head === -1 && view.head < -1) this.head = view.head;
    this.chosenSlot = view?.chosenSlot ?? null;
    this.scene = view?.scene ?? "steps";
  }

  remember() {
    keepPlace(this);
    const { t, layer, head, chosenSlot, scene, target } = this;
    this.memory.views.set(this.run.id, { t, end: t >= this.run.count - 1, layer, head, chosenSlot, scene, target });
  }

  byHead() {
    return Boolean(this.run.pattern) && this.run.heads > 1;
  }
  groups() {
    return this.byHead() && this.run.meta.model.n_kv_heads < this.run.meta.model.n_heads
      ? this.run.meta.model.n_kv_heads
      : 0;
  }

  /** @param {RingRun} run
   * @returns {[number, string][]} */
  headOptions({ meta: { model } }) {
    return [
      [-1, "all heads, mean"],
      ...span(0, this.groups()).map((i) => /** @type {[number, string]} */ ([-2 - i, `KV head ${i + 1}, mean`])),
      ...span(0, this.byHead() ? model.n_heads : 0).map((i) => /** @type {[number, string]} */ ([i, `head ${i + 1}`])),
    ];
  }

  /** @param {number} layer */
  pickLayer(layer, slot = this.chosenSlot) {
    this.chosenSlot = slot;
    super.pickLayer(layer);
  }

  /** @param {number | null} slot null = the one just written */
  pickSlot(slot) {
    this.chosenSlot = slot;
    this.draw();
    lead(this);
  }

  shared() {
    const { scene, chosenSlot } = this;
    return { ...super.shared(), scene, chosenSlot };
  }

  /** How many slots of this layer hold another token than in the run beside.
   * @param {RingPage} other */
  apart(other) {
    const { t } = this;
    const [slots, beside] = [this.slots(), other.slots()];
    if (other.t !== t) return "";
    if (slots !== beside) return `${plural(slots, "slot")} here, ${grouped(beside)} there`;
    const token = (/** @type {RingPage} */ page, /** @type {number} */ slot) => {
      const position = page.run.held(slot, t, slots);
      return position < 0 ? -1 : page.run.ids[position];
    };
    const different = span(0, slots).filter((slot) => token(this, slot) !== token(other, slot)).length;
    return `${grouped(different)} of ${plural(slots, "slot")} hold another token`;
  }

  /** Slots of the chosen layer; the one that is open, and the position it holds. */
  slots() {
    return this.all.slots(this.layer);
  }
  slot() {
    return this.chosenSlot === null ? this.run.slot(this.t, this.slots()) : Math.min(this.chosenSlot, this.slots() - 1);
  }
  held() {
    return this.run.held(this.slot(), this.t, this.slots());
  }

  /** The word that is asked about: the one chosen, else the one that has just left all rings. */
  marked() {
    const { run, t } = this;
    const first = Math.max(run.sinks, 1);
    return clamp(
      this.asked ?? (Number.isFinite(run.largest) ? Math.max(t - run.largest, Math.min(first, t)) : 0),
      0,
      t,
    );
  }

  /** @param {number} position */
  mark(position) {
    this.asked = clamp(position, 0, this.t);
    this.draw();
  }

  headName() {
    return this.head < -1 ? `mean of the heads of KV head ${-1 - this.head}` : super.headName();
  }

  /** @param {number} position @param {Element | null} node @param {Cell | null} cell */
  explainToken(position, node, cell) {
    showWordOrSlot(this, position, node, cell);
  }

  /** @param {1 | -1} step */
  stepBy(step) {
    if (this.scene === "chunks") this.scenes.move(step);
    else super.stepBy(step);
  }

  rootData() {
    return { kv: this.run.kv ? "1" : "0" };
  }

  sentence() {
    return `${super.sentence()} ${this.ring.sentence()}`;
  }

  drawPictures() {
    if (this.scene === "steps") {
      this.all.draw();
      this.ring.draw();
    } else this.scenes.draw(this.scene);
    this.drawStep();
    this.slotPanel.draw();
    this.forgotten.draw();
  }

  prepare() {
    this.root.dataset.scene = this.scene;
  }

  drawBar() {
    const { run, t } = this;
    const { provenance } = run.meta;
    this.drawChips(`${grouped(t + 1)} of ${plural(run.count, "token")} read`);
    for (const name of ["all-badge", "ring-badge"]) this.part(name).textContent = provenance;
    this.part("seen").textContent = shorten(run.labels[t], 18);
    segmented(this.part("scene"), SCENES, this.scene, (value) => {
      this.scene = value;
      this.draw();
      lead(this);
    });
    segmented(this.part("click-mode"), CLICKS, this.clickMode, (value) => {
      this.clickMode = value;
      this.draw();
    });
    /** @param {string} kind @param {string} text @param {number} [h] */
    const sample = (kind, text, h) =>
      el("span", { class: `mx-tok mx-sample ${kind}` }, el("span", { class: "mx-w", "data-h": h ?? "" }, text));
    this.part("text-legend").replaceChildren(
      sample("", "in the rings", 1),
      " ",
      sample("mx-out", "left all rings"),
      " ",
      el("span", { class: "mx-tok mx-sample", "data-marked": "" }, el("span", { class: "mx-w" }, "asked about")),
    );
    this.part("all-title").replaceChildren(
      ...(run.oneWindow && Number.isFinite(run.smallest)
        ? [`All ${run.layers} rings: `, term("slot", run.slotRule(run.smallest))]
        : [`The rings of all ${run.layers} layers`]),
    );
    const lost = run.overwrites(t, this.layer); // -1: nothing was
    this.part("all-legend").replaceChildren(
      legend("ring-key-write", "written in this step"),
      legend("mx-key-attention", run.pattern ? `attention from ${quoted(shorten(run.labels[t], 12))}` : run.meta.note),
      legend("ring-key-open", "the chosen slot; click another"),
      ...(run.pattern && run.meta.note ? [el("span", {}, run.meta.note)] : []),
      ...(lost >= 0
        ? [
            el(
              "span",
              { class: "mx-entry" },
              `overwritten${run.oneWindow ? "" : ` in layer ${this.layer + 1}`}: `,
              el("s", { class: "mx-serif" }, shorten(run.labels[lost], 12)),
              `@${lost}`,
            ),
          ]
        : []),
    );
  }

  drawStep() {
    const { run, t, layer } = this;
    const window = run.windows[layer];
    const ring = Number.isFinite(window);
    /** @param {number} p */
    const slot = (p) => run.slot(p, run.slotsOf(layer));
    /** @param {number} p */
    const word = (p) => el("b", { class: "mx-serif" }, shorten(run.labels[p] ?? "", 14));
    /** @type {(Node | string)[][]} */
    const lines = [
      ["read ", el("b", { class: "mx-q mx-serif" }, shorten(run.labels[t], 14)), ` at position ${t}`],
      ring
        ? ["wrote slot ", el("b", {}, String(slot(t))), `${run.slotSum(t, window)}, in every head`]
        : ["stored its key and value; no window"],
    ];
    const lost = run.overwrites(t, layer);
    if (ring)
      lines.push(
        lost >= 0
          ? ["overwrote what ", word(lost), ` (${lost}) had left`]
          : [`the slot was empty; first overwrite at position ${run.slotsOf(layer)}`],
      );
    const kept = run.outside(t, window);
    lines.push([
      "read ",
      el("b", {}, String(Math.min(t + 1, run.slotsOf(layer)))),
      ` of ${plural(t + 1, "key")}: positions ${kept.length ? `${kept.join(", ")} (kept) and ` : ""}`,
      `${ring ? Math.max(0, t - window + 1) : 0} to ${t}`,
    ]);
    const next = run.overwrites(t + 1, layer);
    if (next >= 0)
      lines.push(["next: slot ", el("b", {}, String(slot(t + 1))), ", overwrites ", word(next), ` (${next})`]);
    const gone = Number.isFinite(run.largest) ? Math.max(0, t - run.largest + 1 - run.sinks) : 0;
    lines.push(gone ? [`left all rings: ${plural(gone, "token")}`] : ["no token has left the rings yet"]);
    this.part("step").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
    this.source.take(run.codes);
    this.source.show("read_and_write", t < run.meta.n_prompt ? "more" : "one");
  }

  drawPointed() {
    this.text.draw();
    this.ring.mark();
  }
}
