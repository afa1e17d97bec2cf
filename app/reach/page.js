// One state grid on the page: takes payloads, owns what is asked, lets every part draw the same moment.
// Theory is drawn at once from the edges; the green arrives with the answer to the question.

import { ReachGrid } from "./grid.js";
import { ReachRun } from "./run.js";
import { Reading } from "./reading.js";
import { Side } from "./side.js";
import { Strip } from "./strip.js";
import { SCALES } from "./decades.js";
import { reachTable } from "./tables.js";
import { hearKeys } from "../kit/keys.js";
import { Surface } from "../kit/surface.js";
import { anchorOf, inReading, movedTo } from "./choice.js";
import { clamp } from "../kit/format.js";
import { closest } from "../kit/dom.js";
import { explainBelow } from "./explain.js";
import { answered } from "../kit/room.js";
import { settled } from "../kit/timing.js";
import { showPopover } from "../kit/popover.js";
import { spot, unreported } from "../kit/places.js";
import { companion, join, lead, part } from "../kit/together.js";
import { askOnceMore, followed, sharedOf, tellReadingsApart } from "./beside.js";

/**
 * @typedef {import("./types.js").ChoiceHeader} Choice
 * @typedef {import("./types.js").ReachHeader} ReachHeader
 * @typedef {import("./types.js").ReachArrays} ReachArrays
 * @typedef {import("./explain.js").Explanation} Explanation
 * @typedef {"all" | "hops" | "near"} Zoom
 * @typedef {Explanation & { x: number, y: number }} PlacedExplanation  beside a point of the screen
 */

/** @extends {Surface<ReachRun, import("./types.js").Events>} */
export default class ReachPage extends Surface {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("../kit/mount.js").Look} look
   */
  constructor(host, look) {
    super(host, look);
    /** What is drawn; null = nothing has come yet.
     * @type {Reading | null} */
    this.reading = null;
    /** Number of the last question, and of the last one that Python has heard. */
    this.asked = 0;
    this.answered = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.waiting = undefined;
    /** Of the grid, that the visitor looks at. */
    this.row = 0;
    /** @type {Zoom} */
    this.zoom = "all";
    /** Where the near view was asked for; null = at the chosen token.
     * @type {number | null} */
    this.centre = null;
    /** @type {"change" | "probability"} */
    this.stripBy = "change";
    /** How small a value is still drawn.
     * @type {import("./decades.js").ScaleName} */
    this.scaleName = "noticed";
    /** Of a corridor, that clicks move.
     * @type {import("./choice.js").End} */
    this.end = "target";
    /** What was asked in each reading, since the visitor last chose a word.
     * @type {Map<Choice["reading"], Choice>} */
    this.readings = new Map();
    /** Whether the visitor chose a prediction by hand. */
    this.targeted = false;
    this.predicting = false;
    /** Whether the answer waits for a guess. */
    this.hidden = false;
    /** @type {number | null} */
    this.guess = null;
    this.acts = 0;
    /** Size of the last payload. */
    this.bytes = 0;
    this.mounted = performance.now();
    /** From then to the first picture, ms.
     * @type {number | null} */
    this.openMs = null;
    this.picture = new ReachGrid(this);
    this.strip = new Strip(this);
    this.side = new Side(this);
    this.send = settled(() => this.question(), 180);
    join(this);
    this.bind({
      predict: () => this.predict(!this.predicting),
      narrower: () => this.narrow(),
      write: (button) => this.press("write", button),
      stop: (button) => this.press("stop", button),
      again: (button) => this.press("again", button),
    });
  }

  /** @param {Record<string, (button: HTMLButtonElement) => void>} acts */
  bind(acts) {
    super.bind(acts);
    this.root.addEventListener("click", (event) => {
      const token = closest(event, "[data-p]");
      if (token) this.pick(Number(token.dataset.p));
    });
    const story = this.part("story");
    story.addEventListener("pointerover", (event) => {
      const token = closest(event, "[data-p]");
      this.point(token ? Number(token.dataset.p) : null, token);
    });
    story.addEventListener("pointerleave", () => this.point(null));
    hearKeys(this.root, (key) => this.key(key));
  }

  tables() {
    return { grid: () => reachTable(this) };
  }

  /** @param {string} key */
  key(key) {
    const { reading } = this;
    if (!reading) return false;
    if (key === "ArrowLeft") this.pick(this.anchor - 1);
    else if (key === "ArrowRight") this.pick(this.anchor + 1);
    else if (key === "ArrowUp") this.step(1);
    else if (key === "ArrowDown") this.step(-1);
    else if (key === "Home") this.pick(0);
    else if (key === "End") this.pick(reading.run.count - 1);
    else return false;
    return true;
  }

  /** The token that arrows move and that the page calls the current one. */
  get anchor() {
    return this.reading ? anchorOf(this.reading.choice, this.end) : 0;
  }

  get scale() {
    return SCALES[this.scaleName];
  }

  /** @param {{ header: ReachHeader, arrays: ReachArrays, bytes: number }} payload */
  take({ header, arrays, bytes }) {
    this.bytes = bytes;
    this.answered = header.asked;
    const before = this.reading;
    const run = new ReachRun(header);
    const first = before?.run.id !== run.id;
    const answers = !before || first || header.asked >= this.asked;
    if (answers) this.asked = header.asked;
    const reading = answers
      ? new Reading(run, header.choice, arrays, header.measured > 0)
      : new Reading(run, before.choice, before.arrays, before.fresh);
    this.show(reading);
    if (first || run.count !== before.run.count) this.side.story.reset();
    if (first) {
      this.readings.clear();
      this.row = clamp(header.layer ?? 0, 0, reading.network.layers);
      this.centre = null;
      this.zoom = reading.network.large && run.count > reading.network.smallest ? "hops" : "all";
      this.predict(false);
    }
    this.message(header.message);
    const place = first ? unreported(run.id) : null;
    if (place) this.comeFrom(place, reading);
    this.draw();
    const other = companion(this);
    if (first && other && !place) this.follow(other.shared());
    other?.draw();
  }

  /** From now on this is what is drawn.
   * @param {Reading} reading */
  show(reading) {
    this.reading = reading;
    this.run = reading.run;
    if (this.zoom === "hops" && (!reading.network.large || reading.network.sinks)) this.zoom = "all";
  }

  /** A step made just before another page was left: Python hears of it now, and begins there.
   * @param {import("../kit/places.js").Stay} place
   * @param {Reading} reading */
  comeFrom(place, reading) {
    const { t, layer, head } = place;
    place.reported = spot(place);
    this.reading = reading.asking({});
    this.asked += 1;
    this.emit("ask", { run: reading.run.id, n: this.asked, at: { t, layer, head } });
  }

  /** From a bin of the hop axis to its tokens.
   * @param {number} position
   * @param {number} row */
  visit(position, row) {
    Object.assign(this, { zoom: "near", centre: position, row });
    this.draw();
  }

  /** A button that Python hears of, once.
   * @param {import("./types.js").Act["what"]} what
   * @param {HTMLButtonElement} button */
  press(what, button) {
    if (!this.reading) return;
    this.acts += 1;
    this.emit("act", { run: this.reading.run.id, what, n: this.acts });
    button.disabled = true;
  }

  /** Another row.
   * @param {number} by */
  step(by) {
    if (!this.reading) return;
    this.row = clamp(this.row + by, 0, this.reading.network.layers);
    this.send();
    this.draw();
    lead(this);
  }

  /** How it is looked at, which asks nothing of the model.
   * @param {Partial<Pick<ReachPage, "zoom" | "centre" | "stripBy" | "scaleName" | "end">>} changes */
  look(changes) {
    Object.assign(this, changes);
    this.draw();
    lead(this);
  }

  shared() {
    return sharedOf(this);
  }

  /** @param {ReturnType<typeof sharedOf>} shared */
  follow(shared) {
    followed(this, shared);
  }

  /** A click on a word or a cell, or an arrow key.
   * @param {number} position
   * @param {number} [row] */
  pick(position, row) {
    const { reading } = this;
    if (!reading || position < 0 || position >= reading.run.count) return;
    if (this.hidden) return this.guessed(position);
    if (row !== undefined) this.row = row;
    const choice = movedTo(reading.choice, position, this.end);
    this.targeted ||= choice.target !== reading.choice.target;
    this.readings.clear();
    this.ask(choice);
  }

  /** @param {Choice["reading"]} name */
  read(name) {
    if (!this.reading) return;
    const { reading } = this;
    const { run, network, choice } = reading;
    this.predict(false);
    this.readings.set(choice.reading, choice);
    const { source, target, replacement } =
      this.readings.get(name) ??
      inReading(choice, name, {
        count: run.count,
        reach: network.reach,
        window: network.smallest,
        targeted: this.targeted,
        felt: (position) => (reading.fresh ? reading.below(position) : NaN),
      });
    this.ask({ reading: name, source, target, replacement });
  }

  /** @param {Partial<Choice>} change */
  ask(change) {
    this.askAlone(change);
    lead(this);
  }

  /** The picture beside is not asked.
   * @param {Partial<Choice>} change */
  askAlone(change) {
    if (!this.reading) return;
    this.centre = null;
    this.show(this.reading.asking(change));
    this.asked += 1;
    this.send();
    this.draw();
  }

  /** Reads a text that is too short for its edge with a window whose edge lies inside it. */
  narrow() {
    const short = this.reading?.run.meta.short;
    if (short) this.ask({ window: short.narrower });
  }

  /** @param {{ word?: string }} extra */
  question(extra = {}) {
    if (!this.reading) return;
    const { run, choice } = this.reading;
    this.emit("ask", { run: run.id, n: this.asked, layer: this.row, ...choice, ...extra });
    askOnceMore(this, extra);
  }

  /** An own word goes to Python as text: what it is as a token only the tokenizer knows.
   * @param {string} word */
  askWord(word) {
    this.askWordAlone(word);
    companion(this)?.askWordAlone(word);
  }

  /** @param {string} word */
  askWordAlone(word) {
    if (!this.reading) return;
    this.send.cancel();
    this.reading = this.reading.asking({});
    this.asked += 1;
    this.question({ word });
    this.draw();
  }

  /** Hides the answer until the visitor has guessed where the edge is.
   * @param {boolean} on */
  predict(on) {
    this.predicting = on;
    this.hidden = on;
    this.guess = null;
    this.button("predict").setAttribute("aria-pressed", String(on));
    this.draw();
  }

  /** @param {number} position */
  guessed(position) {
    this.guess = position;
    this.hidden = false;
    answered("Where is the edge?", `position ${position}`);
    this.draw();
  }

  /** The token under the pointer: every part marks it, and what is known of it stands beside it.
   * @param {number | null} position
   * @param {Element | null} [node]  that it stands in
   * @param {PlacedExplanation | null} [explanation]  of a place in the picture */
  point(position, node = null, explanation = null) {
    const { reading } = this;
    if (!reading) return;
    if (position !== null && position >= reading.run.count) position = null;
    const changed = position !== this.hovered;
    this.hovered = position;
    const known = explanation ?? (node && position !== null ? this.explanationOf(reading, node, position) : null);
    if (position === null || !known) this.part("pop").hidden = true;
    else showPopover(this, position, node, known);
    if (changed) {
      this.picture.draw(reading);
      this.side.story.markHover();
    }
  }

  /** @param {Reading} reading
   * @param {Element} node
   * @param {number} position
   * @returns {PlacedExplanation} */
  explanationOf(reading, node, position) {
    const place = node.getBoundingClientRect();
    const words = this.hidden ? { title: `position ${position}`, lines: [] } : explainBelow(reading, position);
    return { x: place.left, y: place.bottom, ...words };
  }

  draw() {
    const { reading, root } = this;
    if (!reading) return;
    const began = performance.now();
    tellReadingsApart(this);
    this.side.draw(reading);
    this.picture.draw(reading);
    this.strip.draw();
    this.openMs ??= performance.now() - this.mounted;
    const { run, choice, fresh } = reading;
    Object.assign(root.dataset, {
      run: run.id,
      reading: choice.reading,
      source: choice.source,
      target: choice.target,
      count: run.count,
      row: this.row,
      cut: choice.cut,
      window: choice.window ?? "",
      sinks: choice.sinks,
      zoom: this.zoom,
      scale: this.scaleName,
      asked: this.asked,
      fresh: fresh ? "1" : "0",
      hidden: this.hidden ? "1" : "0",
      guess: this.guess ?? "",
      status: run.meta.status,
      ready: "1",
      bytes: this.bytes,
      openMs: this.openMs.toFixed(1),
      drawMs: (performance.now() - began).toFixed(1),
    });
  }

  dispose() {
    clearTimeout(this.waiting);
    part(this);
    this.send.cancel();
    this.leave();
  }
}
