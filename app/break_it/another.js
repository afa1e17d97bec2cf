// Another change: an edge, a slot of the ring, the state of another text, a direction. One kind's fields at a time, and
// what they would do in words; Python refuses what cannot be, and says why.

import { el } from "../kit/dom.js";
import { clamp, plural, quoted } from "../kit/format.js";
import { wordAround, wordSpan } from "./words.js";

/**
 * @typedef {import("./run.js").BreakRun} BreakRun
 * @typedef {"" | "edge" | "slot" | "patch" | "add"} Kind
 */

/** @type {[Kind, option: string, button: string][]} */
const KINDS = [
  ["", "distance or attention", ""],
  ["edge", "an edge of attention", "cut it"],
  ["slot", "a slot of the ring", "break it"],
  ["patch", "a patch from another text", "patch it"],
  ["add", "a direction added", "add it"],
];

export class Another {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    /** @type {Kind} */
    this.kind = "";
    /** For which run and kind the fields were filled. */
    this.filled = "";
    this.form = page.part("another", HTMLFormElement);
    const input = (/** @type {string} */ name) => page.part(name, HTMLInputElement);
    const select = (/** @type {string} */ name) => page.part(name, HTMLSelectElement);
    this.input = {
      source: input("source"),
      slot: input("slot"),
      step: input("step"),
      word: input("word"),
      times: input("times"),
    };
    this.select = {
      kind: select("kind"),
      layer: select("layer"),
      holds: select("holds"),
      row: select("row"),
      where: select("where"),
    };
    this.select.kind.addEventListener("change", () => this.open(/** @type {Kind} */ (this.select.kind.value)));
    this.form.addEventListener("input", () => this.page.draw());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const change = this.spelled();
      if (!page.choice.changes?.includes(change)) page.toggle(change);
    });
  }

  /** Whether a word is replaced in another text. */
  get replaces() {
    return this.kind === "patch" || this.kind === "add";
  }

  /** @param {Kind} kind */
  open(kind) {
    this.kind = kind;
    this.page.clicks = kind === "edge" ? "edge" : this.replaces ? "source" : "target";
    this.page.draw();
  }

  /** A click on the word that is to be replaced.
   * @param {number} position */
  replace(position) {
    this.input.source.value = String(position);
    this.page.draw();
  }

  /** The edge from a position to the chosen one, in the layers that the open fields name.
   * @param {number} position */
  edge(position) {
    const layer = this.kind === "edge" ? this.select.layer.value : "";
    return `edge:${position}:${this.page.choice.target}${layer && `:${layer}`}`;
  }

  /** Why there is no edge from a position to the chosen one.
   * @param {number} position */
  unseen(position) {
    const { run, choice } = this.page;
    if (position === choice.target) return "A word always sees itself: no edge to cut.";
    const query = quoted(run.labels[choice.target].trim() || "␣");
    if (position > choice.target) return `No edge: it comes after ${query}.`;
    return `No edge: it has left the window of ${query} in every layer.`;
  }

  /** A position of the text that a field names, while it is being typed too.
   * @param {HTMLInputElement} input */
  place(input) {
    return clamp(Math.floor(Number(input.value)), 0, this.page.run.count - 1);
  }

  /** What the fields say, as Python spells it. */
  spelled() {
    const { input, select } = this;
    const source = this.place(input.source);
    if (this.kind === "edge") return this.edge(source);
    if (this.kind === "slot")
      return `slot:${Number(input.slot.value)}:${Number(input.step.value)}${select.holds.value}`;
    const place = `${this.kind}:${select.row.value}:${this.positions(source)}`;
    const times = this.kind === "add" ? `:${Number(Number(input.times.value).toFixed(3))}` : "";
    return `${place}${times}:${source}:${encodeURIComponent(input.word.value.trim())}`;
  }

  /** Where something is put: 7, or 7-12.
   * @param {number} source */
  positions(source) {
    const { run, choice } = this.page;
    const [first, end] = wordSpan(run.texts, source);
    const { value } = this.select.where;
    const [from, to] =
      value === "source"
        ? [first, end - 1]
        : value === "target"
          ? [choice.target, choice.target]
          : [Math.min(first, choice.target), Math.max(end - 1, choice.target)];
    return from === to ? `${from}` : `${from}-${to}`;
  }

  /** @param {BreakRun} run */
  draw(run) {
    const { page, select } = this;
    const ring = page.windows.windows.some(Number.isFinite);
    const kinds = KINDS.filter(([kind]) => kind !== "slot" || ring);
    if (this.kind === "slot" && !ring) this.kind = "";
    options(
      select.kind,
      kinds.map(([kind, name]) => [kind, name]),
      this.kind,
    );
    this.form.hidden = !this.kind;
    page.part("plain").hidden = Boolean(this.kind);
    if (!this.kind) {
      if (page.clicks === "source") page.clicks = "target";
      this.filled = "";
      return;
    }
    if (this.filled !== `${run.id} ${this.kind}`) this.fill(run);
    for (const row of this.form.querySelectorAll("[data-of]"))
      if (row instanceof HTMLElement) row.hidden = !(row.dataset.of ?? "").split(" ").includes(this.kind);
    for (const field of Object.values(this.input)) field.disabled = Boolean(field.closest("[data-of][hidden]"));
    this.words(run);
  }

  /** Where a visitor starts: the word before the chosen one, its slot, the middle of the network.
   * @param {BreakRun} run */
  fill(run) {
    const { page, input, select } = this;
    this.filled = `${run.id} ${this.kind}`;
    const { target } = page.choice;
    const before = Math.max(target - 1, 0);
    const layers = Array.from({ length: run.layers }, (_, i) => i + 1);
    options(
      select.layer,
      [["", "all layers"], ...layers.map((l) => /** @type {[string, string]} */ ([`${l}`, `layer ${l}`]))],
      "",
    );
    const rows = [0, ...layers];
    options(
      select.row,
      rows.map((row) => [`${row}`, `${row}`]),
      `${Math.ceil(run.layers / 2)}`,
    );
    input.source.max = input.step.max = String(run.count - 1);
    input.source.value = String(this.kind === "edge" ? before : this.content(run, before));
    const slots = page.windows.smallest + page.windows.sinks;
    input.slot.max = String(slots - 1);
    input.slot.value = Number.isFinite(slots) ? String(page.windows.slot(before, slots)) : "";
    input.step.value = String(target);
    input.times.value ||= "1";
  }

  /** The nearest word of some length before a position: one that may matter.
   * @param {BreakRun} run
   * @param {number} before */
  content(run, before) {
    for (let position = before; position > 0; position--)
      if (/^\p{L}{4,}$/u.test(run.texts[position].trim())) return position;
    return before;
  }

  /** @param {BreakRun} run */
  words(run) {
    const { page, input, kind } = this;
    const source = this.place(input.source);
    const target = quoted(run.labels[page.choice.target].trim() || "␣");
    const query = `${target} at ${page.choice.target}`;
    /** @type {[string, string][]} */
    const where = [
      ["source", "that word"],
      ["target", target],
      ["both", `up to ${target}`],
    ];
    options(this.select.where, where, this.select.where.value || "source");
    page.part("another-what").replaceChildren(...this.what(query));
    page.part("source-name").textContent = kind === "edge" ? "does not see" : "the word at";
    page.part("source-word").textContent = wordAround(run.texts, run.labels, source);
    page.part("step-word").textContent = wordAround(run.texts, run.labels, this.place(input.step));
    page.part("another-note").textContent = this.note(run, source);
    page.part("another-do").textContent = KINDS.find(([one]) => one === kind)?.[2] ?? "";
  }

  /** What a change of this kind is, in words.
   * @param {string} query
   * @returns {(string | Node)[]} */
  what(query) {
    const states = el("span", { "data-term": "states", tabindex: "0" }, "state");
    if (this.kind === "edge") return [`${query} no longer sees one word, as if its key were not there.`];
    if (this.kind === "slot") return ["From a step on nothing is read from this place of any ring."];
    if (this.kind === "patch")
      return ["The same text is read with another word in it; its ", states, " is put in the place of this text’s."];
    return ["The way from this text’s ", states, " to that of the same text with another word in it is added."];
  }

  /** What the fields say, worked out.
   * @param {BreakRun} run
   * @param {number} source */
  note(run, source) {
    const { page } = this;
    if (this.kind === "edge")
      return page.sees(source) ? "A click on a word in the text does it too." : this.unseen(source);
    if (this.kind === "slot") return this.holding(run);
    const [first, end] = wordSpan(run.texts, source);
    const tokens = `a word of ${plural(end - first, "token")}`;
    if (this.kind === "patch") return `Click a word in the text; in its place: ${tokens}.`;
    return `times × (h′ − h): the row’s state at that word, h′ with another (${tokens}).`;
  }

  /** What a slot holds, at the step and over the text.
   * @param {BreakRun} run */
  holding(run) {
    const { windows } = this.page;
    const layer = windows.windows.indexOf(windows.smallest);
    const slots = windows.slotsOf(layer);
    const slot = Math.max(0, Math.floor(Number(this.input.slot.value)));
    const step = this.place(this.input.step);
    if (slot >= slots) return `Slots are 0 to ${slots - 1}.`;
    const held = windows.held(slot, step, slots);
    const all = Array.from({ length: run.count }, (_, p) => p).filter((p) => windows.slot(p, slots) === slot);
    const list = all.length > 6 ? `${all.slice(0, 5).join(", ")}, … ${all.at(-1)}` : all.join(", ");
    const now = held < 0 ? "nothing yet" : `${quoted(run.labels[held].trim() || "␣")} at ${held}`;
    const which = new Set(windows.windows.filter(Number.isFinite)).size > 1 ? "in the smallest ring " : "";
    const rule = windows.slotRule(windows.smallest);
    return `At step ${step} it holds ${which}${now}; in this text positions ${list} (${rule}).`;
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {[value: string, label: string][]} entries
 * @param {string} chosen
 */
function options(select, entries, chosen) {
  const drawn = JSON.stringify(entries);
  if (select.dataset.drawn !== drawn) {
    select.dataset.drawn = drawn;
    select.replaceChildren(...entries.map(([value, label]) => el("option", { value }, label)));
  }
  select.value = chosen;
}
