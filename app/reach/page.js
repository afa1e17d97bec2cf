// One state grid on the page: takes payloads, owns what is asked, lets every part draw the same moment.
// Theory is drawn at once from the edges; the green arrives with the answer to the question.

import { ReachGrid, tiny } from "./grid.js";
import { Run } from "../kit/run.js";
import { Side } from "./side.js";
import { Strip } from "./strip.js";
import { Surface } from "../kit/surface.js";
import { clamp, percent, quoted } from "../kit/format.js";
import { settled } from "../kit/timing.js";
import { showPopover } from "../kit/popover.js";
import { spot, unreported } from "../kit/places.js";

export const READING_NAMES = [
  ["forward", "forward from a word"],
  ["backward", "back from a prediction"],
  ["corridor", "corridor of a pair"],
];
export const LONG_VIEW = 700;

export default class ReachPage extends Surface {
  constructor(host, look) {
    super(host, look, {
      choice: null,
      arrays: {},
      asked: 0,
      fresh: false,
      row: 0,
      zoom: "all",
      stripBy: "change",
      end: "target",
      predicting: false,
      hidden: false,
      guess: null,
      centre: null,
      acts: 0,
      mounted: performance.now(),
    });
    this.picture = new ReachGrid(this);
    this.strip = new Strip(this);
    this.side = new Side(this);
    this.send = settled(() => this.question(), 180);
    const press = (button) => this.press(button);
    this.bind({
      predict: () => this.predict(!this.predicting),
      narrower: () => this.ask({ window: this.run.meta.short.narrower }),
      write: press,
      stop: press,
      again: press,
    });
  }

  bind(acts) {
    super.bind(acts);
    this.root.addEventListener("click", (event) => {
      const token = event.target.closest("[data-p]");
      if (token) this.pick(Number(token.dataset.p));
    });
    const story = this.part("story");
    const told = (event) => {
      const token = event.target.closest?.("[data-p]");
      this.point(token ? Number(token.dataset.p) : null, token, null);
    };
    story.addEventListener("pointerover", told);
    story.addEventListener("pointerleave", () => this.point(null));
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (
      !this.run ||
      /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey
    )
      return;
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    const rows = { ArrowUp: 1, ArrowDown: -1 };
    if (event.key in moves) this.pick(this.anchor + moves[event.key]);
    else if (event.key in rows) {
      this.row = clamp(this.row + rows[event.key], 0, this.run.layers);
      this.send();
      this.draw();
    } else if (event.key === "Home") this.pick(0);
    else if (event.key === "End") this.pick(this.run.count - 1);
    else return;
    event.preventDefault();
  }

  /** The token that arrows move and that the page calls the current one. */
  get anchor() {
    const { reading, source, target } = this.choice;
    return reading === "forward" || (reading === "corridor" && this.end === "source") ? source : target;
  }

  take({ header, arrays, bytes }) {
    this.bytes = bytes;
    const first = this.run?.id !== header.run;
    const run = new Run(header.run);
    Object.assign(run, {
      meta: header,
      count: header.tokens.length,
      total: header.total,
      texts: header.tokens.map(([text]) => text),
      labels: header.tokens.map(([, label]) => label),
      ids: header.tokens.map(([, , id]) => id),
    });
    run.setReach(header.model.windows);
    const grown = first || run.count !== this.run.count;
    this.run = run;
    if (first || header.asked >= this.asked) {
      this.asked = header.asked;
      this.choice = header.choice;
      this.arrays = arrays;
      this.fresh = header.measured > 0;
    }
    this.rewindow();
    if (first) {
      Object.assign(this, {
        row: clamp(header.layer ?? 0, 0, run.layers),
        centre: null,
        zoom: this.large && run.count > run.smallest ? "hops" : "all",
      });
      this.predict(false);
    }
    if (grown) this.frame = null;
    this.message(header.message);
    const place = first ? unreported(run.id) : null;
    if (place) this.comeFrom(place);
    this.draw();
  }

  /** A step made just before another page was left: Python hears of it now, and begins there. */
  comeFrom(place) {
    const { t, layer, head } = place;
    place.reported = spot(place);
    this.fresh = false;
    this.asked += 1;
    this.emit("ask", { run: this.run.id, n: this.asked, at: { t, layer, head } });
  }

  /** The network that is asked about has the model's windows, or one and the same in every layer. */
  rewindow() {
    const { run, choice } = this;
    const { trained } = run.meta.model;
    const windows = choice.window ? trained.map(() => choice.window) : trained;
    run.setReach(windows);
    const sum = (some) => (some.includes(null) ? null : some.reduce((total, window) => total + window - 1, 0));
    const rows = [...windows.keys(), windows.length];
    run.meta.forward_edges = rows.map((row) => sum(windows.slice(0, row)));
    run.meta.backward_edges = rows.map((row) => sum(windows.slice(row)));
    if (this.zoom === "hops" && !this.large) this.zoom = "all";
  }

  /** Where a grid of tokens would be a solid block, hops are counted. */
  get large() {
    return Number.isFinite(this.run.reach) && this.run.reach > 0 && (this.run.layers > 12 || this.run.smallest > 64);
  }

  /** From a bin of the hop axis to its tokens. */
  visit(position, row) {
    Object.assign(this, { zoom: "near", centre: position, row });
    this.draw();
  }

  press(button) {
    this.acts += 1;
    this.emit("act", { run: this.run.id, what: button.dataset.act, n: this.acts });
    button.disabled = true;
  }

  /** A click on a word or a cell, or an arrow key. */
  pick(position, row) {
    if (!this.run || position < 0 || position >= this.run.count) return;
    if (this.hidden) return this.guessed(position);
    const { choice } = this;
    if (row !== undefined) this.row = row;
    const next = { ...choice };
    if (choice.reading === "forward") next.source = position;
    else if (choice.reading === "backward") next.target = position;
    else if (this.end === "source") next.source = Math.min(position, choice.target);
    else next.target = Math.max(position, choice.source);
    this.targeted ||= next.target !== choice.target;
    if (next.source !== choice.source) next.replacement = null;
    this.ask(next);
  }

  read(reading) {
    const next = { ...this.choice, reading };
    const { run } = this;
    const far = Number.isFinite(run.reach) ? run.reach : run.count;
    if (reading === "corridor" && (next.source >= next.target || next.target - next.source >= far)) {
      if (this.choice.reading === "forward") next.target = Math.min(run.count - 1, next.source + Math.ceil(far / 3));
      else next.source = Math.max(0, next.target - Math.ceil(far / 3));
    }
    // the whole staircase, unless the visitor has a prediction of his own in mind
    if (reading === "backward" && this.choice.reading === "forward" && !this.targeted)
      next.target = Math.min(run.count - 1, next.source + far);
    this.predict(false);
    this.ask(next);
  }

  ask(change) {
    this.choice = { ...this.choice, ...change };
    this.centre = null;
    this.rewindow();
    this.fresh = false;
    this.asked += 1;
    this.send();
    this.draw();
  }

  question(extra = {}) {
    this.emit("ask", { run: this.run.id, n: this.asked, layer: this.row, ...this.choice, ...extra });
  }

  /** An own word goes to Python as text: what it is as a token only the tokenizer knows. */
  askWord(word) {
    this.send.cancel();
    this.fresh = false;
    this.asked += 1;
    this.question({ word });
    this.draw();
  }

  predict(on) {
    this.predicting = on;
    this.hidden = on;
    this.guess = null;
    this.root.querySelector("[data-act=predict]").setAttribute("aria-pressed", on);
    if (this.run) this.draw();
  }

  guessed(position) {
    this.guess = position;
    this.hidden = false;
    this.draw();
  }

  edge(row) {
    const { reading } = this.choice;
    return this.run.meta[reading === "backward" ? "backward_edges" : "forward_edges"][row];
  }

  /** First and last column that theory allows in a row; null = none. */
  span(row) {
    const { run, choice } = this;
    const ahead = run.meta.forward_edges[row] ?? Infinity;
    const back = run.meta.backward_edges[row] ?? Infinity;
    let from = 0;
    let to = run.count - 1;
    if (choice.reading !== "backward") {
      from = choice.source;
      to = Math.min(to, choice.source + ahead);
    }
    if (choice.reading !== "forward") {
      from = Math.max(from, choice.target - back);
      to = Math.min(to, choice.target);
    }
    return from <= to ? [from, to] : null;
  }

  /** Not cut, and within the edge; before the answer is there only the edge is known. */
  allowed(row, position) {
    if (this.fresh && this.arrays.allowed)
      return this.arrays.allowed[row * (this.arrays.allowed.length / (this.run.layers + 1)) + position] > 0;
    const span = this.span(row);
    return Boolean(span) && position >= span[0] && position <= span[1];
  }

  value(row, position) {
    const { measured } = this.run.meta;
    return this.fresh && position < measured ? this.arrays.grid[row * measured + position] : NaN;
  }

  /** What stands under the grid at a position. */
  below(position) {
    if (this.choice.reading === "backward") return this.value(0, position);
    return this.arrays.kl?.[position] ?? 0;
  }

  /** How strongly a word is coloured: the whole effect of, or on, its position. */
  tint(position) {
    if (this.hidden || !this.fresh) return 0;
    const size = Math.abs(
      this.choice.reading === "backward" ? this.value(0, position) : (this.arrays.kl?.[position] ?? 0),
    );
    return size > 0 ? Math.round(6 + 40 * clamp((Math.log10(size) + 8) / 8, 0, 1)) : 0;
  }

  told(row, position) {
    const { choice, run } = this;
    const distance = choice.reading === "backward" ? choice.target - position : position - choice.source;
    const where = choice.reading === "backward" ? `${distance} before the target` : `${distance} after the source`;
    const title = `${row ? `after layer ${row}` : "embedding"}, position ${position}${distance > 0 ? `, ${where}` : ""}`;
    const value = this.value(row, position);
    const span = this.span(row);
    const inside = Boolean(span) && position >= span[0] && position <= span[1];
    const lines = [];
    if (Number.isFinite(value))
      lines.push(
        `${{ forward: "relative change of this state", backward: "influence, nats", corridor: "passes through here, nats" }[choice.reading]}: ${tiny(value)}`,
      );
    else lines.push(this.fresh || !run.meta.can_measure ? "not measured here" : "being measured …");
    if (!inside) lines.push("theory: beyond the edge, nothing can arrive");
    else if (!this.allowed(row, position)) lines.push("theory: allowed, but the cut blocks every way");
    else if (value === 0) lines.push("theory: allowed; measured: nothing");
    return { title, lines };
  }

  toldBelow(position) {
    const { choice } = this;
    if (choice.reading === "backward") return this.told(0, position);
    const lines = [`change of the next-word distribution (KL, nats): ${tiny(this.arrays.kl?.[position] ?? NaN)}`];
    const before = this.arrays.before?.[position];
    if (Number.isFinite(before))
      lines.push(
        `${quoted(this.run.labels[position + 1] ?? "")} follows: ${percent(before)} before, ${percent(this.arrays.after[position])} after the swap`,
      );
    if (this.arrays.uncut?.length) lines.push(`without the cut: ${tiny(this.arrays.uncut[position] ?? NaN)}`);
    return { title: `prediction at position ${position}`, lines };
  }

  point(position, node = null, cell = null) {
    if (position !== null && position >= this.run.count) position = null;
    const changed = position !== this.hovered;
    this.hovered = position;
    if (position === null || (!cell && !node)) this.part("pop").hidden = true;
    else showPopover(this, position, node, cell ?? this.cellOf(node, position));
    if (changed) {
      this.picture.draw();
      this.side.markHover();
    }
  }

  cellOf(node, position) {
    const place = node.getBoundingClientRect();
    const told = this.hidden ? { title: `position ${position}`, lines: [] } : this.toldBelow(position);
    return { x: place.left, y: place.bottom, ...told };
  }

  /** The picture in one sentence. */
  sentence() {
    const { run, choice } = this;
    const reach = Number.isFinite(run.reach) ? `${run.reach} tokens` : "the whole text";
    const word = (position) => `${quoted(run.labels[position])} at position ${position}`;
    if (choice.reading === "forward")
      return `Forward from ${word(choice.source)}: theory lets the change travel ${reach}; measured is shown in green.`;
    if (choice.reading === "backward")
      return `Back from the prediction after ${word(choice.target)}: it can depend on ${reach} before it; measured is shown in green.`;
    const distance = choice.target - choice.source;
    if (distance > run.reach)
      return `From ${word(choice.source)} nothing can reach ${word(choice.target)}: ${distance} tokens are more than ${run.reach}.`;
    return `The corridor from ${word(choice.source)} to ${word(choice.target)}, ${distance} tokens on.`;
  }

  draw() {
    if (!this.run) return;
    const began = performance.now();
    this.side.draw();
    this.picture.draw();
    this.strip.draw();
    const { root, choice, run } = this;
    Object.assign(root.dataset, {
      run: run.id,
      reading: choice.reading,
      source: choice.source,
      target: choice.target,
      count: run.count,
      row: this.row,
      cut: choice.cut,
      window: choice.window ?? "",
      zoom: this.zoom,
      asked: this.asked,
      fresh: this.fresh ? "1" : "0",
      hidden: this.hidden ? "1" : "0",
      guess: this.guess ?? "",
      status: run.meta.status,
      ready: "1",
      bytes: this.bytes,
      openMs: (this.openMs ??= performance.now() - this.mounted).toFixed(1),
    });
    root.dataset.drawMs = (performance.now() - began).toFixed(1);
  }

  dispose() {
    this.send.cancel();
    this.leave();
  }
}
