// One slot: when it was written, when it goes, who read it, and the numbers in it.

import { blend, shade } from "../kit/colour.js";
import { csv, save } from "../kit/csv.js";
import { clamp, percent, plural, shorten, quoted } from "../kit/format.js";
import { closest, el, penOf, svg } from "../kit/dom.js";
import { term } from "../kit/terms.js";
import { settled } from "../kit/timing.js";
import { slotTable } from "./tables.js";

/** @import RingPage from "./page.js" */
/** @import { KVShape } from "./types.js" */
/** @typedef {"keys" | "values"} Kind */

/** @type {Kind[]} */
const KINDS = ["keys", "values"];
const POINT = "point at a number to read it";

/** The canvas of one vector, a pixel for each number.
 * @param {number} dim @param {Kind} kind @param {number} group */
const stripOf = (dim, kind, group) =>
  el("canvas", { width: dim, height: 1, role: "img", class: "ring-strip", "data-kind": kind, "data-group": group });

/** What is made anew for a run: strips, and what stands below them.
 * @typedef {ReturnType<SlotPanel["build"]>} Numbers */

export class SlotPanel {
  /** @param {RingPage} player */
  constructor(player) {
    this.player = player;
    this.picker = player.part("slot", HTMLSelectElement);
    this.picker.addEventListener("change", () =>
      player.pickSlot(this.picker.value === "follow" ? null : Number(this.picker.value)),
    );
    this.numbers = player.part("slot-numbers");
    /** @type {Numbers | null} null = there are none, or they were never looked at */
    this.drawn = null;
    this.look = "";
    this.position = -1;
    this.options = 0;
    this.wanted = "";
    this.tableOpen = false;
    this.ask = settled(() => this.askSlot(), 120);
    this.numbers.addEventListener("pointerover", (event) => this.point(event));
    this.numbers.addEventListener("pointerleave", () => this.explain(""));
    this.numbers.addEventListener(
      "toggle",
      (event) => {
        const { open } = /** @type {HTMLDetailsElement} */ (event.target);
        if (open === this.tableOpen) return;
        this.tableOpen = open;
        this.fillTable();
      },
      true,
    );
  }

  draw() {
    const { player } = this;
    const { run, t, layer } = player;
    const window = run.windows[layer];
    const ring = Number.isFinite(window);
    const slot = player.slot();
    const position = player.held();
    this.fillPicker(player.slots());
    player.part("slot-title").textContent = `Slot ${slot}, layer ${layer + 1}`;
    player.part("slot-badge").textContent = run.meta.provenance;
    Object.assign(player.root.dataset, { slot, held: position });
    /** @param {number} p */
    const word = (p) => el("b", { class: "mx-serif" }, quoted(shorten(run.labels[p] ?? "", 14)));
    /** @type {(Node | string)[][]} */
    const lines = [];
    if (position < 0) lines.push(["empty: position ", el("b", {}, String(slot)), " will be the first to write it"]);
    else {
      const end = run.leaves(position, window);
      lines.push([term("KV", "K, V"), " made at ", word(position), ", position ", el("b", {}, String(position))]);
      lines.push([position === t ? "written in this step" : `written ${plural(t - position, "step")} ago`]);
      if (position < run.sinks) lines.push(["never overwritten: one of the first tokens, which this ring keeps"]);
      else if (ring)
        lines.push([
          `overwritten by position ${end}, `,
          end === t + 1 ? "the next step" : `in ${plural(end - t, "step")}`,
        ]);
      else lines.push(["never overwritten: this layer has no window"]);
      lines.push(this.reader(position));
    }
    player.part("slot-words").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
    this.drawLife(position, window);
    this.drawNumbers(position);
  }

  /** @param {number} slots */
  fillPicker(slots) {
    const count = Math.min(slots, 512);
    if (this.options !== count) {
      this.options = count;
      this.picker.replaceChildren(
        el("option", { value: "follow" }, "just written"),
        ...Array.from({ length: count }, (_, slot) => el("option", { value: slot }, `slot ${slot}`)),
      );
    }
    this.picker.value = this.player.chosenSlot === null ? "follow" : String(this.player.chosenSlot);
  }

  /** Its own query is left out: every query reads its own key.
   * @param {number} position
   * @returns {(Node | string)[]} */
  reader(position) {
    const { player } = this;
    const { run, layer, head } = player;
    if (!run.pattern) return [run.meta.note];
    const later = run.readings(position, layer, head).slice(1);
    if (!later.length) return ["no later token has read it yet"];
    const [q, weight] = later.reduce((best, one) => (one[1] > best[1] ? one : best));
    player.root.dataset.reader = String(q);
    return [
      "is read most by ",
      el("b", { class: "mx-serif" }, shorten(run.labels[q], 14)),
      ` (${q}) with `,
      el("b", { class: "ring-blue" }, percent(weight)),
      `, ${player.headName()}, among ${plural(later.length, "later token")} of this run`,
    ];
  }

  /** The attention it got in every step of its life, from the trace.
   * @param {number} position @param {number} window */
  drawLife(position, window) {
    const { run, layer, head, t } = this.player;
    const host = this.player.part("slot-life");
    const life = position < run.sinks ? run.count - position : window; // a kept one is read to the end
    if (position < 0 || !run.pattern || !(life <= 64 || (position < run.sinks && window <= 64)))
      return host.replaceChildren();
    const readings = run.readings(position, layer, head);
    const wide = 100 / life;
    const steps = readings.map(([q, w]) => `${q}: ${percent(w)}`).join(", ");
    const art = svg("svg", {
      viewBox: "0 0 100 24",
      preserveAspectRatio: "none",
      class: "ring-life",
      role: "img",
      "aria-label": `Attention it got in each of its ${life} steps: ${steps}`,
    });
    for (let i = 0; i < life; i++) {
      const weight = readings[i]?.[1] ?? NaN;
      const high = Number.isFinite(weight) ? Math.max(0.6, 24 * shade(weight)) : 24;
      const kind = !Number.isFinite(weight)
        ? "ring-unread"
        : position + i === t
          ? "ring-now"
          : position + i > t
            ? "ring-after"
            : "";
      art.append(
        svg(
          "rect",
          { x: i * wide + wide * 0.08, y: 24 - high, width: wide * 0.84, height: high, class: `ring-bar ${kind}` },
          svg("title", {}, `position ${position + i}: ${percent(weight)}`),
        ),
      );
    }
    return host.replaceChildren(
      art,
      el("p", { class: "mx-note" }, "attention it gets in each step of its life; outlined: this step; pale: later"),
    );
  }

  /** @param {number} position below 0 = the slot is empty */
  drawNumbers(position) {
    const { run, layer } = this.player;
    const { beside } = run.meta;
    if (!run.kv && !beside.single) return this.drawNote();
    if (!this.drawn || this.look !== this.lookNow()) this.drawn = this.build(beside.kv_shape);
    const { drawn } = this;
    this.position = position;
    const known = Boolean(run.vector("keys", position, layer, 0));
    this.player.root.dataset.numbers = known ? `${layer},${position}` : "";
    if (!known && position >= 0) this.ask();
    const scale = this.drawStrips(drawn);
    const strongest = `strongest: K ±${scale.keys.toFixed(2)}, V ±${scale.values.toFixed(2)}`;
    drawn.scaleNote.replaceChildren(
      ...(position < 0
        ? ["nothing in this slot yet"]
        : known
          ? [
              `blue − · orange +; ${strongest}. Keys are `,
              term("turned"),
              ` for their position. ${run.one?.text ?? ""}`,
            ]
          : [this.waiting(position)]),
    );
    return this.fillTable();
  }

  /** Why there are no numbers, and how they can be had. */
  drawNote() {
    const { beside } = this.player.run.meta;
    const look = beside.kv_note + beside.live;
    if (this.look === look) return;
    this.look = look;
    const button = beside.live
      ? el("button", { type: "button", class: "ring-primary", "data-act": "live" }, "Write the same run live")
      : null;
    this.numbers.replaceChildren(el("p", { class: "mx-note ring-note" }, beside.kv_note), ...(button ? [button] : []));
  }

  /** Each number as a pixel, keys and values each against their strongest, which is returned.
   * @param {Numbers} drawn */
  drawStrips({ strips, signs }) {
    const { run, layer, colour } = this.player;
    const { position } = this;
    const scale = { keys: 0, values: 0 };
    for (const { kind, group } of strips) {
      for (const number of run.vector(kind, position, layer, group) ?? [])
        scale[kind] = Math.max(scale[kind], Math.abs(number));
    }
    for (const { kind, group, canvas } of strips) {
      const g = penOf(canvas);
      const vector = run.vector(kind, position, layer, group);
      g.clearRect(0, 0, canvas.width, canvas.height);
      for (let i = 0; vector && i < vector.length; i++) {
        const share = scale[kind] ? vector[i] / scale[kind] : 0;
        g.fillStyle = blend(colour.card, share < 0 ? signs.negative : signs.positive, Math.abs(share));
        g.fillRect(i, 0, 1, 1);
      }
      const numbers = `${vector ? vector.length : 0} numbers, largest ${this.number(scale[kind])}`;
      canvas.setAttribute("aria-label", `${kind === "keys" ? "Key" : "Value"} of KV head ${group + 1}: ${numbers}`);
    }
    return scale;
  }

  /** Those of the whole run are too many to send: once the step rests, the slot that is looked at is asked for. */
  askSlot() {
    const { player, position } = this;
    const { run, layer, timeline } = player;
    if (!player.root.isConnected || timeline.playing || position < 0 || run.vector("keys", position, layer, 0)) return;
    const wanted = `${run.id},${layer},${position}`;
    const asked = run.meta.beside.slot;
    // it is under way, or cannot be had
    if (wanted === this.wanted && asked?.layer === layer && asked.position === position) return;
    this.wanted = wanted;
    player.trigger("slot", { run: run.id, layer, position });
  }

  /** @param {number} position */
  waiting(position) {
    const { run, layer, timeline } = this.player;
    const { slot } = run.meta.beside;
    if (slot?.layer === layer && slot.position === position) return slot.text;
    return timeline.playing || run.meta.status === "running"
      ? "The numbers of a slot come when the step rests."
      : "Fetching the key and value of this slot …";
  }

  lookNow() {
    return `strips ${this.player.run.id} ${this.player.root.dataset.theme}`;
  }

  /** @param {KVShape} shape */
  build({ n_kv_heads, head_dim }) {
    this.look = this.lookNow();
    const style = getComputedStyle(this.player.root);
    const signs = {
      positive: style.getPropertyValue("--mx-positive").trim(),
      negative: style.getPropertyValue("--mx-negative").trim(),
    };
    const strips = [];
    const rows = [];
    for (let group = 0; group < n_kv_heads; group++) {
      for (const kind of KINDS) {
        const canvas = stripOf(head_dim, kind, group);
        canvas.addEventListener("pointermove", (event) => this.point(event));
        strips.push({ kind, group, canvas });
        rows.push(
          el(
            "div",
            { class: "ring-row" },
            el("span", {}, `${kind === "keys" ? "K" : "V"} · KV head ${group + 1}`),
            canvas,
          ),
        );
      }
    }
    const scaleNote = el("p", { class: "mx-note" });
    const pointed = el("p", { class: "mx-note ring-pointed" }, POINT);
    const table = el("div", {
      class: "ring-table",
      tabindex: "0",
      role: "region",
      "aria-label": "Table of the numbers",
    });
    this.numbers.replaceChildren(
      ...rows,
      pointed,
      scaleNote,
      el("details", { open: this.tableOpen }, el("summary", {}, "all the numbers"), table),
      el("button", { type: "button", class: "mx-link", "data-act": "save-slot" }, "save them as CSV"),
    );
    return { strips, signs, scaleNote, pointed, table };
  }

  /** @param {number} value */
  number(value) {
    return value < 0 ? `−${(-value).toFixed(4)}` : value.toFixed(4);
  }

  /** The key and value that are shown, as a file. */
  saveTable() {
    const table = this.drawn ? slotTable(this.player) : null;
    if (!table) return;
    save(`kv-layer${this.player.layer + 1}-position${this.position}.csv`, csv(table.names, table.rows));
  }

  fillTable() {
    if (!this.drawn) return;
    const { table } = this.drawn;
    const numbers = this.tableOpen ? slotTable(this.player) : null;
    if (!numbers) return table.replaceChildren();
    const head = el("tr", {}, ...numbers.names.map((name) => el("th", { scope: "col" }, name)));
    const rows = numbers.rows.map(([i, ...row]) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, String(i)),
        ...row.map((value) => el("td", {}, this.number(Number(value)))),
      ),
    );
    return table.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
  }

  /** @param {MouseEvent} event */
  point(event) {
    const canvas = closest(event, "canvas");
    if (!(canvas instanceof HTMLCanvasElement)) return this.explain("");
    const kind = canvas.dataset.kind === "keys" ? "keys" : "values";
    const group = Number(canvas.dataset.group);
    const vector = this.player.run.vector(kind, this.position, this.player.layer, group);
    const place = canvas.getBoundingClientRect();
    const i = clamp(Math.floor(((event.clientX - place.left) / place.width) * canvas.width), 0, canvas.width - 1);
    return this.explain(
      vector ? `${kind === "keys" ? "K" : "V"}, KV head ${group + 1}, number ${i}: ${this.number(vector[i])}` : "",
    );
  }

  /** @param {string} text about the number under the pointer; empty = there is none */
  explain(text) {
    if (this.drawn) this.drawn.pointed.textContent = text || POINT;
  }
}
