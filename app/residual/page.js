// The residual stream of one run: takes payloads, owns what is chosen, lets every part draw the same moment.

import { Bars } from "./bars.js";
import { Curves } from "./curves.js";
import { Heat } from "./heat.js";
import { Patch } from "./patch.js";
import { ResidualRun, Store } from "./run.js";
import { Story } from "./story.js";
import { hearKeys } from "../kit/keys.js";
import { Surface } from "../kit/surface.js";
import { Words } from "./words.js";
import { curvesTable, heatTable, lenderTable } from "./tables.js";
import { clamp, grouped } from "../kit/format.js";
import { el } from "../kit/dom.js";
import { settled } from "../kit/timing.js";
import { spot, unreported } from "../kit/places.js";

/**
 * @typedef {import("./types.js").ResidualHeader} ResidualHeader
 * @typedef {import("./types.js").ResidualArrays} ResidualArrays
 * @typedef {import("./types.js").Lender} Lender
 * @typedef {import("./cells.js").Cell} Cell
 */

/** How a visitor works, on whichever picture of this page he comes back to.
 * @type {{ measure: import("./heat.js").Measure, zoom: "near" | "all", scale: import("./curves.js").Scale }} */
const manner = { measure: "probability", zoom: "near", scale: "probability" };

/** @extends {Surface<ResidualRun, import("./types.js").Events>} */
export default class ResidualPage extends Surface {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("../kit/mount.js").Look} look
   */
  constructor(host, look) {
    super(host, look);
    this.store = new Store();
    this.manner = manner;
    this.t = 0;
    this.row = 0;
    this.head = -1;
    /** Part whose words are shown: 0 = embedding, then attention and MLP of each layer. */
    this.partAt = 1;
    /** @type {number | null} the token that the visitor chose; null = the final one of each position */
    this.wanted = null;
    /** @type {number | null} what it is compared with */
    this.minus = null;
    /** @type {number[]} */
    this.pins = [];
    /** @type {Lender | null} */
    this.lender = null;
    /** @type {Cell | null} the cell that is asked for */
    this.cell = null;
    /** @type {Cell | null} the cell over which a hand holds another one */
    this.aimed = null;
    /** Whether the visitor has stepped in this run: before, the place is the one that Python says. */
    this.moved = false;
    this.asked = 0;
    this.mounted = performance.now();
    /** From then to the first lens, ms.
     * @type {number | null} */
    this.openMs = null;
    this.patching = new Patch(this);
    this.curves = new Curves(this);
    this.panels = [new Story(this), new Heat(this), this.curves, new Bars(this), new Words(this), this.patching];
    this.rest = settled(() => this.say(), 200);
    this.bind({});
    hearKeys(this.root, (key) => this.key(key));
  }

  tables() {
    return {
      heat: () => heatTable(this),
      curves: () => curvesTable(this),
      lender: () => lenderTable(this),
    };
  }

  /** @param {string} key */
  key(key) {
    if (!this.run) return false;
    const { t, row } = this;
    const heads = this.run.meta.model.n_heads;
    if (key === "ArrowLeft") this.choose(t - 1, row);
    else if (key === "ArrowRight") this.choose(t + 1, row);
    else if (key === "ArrowUp") this.choose(t, row + 1);
    else if (key === "ArrowDown") this.choose(t, row - 1);
    else if (key === "Home") this.choose(0, row);
    else if (key === "End") this.choose(this.run.count - 1, row);
    else if (key === "[") this.chooseHead(Math.max(0, this.head - 1));
    else if (key === "]") this.chooseHead(Math.min(heads - 1, this.head + 1));
    else if (key === "p" && this.patching.lends({ row, position: t })) this.put({ row, position: t });
    else return false;
    return true;
  }

  /** The layer that made the chosen row, from 0; the first one for the embedding. */
  get layer() {
    return Math.max(0, this.row - 1);
  }

  /** Whose contributions are shown. */
  get chosen() {
    const { run, t } = this;
    if (this.wanted !== null && run.where(t, this.wanted)) return this.wanted;
    return run.followed(t)[0] ?? null;
  }

  /** What the cells show; the change can be shown only while there is one. */
  get measure() {
    return this.manner.measure === "change" && !this.patched ? "probability" : this.manner.measure;
  }

  /** The cell that is patched in what has come. */
  get patched() {
    return this.run.section("patch") ? (this.run.meta.patch?.cell ?? null) : null;
  }

  /** Positions in sight. */
  view() {
    const { run, t } = this;
    const block = run.section("lens")?.block;
    const [first, stop] = block ? [block.first, block.first + block.count] : [0, run.count];
    if (this.manner.zoom === "all") return { from: first, to: stop };
    const roomy = Math.min(this.panels.find((panel) => panel instanceof Heat)?.cells.roomy() ?? 16, stop - first);
    const from = clamp(t - Math.floor(roomy / 2), first, Math.max(first, stop - roomy));
    return { from, to: Math.min(stop, from + roomy) };
  }

  /** @param {{ header: ResidualHeader, arrays: ResidualArrays }} payload */
  take({ header, arrays }) {
    const first = this.run?.id !== header.run;
    const grown = first || this.run.count !== header.tokens.length;
    if (first) this.store = new Store();
    this.store.take(header, arrays);
    const before = first ? null : this.patched;
    this.run = new ResidualRun(header, this.store);
    if (first) this.moved = false;
    if (!this.moved) this.enter(header, first);
    if (first || header.asked >= this.asked) {
      this.asked = header.asked;
      this.pins = [...header.pins];
      if (header.patch) [this.lender, this.cell] = [header.patch.lender, header.patch.cell];
    }
    const { patched } = this;
    if (patched && JSON.stringify(patched) !== JSON.stringify(before)) this.manner.measure = "change";
    if (grown) for (const panel of this.panels) if (panel instanceof Story) panel.reset();
    this.message(header.message);
    const { store } = this;
    this.emitNew("held", {
      run: header.run,
      lens: store.key("lens"),
      words: store.key("words"),
      pinned: store.key("pinned"),
      patch: store.key("patch"),
    });
    this.draw();
  }

  /** Begins where Python says, or where the hand was on the page before.
   * @param {ResidualHeader} header
   * @param {boolean} first  whether the run is new here */
  enter(header, first) {
    const place = first ? unreported(header.run) : null;
    const { t, layer, head } = place ?? header.at;
    this.t = clamp(t, 0, header.tokens.length - 1);
    this.row = clamp(layer + 1, 0, header.model.n_layers);
    this.head = clamp(head, -1, header.model.n_heads - 1);
    this.partAt = 2 * this.layer + 1;
    if (first) this.wanted = this.minus = null;
    if (place) {
      this.moved = true;
      place.reported = spot(place);
      this.rest();
    }
  }

  /** Another cell.
   * @param {number} position
   * @param {number} row */
  choose(position, row) {
    const { run } = this;
    const t = clamp(position, 0, run.count - 1);
    const to = clamp(row, 0, run.layers);
    if (t === this.t && to === this.row) return;
    if (to !== this.row) this.partAt = to ? 2 * to - (this.partAt % 2) : 0;
    [this.t, this.row] = [t, to];
    this.moved = true;
    this.rest();
    this.draw();
  }

  /** A bar: its layer is chosen with it.
   * @param {number} index */
  choosePart(index) {
    this.partAt = index;
    this.row = Math.ceil(index / 2);
    this.moved = true;
    this.rest();
    this.draw();
  }

  /** @param {number} head */
  chooseHead(head) {
    this.head = head === this.head ? -1 : head;
    this.moved = true;
    this.rest();
    this.draw();
  }

  /** The token whose contributions are shown.
   * @param {number} token */
  token(token) {
    this.wanted = token;
    if (this.minus === token) this.minus = null;
    this.draw();
  }

  /** @param {number | null} token */
  against(token) {
    this.minus = token;
    this.draw();
  }

  /** A token stays in sight, or no longer.
   * @param {number} token */
  pin(token) {
    this.pins = this.pins.includes(token) ? this.pins.filter((one) => one !== token) : [...this.pins, token];
    this.ask();
  }

  /** @param {Lender} lender */
  lend(lender) {
    [this.lender, this.cell] = [lender, null];
    this.ask();
  }

  /** A cell of the other text is put here, or taken back.
   * @param {Cell | null} cell */
  put(cell) {
    if (cell) this.choose(cell.position, cell.row);
    this.cell = cell;
    this.ask();
  }

  /** @param {Cell | null} cell */
  aim(cell) {
    this.aimed = cell;
    this.draw();
  }

  ask() {
    const { pins, lender, cell } = this;
    this.asked += 1;
    this.emit("ask", { run: this.run.id, n: this.asked, pins, lender, cell });
    this.draw();
  }

  /** The playhead has come to rest. */
  say() {
    const { t, layer, head } = this;
    if (this.run) this.emitNew("at", { run: this.run.id, t, layer, head });
  }

  draw() {
    const { run, root } = this;
    if (!run) return;
    const began = performance.now();
    const { model, status, working } = run.meta;
    this.part("model").replaceChildren(
      el("b", {}, model.name),
      ` ${model.n_layers} layers · ${model.n_heads} heads · ${model.n_kv_heads} K/V heads`,
    );
    const busy = status === "running" ? `being written, ${grouped(run.count)} tokens` : doing(working);
    this.part("status").hidden = !busy;
    this.part("status").textContent = busy;
    for (const panel of this.panels) panel.draw(run);
    for (const badge of ["heat-badge", "curves-badge", "bars-badge", "words-badge"])
      this.part(badge).textContent = run.meta.can_measure ? "model" : "no model";
    if (run.section("lens")) this.openMs ??= performance.now() - this.mounted;
    Object.assign(root.dataset, {
      run: run.id,
      t: this.t,
      row: this.row,
      head: this.head,
      count: run.count,
      asked: this.asked,
      token: String(this.chosen ?? ""),
      lens: run.section("lens") ? "1" : "0",
      words: run.column("words", this.t) >= 0 ? "1" : "0",
      pins: run.section("pinned") ? run.meta.pins.join(",") : "",
      lent: run.section("patch") ? "1" : "0",
      patched: this.patched ? `${this.patched.row},${this.patched.position}` : "",
      status,
      ready: "1",
      openMs: this.openMs?.toFixed(1) ?? "",
      drawMs: (performance.now() - began).toFixed(1),
    });
  }

  dispose() {
    this.rest.cancel();
    this.leave();
  }
}

/** @param {import("./types.js").ResidualHeader["working"]} working */
function doing(working) {
  if (!working) return "";
  const [done, total, what] = working;
  return `${what || "loading the model"}, ${grouped(done)} of ${grouped(total)}`;
}
