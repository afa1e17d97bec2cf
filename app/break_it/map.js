// Layers x heads, or K/V heads, and MLPs: each cell says what its part does to one prediction; a click silences it.

import { blend, inkOn } from "../kit/colour.js";
import { closest, el, legend, segmented } from "../kit/dom.js";
import { grouped, quoted } from "../kit/format.js";
import { nats, signed, strength } from "./changes.js";

/**
 * @typedef {import("./run.js").BreakRun} BreakRun
 * @typedef {import("./run.js").Columns} Columns
 * @typedef {{ node: HTMLButtonElement, kind: Columns | "mlps", layer: number, index: number }} Cell
 */

/** @type {[by: Columns, label: string, term?: string][]} */
const COLUMNS = [
  ["heads", "heads", "head"],
  ["groups", "K/V heads", "KV"],
];
const ROOMY = 36; // px: in less a number loses its leading zero
const NARROW = 25; // px: in less there is room for a sign alone

export class PartMap {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.host = page.part("map");
    /** What the cells were made for. */
    this.shape = "";
    /** @type {Cell[][]} by layer */
    this.rows = [];
    /** The cell that the keyboard is on. */
    this.at = { layer: 0, column: 0 };
    this.host.addEventListener("click", (event) => {
      const cell = this.cellOf(event);
      if (cell) page.toggle(this.change(cell));
    });
    this.host.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["pointerover", "focusin"])
      this.host.addEventListener(name, (event) => this.tell(this.cellOf(event)));
    for (const name of ["pointerleave", "focusout"]) this.host.addEventListener(name, () => this.tell(null));
  }

  /** @param {Event} event */
  cellOf(event) {
    const node = closest(event, ".mx-parts-cell");
    return this.rows.flat().find((cell) => cell.node === node) ?? null;
  }

  /** @param {Cell} cell */
  change({ kind, layer, index }) {
    if (kind === "mlps") return `mlp:${layer + 1}`;
    return `${kind === "heads" ? "head" : "group"}:${layer + 1}:${index + 1}`;
  }

  /** @param {Cell} cell */
  name({ kind, layer, index }) {
    if (kind === "mlps") return `layer ${layer + 1}, MLP`;
    return `layer ${layer + 1}, ${kind === "heads" ? "head" : "K/V head"} ${index + 1}`;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    const layer = Math.min(Math.max(this.at.layer + move[0], 0), this.rows.length - 1);
    const column = Math.min(Math.max(this.at.column + move[1], 0), this.rows[layer].length - 1);
    this.at = { layer, column };
    this.rove();
    this.rows[layer][column].node.focus();
  }

  /** One cell is a tab stop. */
  rove() {
    for (const [layer, row] of this.rows.entries())
      for (const [column, { node }] of row.entries())
        node.tabIndex = layer === this.at.layer && column === this.at.column ? 0 : -1;
  }

  /** @param {Cell | null} cell */
  tell(cell) {
    const { page } = this;
    const { run } = page;
    if (!cell || !page.fresh) {
      page.part("pop").hidden = true;
      return;
    }
    this.at = { layer: cell.layer, column: this.rows[cell.layer].indexOf(cell) };
    this.rove();
    const value = run.change(cell.kind, cell.layer, cell.index);
    if (!Number.isFinite(value)) return;
    const does =
      Math.abs(value) < 0.005
        ? "hardly changes it"
        : value < 0
          ? "makes it less likely: the part helps"
          : "makes it likelier: the part stands in its way";
    page.explain(
      [
        el("p", { class: "mx-pop-title" }, el("b", {}, this.name(cell))),
        el("p", {}, `silent, it changes ln p by ${nats(value)} nats: ${does}.`),
        el("p", {}, `whole prediction: KL ${nats(run.kl(cell.kind, cell.layer, cell.index))} nats`),
      ],
      cell.node,
    );
  }

  /** @param {BreakRun} run */
  draw(run) {
    const { page } = this;
    const { by } = page.manner;
    const { model } = run.meta;
    const shape = JSON.stringify([run.id, by, model.n_layers, model.n_heads, model.n_kv_heads]);
    if (shape !== this.shape) this.make(run, by);
    this.shape = shape;
    const { clientWidth } = this.rows[0][0].node;
    const top = run.top(by);
    for (const cell of this.rows.flat()) this.paint(run, cell, top, clientWidth);
    segmented(page.part("by"), model.n_heads === model.n_kv_heads ? [] : COLUMNS, by, (chosen) => {
      page.manner.by = chosen;
      page.draw();
    });
    this.words(run, top);
  }

  /** @param {BreakRun} run
   * @param {Columns} by */
  make(run, by) {
    const { host } = this;
    const { n_heads: heads, n_kv_heads: shared } = run.meta.model;
    const columns = run.columns(by);
    host.style.setProperty("--heads", String(columns));
    host.style.setProperty("--layers", String(run.layers));
    host.style.setProperty("--cell-least", columns > 12 ? "1.25rem" : "0.5rem");
    const per = heads / shared;
    const head = [el("span", { class: "mx-parts-side" })];
    for (let column = 0; column < columns; column++) {
      const group = by === "heads" ? Math.floor(column / per) : column;
      const name = el("span", { class: "mx-parts-head mx-parts-group", role: "columnheader" }, String(column + 1));
      name.style.setProperty("--of", `var(--mx-group-${group % 8})`);
      name.title = by === "heads" ? `head ${column + 1}, reads K/V head ${group + 1}` : `K/V head ${column + 1}`;
      head.push(name);
    }
    head.push(el("span", {}), el("span", { class: "mx-parts-head", role: "columnheader", "data-term": "MLP" }, "MLP"));
    this.rows = [];
    const rows = [];
    for (let layer = 0; layer < run.layers; layer++) {
      /** @type {Cell[]} */
      const cells = [];
      for (let index = 0; index < columns; index++) cells.push(this.cell(by, layer, index));
      const mlp = this.cell("mlps", layer, 0);
      this.rows.push([...cells, mlp]);
      const side = el("span", { class: "mx-parts-side", role: "rowheader" }, `L${layer + 1}`);
      const nodes = [side, ...cells.map(({ node }) => node), el("span", {}), mlp.node];
      rows.unshift(el("div", { class: "mx-parts-row", role: "row" }, ...nodes));
    }
    host.replaceChildren(el("div", { class: "mx-parts-row", role: "row" }, ...head), ...rows);
    this.at = { layer: run.layers - 1, column: 0 };
    this.rove();
  }

  /** @param {Columns | "mlps"} kind
   * @param {number} layer
   * @param {number} index
   * @returns {Cell} */
  cell(kind, layer, index) {
    const node = el("button", { type: "button", class: "mx-parts-cell" });
    const cell = { node, kind, layer, index };
    node.dataset.change = this.change(cell);
    return cell;
  }

  /** @param {BreakRun} run
   * @param {Cell} cell
   * @param {number} top  nats that are fully coloured
   * @param {number} width  of a cell, px */
  paint(run, cell, top, width) {
    const { page } = this;
    const { colour, choice, mapped } = page;
    const { node } = cell;
    const value = mapped ? run.change(cell.kind, cell.layer, cell.index) : NaN;
    const text = signed(value);
    const fill = blend(colour.card, value < 0 ? colour.negative : colour.positive, strength(value, top));
    const large = this.page.unit / 14;
    const fitting = width < NARROW * large ? text.replace(/[\d.]/g, "") : text.replace(/^(.)0\./, "$1.");
    node.textContent = width < ROOMY * large ? fitting : text;
    node.style.background = text ? fill : "";
    node.style.color = text ? inkOn(fill) : "";
    node.dataset.value = Number.isFinite(value) ? value.toFixed(4) : "";
    node.setAttribute("aria-pressed", String((choice.changes ?? []).includes(this.change(cell))));
    node.setAttribute("aria-label", `${this.name(cell)}${text ? `: ${text} nats` : ", not measured yet"}`);
  }

  /** @param {BreakRun} run
   * @param {number} top */
  words(run, top) {
    const { page } = this;
    const { meta } = run;
    const word = el("b", { class: "mx-q mx-serif" }, quoted(meta.explained.trim() || "…"));
    page
      .part("map-title")
      .replaceChildren("Which parts does ", word, meta.follows ? " need?" : ", the likeliest, need?");
    const measured = page.mapped && meta.log_prob !== null;
    const { mapping, stopped, can_measure } = meta;
    const state = page.part("map-state");
    const button = (/** @type {string} */ act, /** @type {string} */ label) =>
      el("button", { type: "button", class: "mx-chip", "data-act": act }, label);
    if (!can_measure) state.replaceChildren("The model that wrote this text is not here.");
    else if (stopped && page.fresh) state.replaceChildren("Stopped. ", button("again", "measure it"));
    else if (mapping && page.fresh) {
      const [done, total, what] = mapping;
      const now = `${what || "loading the model"}, ${grouped(done)} of ${grouped(total)} `;
      state.replaceChildren(now, button("stop", "cancel"));
    } else if (!measured) state.replaceChildren(meta.status === "running" ? "Being written …" : "Measuring …");
    else
      state.replaceChildren(
        `ln p is ${nats(meta.log_prob ?? NaN)}. Each cell: how that changes, in nats, when this part alone is silent.`,
      );
    page
      .part("map-legend")
      .replaceChildren(
        legend("mx-key-negative", "− less likely without it: it helps"),
        " ",
        legend("mx-key-positive", "+ likelier without it: it stands in the way"),
        " ",
        el("span", {}, top ? `full colour from ${nats(top)} nats; by square root` : ""),
      );
  }
}
