// The first picture of the page inside_a_block: one token in one layer. Takes payloads, owns what is looked at, lets
// every panel draw the same moment, and asks Python for the numbers that are missing.

import { BEHIND, boxOf, BOXES, BY_KEY, OF_KEYS } from "./boxes.js";
import { BoxCard, keyWord } from "./box_card.js";
import { Diagram } from "./diagram.js";
import { EndingPanel } from "./ending_panel.js";
import { Memory } from "../kit/memory.js";
import { numbered, Playhead } from "../kit/playhead.js";
import { RopePanel } from "./rope_panel.js";
import { ScorePanel } from "./score_panel.js";
import { SourcePanel } from "../kit/source.js";
import { TokenRun } from "./run.js";
import { SeenText, TokenTimeline } from "./parts.js";
import { WorkedCard } from "./worked_card.js";
import { clamp, grouped, quoted, shorten } from "../kit/format.js";
import { keepPlace, openAt } from "../kit/places.js";
import { el } from "../kit/dom.js";
import { lead } from "../kit/together.js";
import { settled } from "../kit/timing.js";

/** @import { TokenPayload } from "./run.js" */
/** @import { Events, TokenHeader } from "./types.js" */
/** How a run was last looked at.
 * @typedef {{ t: number, end: boolean, layer: number, head: number, target: number | null }} View */

/** @type {Memory<TokenRun, View>} */
const memory = new Memory(TokenRun);
/** On whichever run: the box that is looked at. */
const manner = { box: "resid_pre" };
const AGAIN = 4000; // ms after which a look that nobody answered is said once more

/** @extends {Playhead<TokenPayload, TokenRun, Events, View>} */
export default class TokenPage extends Playhead {
  /** @param {HTMLElement} host @param {{ markup: string, style: string }} look */
  constructor(host, look) {
    super(host, look, memory);
    this.box = manner.box;
    /** @type {Map<string, number[]>} by box, the number that was clicked */
    this.cells = new Map();
    /** What was asked for last, and when. */
    this.asked = { what: "", n: 0 };
    this.mounted = performance.now();
    /** From then to the first numbers, ms. */
    this.openMs = NaN;
    /** @type {SeenText} */
    this.text = new SeenText(this);
    this.timeline = new TokenTimeline(this);
    this.diagram = new Diagram(this);
    this.boxCard = new BoxCard(this);
    this.workedCard = new WorkedCard(this);
    this.panels = [
      this.diagram,
      this.boxCard,
      this.workedCard,
      new RopePanel(this),
      new ScorePanel(this),
      new EndingPanel(this),
    ];
    this.source = new SourcePanel(this.part("source"));
    this.ask = settled(() => this.look(), 40);
    this.bind({
      "save-terms": () => this.workedCard.save(),
      "save-box": () => this.boxCard.save(),
    });
  }

  tables() {
    return { "box-title": () => this.boxCard.table() };
  }

  /** @param {TokenRun} run @param {TokenPayload} payload */
  absorb(run, payload) {
    const change = super.absorb(run, payload);
    run.takeInside(payload);
    return change;
  }

  /** @param {TokenRun} run @param {TokenHeader} header */
  open(run, { at, status, box }) {
    Object.assign(this, { run, target: null, moved: false });
    if (box && !this.memory.views.has(run.id)) this.box = boxOf(box).id;
    this.cells.clear();
    this.text.reset();
    this.fillPickers(run);
    const view = this.memory.views.get(run.id);
    openAt(this, { at, status }, view, -1);
  }

  remember() {
    keepPlace(this);
    const { t, layer, head, target } = this;
    this.memory.views.set(this.run.id, { t, end: t >= this.run.count - 1, layer, head, target });
    manner.box = this.box;
  }

  /** @param {TokenRun} run
   * @returns {[number, string][]} */
  headOptions({ meta: { model } }) {
    return [[-1, "any"], ...numbered(model.n_heads)];
  }

  /** The head whose numbers are looked at first. */
  get row() {
    return Math.max(this.head, 0);
  }
  get token() {
    return this.run.tokens.get(this.t) ?? null;
  }
  /** What was said of this token last. */
  get meta() {
    return this.token?.meta ?? null;
  }
  /** Whether the text was read again for it, so that every number is there. */
  get read() {
    return this.meta?.status === "done";
  }

  /** The number that is looked at: the clicked one, else the first one.
   * @returns {number[] | null} */
  get cell() {
    return this.cells.get(this.box) ?? this.firstCell(this.box);
  }
  /** @param {string} box */
  firstCell(box) {
    return this.token?.first.get(`${this.layer}/${this.row}/${box}`) ?? null;
  }
  get worked() {
    return this.token?.worked.get(`${this.layer}/${this.box}/${this.cell}`) ?? null;
  }
  /** Position of the key whose score is taken apart; -1 = none. */
  get scoreKey() {
    return BY_KEY.has(this.box) ? (this.cell?.at(-1) ?? -1) : -1;
  }
  get split() {
    return this.token?.splits.get(`${this.layer}/${this.row}/${this.scoreKey}`) ?? null;
  }

  /** Left and right walk along the data.
   * @param {1 | -1} step */
  stepBy(step) {
    const at = BOXES.findIndex(({ id }) => id === this.box);
    this.pickBox(BOXES[clamp(at + step, 0, BOXES.length - 1)].id);
  }

  /** @param {string} box */
  pickBox(box) {
    this.box = boxOf(box).id;
    this.draw();
    lead(this);
  }

  /** A number is clicked; its head becomes the chosen one.
   * @param {number[]} cell */
  pickCell(cell) {
    const { n_heads, n_kv_heads } = this.run.meta.model;
    this.cells.set(this.box, cell);
    if (cell.length > 1 && this.box !== "logits") {
      const repeats = OF_KEYS.has(this.box) ? n_heads / n_kv_heads : 1;
      const row = Math.floor(this.row / repeats) === cell[0] ? this.row : cell[0] * repeats;
      if (row !== this.row) return this.pickHead(row, true);
    }
    return this.draw();
  }

  /** @param {number} head @param {boolean} [keep]  the clicked number */
  pickHead(head, keep = false) {
    if (!keep)
      for (const box of [...this.cells.keys()]) if ((this.cells.get(box)?.length ?? 0) > 1) this.cells.delete(box);
    super.pickHead(head);
  }

  /** @param {number} pair */
  pickPair(pair) {
    const row = this.cell?.[0] ?? 0;
    this.pickCell([row, 2 * pair]);
  }

  /** @param {number} id */
  pickLogit(id) {
    this.box = "logits";
    this.pickCell([id]);
  }

  /** @param {number} position @param {import("../kit/playhead.js").How} how */
  go(position, how) {
    for (const box of BY_KEY) this.cells.delete(box); // its keys are others
    this.cells.delete("logits");
    super.go(position, how);
  }

  shared() {
    return { ...super.shared(), box: this.box };
  }

  /** How far the numbers of this box are from those of the run beside.
   * @param {TokenPage} other */
  apart(other) {
    const [one, two] = [this, other].map((page) => page.run.numbers(page.t, page.layer, page.box));
    if (!one || !two || one.data.length !== two.data.length) return "";
    let most = 0;
    one.data.forEach((value, i) => {
      if (value !== two.data[i]) most = Math.max(most, Math.abs(value - two.data[i]));
    });
    return most
      ? `largest difference in ${boxOf(this.box).title}: ${most.toPrecision(2)}`
      : `${boxOf(this.box).title}: bit for bit the same`;
  }

  /** A number by its place.
   * @param {number[]} cell */
  nameOf(cell) {
    const { box, run } = this;
    const title = boxOf(box).title;
    if (box === "logits") {
      const label = this.token?.ending?.top.find(({ id }) => id === cell[0])?.label;
      return `the logit of ${label ? quoted(shorten(label, 14)) : `token ${cell[0]}`}`;
    }
    if (box === "mask") return `whether key ${keyWord(run, cell[0])} is seen`;
    if (BY_KEY.has(box)) return `${title}: head ${cell[0] + 1}, key ${keyWord(run, cell[1])}`;
    const where = BEHIND.has(box) ? "" : `, layer ${this.layer + 1}`;
    if (cell.length === 1) return `number ${cell[0] + 1} of ${title}${where}`;
    const head = OF_KEYS.has(box) ? "key/value head" : "head";
    return `number ${cell[1] + 1} of ${head} ${cell[0] + 1} of ${title}${where}`;
  }

  /** Asks for what is missing here, once it rests. */
  look() {
    const { run, t, layer, head, box } = this;
    if (!run?.count || !this.root.isConnected || this.timeline.playing) return;
    if (run.meta.status === "running" && t >= run.count - 1) return; // the end of a growing text moves on
    const cell = this.cells.get(box) ?? [];
    const key = this.scoreKey;
    const what = [run.id, t, layer, this.row, box, cell, key].join("/");
    if (!this.lacks() || (this.asked.what === what && performance.now() - this.asked.n < AGAIN)) return;
    const numbers = !run.numbers(t, layer, "resid_pre");
    this.asked = { what, n: performance.now() };
    this.emit("look", { run: run.id, t, layer, head, box, cell, key, numbers, n: this.asked.n });
  }

  /** Whether something of what is looked at is not here and could be. */
  lacks() {
    if (this.meta && !this.read) return false; // there is no more than that
    if (!this.worked) return true;
    if (!this.run.numbers(this.t, this.layer, "resid_pre")) return true;
    return this.scoreKey >= 0 && !this.split && !this.meta?.split_note;
  }

  /** Why a box has no numbers.
   * @param {string} box */
  why(box) {
    if (this.read || !this.meta) return box === "logits" ? "" : this.waiting();
    return this.meta.text || "Not kept.";
  }

  /** What is said while numbers are on their way, or where there are none. */
  waiting() {
    const { run, t, meta } = this;
    if (meta && !this.read) return meta.text;
    if (this.timeline.playing || (run.meta.status === "running" && t >= run.count - 1))
      return "The numbers come when the step rests.";
    const { reply } = run;
    return reply?.status === "reading" && reply.t === t ? reply.text : "Fetching the numbers of this word …";
  }

  known() {
    const { run } = this;
    /** @type {Record<string, [string | null, number]>} */
    const parts = run.answered ? { look: [String(run.answered), 1] } : {};
    return { run: run.id, to: run.count, parts };
  }

  /** @param {TokenHeader} header */
  answer(header) {
    if (header.inside) this.lastValues.ack = undefined;
    super.answer(header);
  }

  rootData() {
    const { run, t, layer, box, cell } = this;
    const there = Boolean(run.numbers(t, layer, box)) || (box === "logits" && Boolean(this.token?.ending));
    if (there && Number.isNaN(this.openMs)) this.openMs = performance.now() - this.mounted;
    return {
      box,
      cell: cell?.join(",") ?? "",
      numbers: there ? "1" : "0",
      worked: this.worked ? "1" : "0",
      reading: this.meta?.status ?? run.reply?.status ?? "",
      openMs: this.openMs.toFixed(1),
    };
  }

  sentence() {
    return `${super.sentence()} Layer ${this.layer + 1}, ${boxOf(this.box).title}.`;
  }

  drawPictures() {
    for (const panel of this.panels) panel.draw();
    this.drawNote();
    this.source.take(this.run.codes);
    this.source.show(this.run.codes.find(({ marks }) => this.box in marks)?.name ?? "", this.box);
    this.ask();
  }

  /** Where the numbers are from, and what is knocked out. */
  drawNote() {
    const { meta } = this;
    const gap = meta?.gap;
    const lines = [
      ...(meta?.changes.length ? [`In this network ${meta.changes.join(", and ")}.`] : []),
      ...(meta && !this.read ? [meta.text] : []),
      ...(this.read && meta?.text ? [meta.text] : []),
    ];
    this.part("picture-note").textContent = lines.join(" ");
    const known = gap !== null && gap !== undefined;
    this.part("box-gap").textContent = known
      ? "The text was read again for these numbers; the run’s own weights of attention differ from them by " +
        `${gap === 0 ? "nothing" : `at most ${gap.toExponential(1)}`} here.`
      : "";
  }

  drawBar() {
    const { run, t, layer } = this;
    this.drawChips(`${grouped(t + 1)} of ${grouped(run.count)} tokens`);
    const word = el("b", { class: "mx-q mx-serif" }, quoted(shorten(run.labels[t]?.trim() || "␣", 18)));
    this.part("picture-title").replaceChildren(word, ` in layer ${layer + 1} of ${run.layers}`);
    const { title, say } = boxOf(this.box);
    this.part("picture-step").replaceChildren(el("b", {}, `${title}: `), say);
    this.part("picture-badge").textContent = this.meta?.status === "recorded" ? "recorded" : "model";
    const sample = el("span", { class: "mx-tok mx-sample" }, el("span", { class: "mx-w", "data-h": 1 }, "seen"));
    this.part("text-legend").replaceChildren(
      sample,
      ` by ${quoted(shorten(run.labels[t]?.trim() || "␣", 10))} in layer ${layer + 1}`,
    );
  }

  drawPointed() {
    this.text.draw();
  }
}
