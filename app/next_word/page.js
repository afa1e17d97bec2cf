// One player on the page: takes payloads, owns the playhead, lets every panel draw the same moment.

import { apart, el, legend, segmented } from "../kit/dom.js";
import { grouped, plural, shorten } from "../kit/format.js";
import { GridPanel } from "../kit/grid.js";
import { Memory } from "../kit/memory.js";
import { coming, firstStep, keepPlace, placeOf, takePlace } from "../kit/places.js";
import { Playhead } from "../kit/playhead.js";
import { showPopover } from "../kit/popover.js";
import { RingPanel } from "../kit/ring.js";
import { TextPanel } from "../kit/text.js";
import { Timeline } from "../kit/timeline.js";
import { term } from "../kit/terms.js";
import { calm } from "../kit/timing.js";
import { BarsPanel } from "./bars.js";
import { Foreseen } from "./foreseen.js";
import { explainWord } from "./popover.js";
import { readsTable, ringTable } from "../kit/reads.js";
import { NextWordRun } from "./run.js";
import { SidePanels } from "./side.js";

/** @typedef {import("./run.js").NextWordHeader} NextWordHeader */
/** @typedef {import("./run.js").NextWordPayload} NextWordPayload */
/** @typedef {import("./types.js").Events} Events */
/** @typedef {import("../kit/places.js").Stay} Stay */
/**
 * How a run was last looked at.
 *
 * @typedef {Object} View
 * @property {number} t
 * @property {boolean} end  whether it was the end of the text
 * @property {number} layer
 * @property {number} head
 * @property {number | null} target
 * @property {"hops" | "probability"} colourBy
 * @property {string | null} stage  of sampling, in the bars
 * @property {boolean} playing
 */

/** @type {["hops" | "probability", string, string][]} */
const MODES = [
  ["hops", "hops", "hops"],
  ["probability", "probability", "probability"],
];

const PATIENCE_MS = 20_000; // after which a branch that Python does not answer for is taken off the page

/** @type {Memory<NextWordRun, View>} */
const memory = new Memory(NextWordRun);

/**
 * @template {Events} [Says=Events]
 * @extends {Playhead<NextWordPayload, NextWordRun, Says, View>}
 */
export default class NextWordPage extends Playhead {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("../kit/mount.js").Look} look
   * @param {Memory<NextWordRun, View>} runs  the page start has its own
   */
  constructor(host, look, runs = memory) {
    super(host, look, runs);
    /** @type {number | undefined} how often the playhead was to jump to the end */
    this.followed = undefined;
    /** @type {string | null} what the legend of the text was made of */
    this.legendKey = null;
    /** @type {TextPanel} */
    this.text = new TextPanel(this);
    this.bars = new BarsPanel(this);
    this.grid = this.makeGrid();
    this.ring = new RingPanel(this);
    this.side = new SidePanels(this);
    /** @type {Timeline} */
    this.timeline = new Timeline(this);
    this.bind();
  }

  /** @returns {GridPanel} */
  makeGrid() {
    return new GridPanel(this);
  }

  /** @returns {Record<string, import("../kit/numbers.js").Give>} */
  tables() {
    return { grid: () => readsTable(this), ring: () => ringTable(this) };
  }

  /** @param {NextWordPayload} payload */
  take(payload) {
    const { run } = this;
    if (run instanceof Foreseen && run.before(payload.header)) this.absorb(run.parent, payload);
    else super.take(payload);
  }

  /** @param {NextWordPayload} payload */
  arrived({ header }) {
    this.followAnew(header.follow);
    this.side.takeSampling(header.sampling);
  }

  /** @param {NextWordHeader} header */
  answer(header) {
    if (header.mode !== "start") super.answer(header);
  }

  /**
   * A button that makes the text grow also takes the eye to its end.
   *
   * @param {number} times
   */
  followAnew(times) {
    if (times === this.followed) return;
    const first = this.followed === undefined;
    this.followed = times;
    if (first || this.timeline.playing) return;
    this.target = null;
    this.t = this.run.count - 1;
  }

  /** @param {NextWordHeader} header */
  wait(header) {
    this.root.dataset.mode = header.mode;
    super.wait(header);
  }

  /**
   * @param {NextWordRun} run
   * @param {NextWordHeader} header
   */
  open(run, { at, mode, branches, status }) {
    const before = this.run;
    const view = this.memory.views.get(run.id);
    const place = mode === "start" ? null : placeOf(run.id, at);
    this.run = run;
    this.target = null;
    this.moved = false;
    this.root.dataset.mode = mode;
    this.text.reset();
    this.fillPickers(run);
    const split = branches.find((branch) => branch.run === run.id && branch.parent)?.at;
    if (view) return this.restore(run, view, place);
    if (place) takePlace(this, place);
    else if (before && typeof split === "number") {
      this.goQuietly(split, this.layer, this.head);
      this.target = split;
    } else {
      const step = mode === "start" ? 0 : firstStep(run, status);
      this.goQuietly(step, run.middle, -1);
      this.target = coming(run, step);
    }
    if (mode === "start") this.begin(run);
  }

  /**
   * The page may mount the player anew at any time; what the hand had chosen stays, and the place follows other pages.
   *
   * @param {NextWordRun} run
   * @param {View} view
   * @param {Stay | null} place
   */
  restore(run, view, place) {
    const again = run.meta.mode === "start" && view.t >= run.count - 1;
    const end = Math.min(run.count - 1, view.target ?? Infinity);
    this.goQuietly(again ? 0 : view.end ? end : view.t, view.layer, view.head);
    this.target = view.target;
    if (place) takePlace(this, place);
    this.text.colourBy = view.colourBy;
    this.bars.stage = view.stage;
    if ((view.playing && this.t === view.t) || again) this.timeline.play();
  }

  remember() {
    if (this.run instanceof Foreseen) return;
    keepPlace(this);
    this.memory.views.set(this.run.id, {
      t: this.t,
      end: this.t >= this.run.count - 1,
      layer: this.layer,
      head: this.head,
      target: this.target,
      colourBy: this.text.colourBy,
      stage: this.bars.stage,
      playing: this.timeline.playing,
    });
  }

  /**
   * The start page plays by itself; with reduced motion it rests where all that it shows can be seen.
   *
   * @param {NextWordRun} run
   */
  begin(run) {
    if (calm())
      return this.goQuietly(
        Math.min(run.count - 1, Number.isFinite(run.reach) ? run.reach + run.smallest + 3 : run.count - 1),
        this.layer,
        -1,
      );
    this.t = Math.min(run.meta.n_prompt - 1, run.count - 1);
    this.timeline.play();
  }

  /**
   * @param {number} position
   * @param {Element | null} node
   * @param {import("../kit/playhead.js").Cell | null} cell
   */
  explainToken(position, node, cell) {
    if (cell) showPopover(this, position, node, cell);
    else explainWord(this, position, node);
  }

  mayBranch() {
    return this.run.meta.mode === "desk" && this.run.steps.length > 0 && !(this.run instanceof Foreseen);
  }

  /** @param {number} id  of the token that is to stand next */
  branch(id) {
    const [position, n] = [this.t + 1, performance.now()];
    this.trigger("branch", { run: this.run.id, position, token_id: id, n });
    this.foresee(new Foreseen(this.run, position, id, n));
  }

  /** Shows what is known of a branch; it is taken off again where Python says that it cannot be, or nothing.
   * @param {Foreseen} run */
  foresee(run) {
    if (this.timeline.playing) this.timeline.pause();
    this.remember();
    this.run = run;
    this.target = null;
    this.text.reset();
    this.goQuietly(run.count - 1, this.layer, this.head);
    this.draw();
    this.text.flow.append(run.word());
    setTimeout(() => {
      if (this.run !== run) return;
      this.open(run.parent, { ...run.parent.meta, at: null });
      this.draw();
    }, PATIENCE_MS);
  }

  /** What the server has not got is not named as if it had.
   * @returns {Record<string, string | number>} */
  rootData() {
    const { run } = this;
    return run instanceof Foreseen ? { run: run.parent.id, foreseen: "1" } : { foreseen: "0" };
  }

  /** How open the next word is, here and in the run beside.
   * @param {NextWordPage} other */
  apart(other) {
    const [mine, theirs] = [this.run.bits(this.t), other.run.bits(other.t)];
    if (other.t !== this.t || !Number.isFinite(mine) || !Number.isFinite(theirs)) return "";
    return `next word: ${mine.toFixed(1)} bits open, there ${theirs.toFixed(1)}`;
  }

  drawPictures() {
    this.grid.draw();
    this.ring.draw();
    if (this.run.meta.mode !== "desk") return;
    this.bars.draw();
    this.side.draw();
  }

  drawBar() {
    const { run, t } = this;
    const { provenance } = run.meta;
    const all = plural(run.count, "token");
    const ended = run.meta.mode === "desk" && run.meta.status === "done" ? `${all} · ▶ shows it again` : all;
    this.drawChips(t + 1 < run.count ? `${grouped(t + 1)} of ${all} read` : ended);
    for (const name of ["grid-badge", "ring-badge", "bars-badge"]) {
      this.part(name).textContent =
        name === "bars-badge" && provenance === "model" && this.bars.stage !== "model" ? "derived" : provenance;
    }
    this.part("seen").textContent = shorten(run.labels[t], 18);
    segmented(this.part("colour-by"), MODES, this.text.colourBy, (value) => {
      this.text.colourBy = value;
      this.draw();
    });
    this.drawTextLegend();
  }

  drawTextLegend() {
    const { run } = this;
    const said = run.meta.pattern ? run.meta.note : "";
    const key = `${this.text.colourBy}|${run.id}|${run.meta.mode}|${said}|${this.layer}`;
    if (key === this.legendKey) return;
    this.legendKey = key;
    /** @type {(kind: string, text: string, data?: Record<string, number>) => HTMLElement} */
    const sample = (kind, text, data = {}) =>
      el("span", { class: `mx-tok mx-sample ${kind}` }, el("span", { class: "mx-w", ...data }, text));
    const bracket = [
      "bracket: the ",
      el("b", { class: "mx-q" }, plural(run.smallest, "piece")),
      run.sinks
        ? `, and the first ${plural(run.sinks, "piece")}, that one layer looks at · `
        : " that one layer looks at · ",
      sample("mx-out", "struck"),
      `out of reach of all ${run.layers} layers · `,
      el("i", {}, "italic"),
      " given",
    ];
    this.part("text-legend").replaceChildren(
      ...(run.meta.mode === "start"
        ? bracket
        : this.text.colourBy === "hops"
          ? [
              term("hops", "hops"),
              " away: ",
              ...apart(
                [
                  ...new Map([
                    [1, 1],
                    [Math.ceil(run.layers / 2), 4],
                    [run.layers, 8],
                  ]),
                ].map(([hops, shade]) => sample("", String(hops), { "data-h": shade })),
              ),
              " ",
              sample("mx-out", "out of reach"),
            ]
          : [
              "probability of each word: ",
              ...apart(
                ["50 %", "20 %", "5 %", "1 %", "<1 %"].map((text, tint) => sample("", text, { "data-tint": tint })),
              ),
            ]),
    );
    this.part("grid-legend").replaceChildren(
      legend("mx-key-edge", el("span", {}, term("edge", "exact edge"), ", tokens back (theory)")),
      legend(
        "mx-key-attention",
        `read in this step (${run.meta.provenance}); framed: what layer ${this.layer + 1} reads`,
      ),
      legend("mx-key-cone", term("relays", "only through relays")),
      legend("mx-key-out", "cannot reach this prediction"),
      said ? el("span", {}, said) : "",
    );
  }

  drawPointed() {
    this.text.draw();
    this.grid.draw();
    this.ring.mark();
  }

  emitAt() {
    if (this.run.meta.mode !== "start" && !(this.run instanceof Foreseen)) super.emitAt();
  }

  /** The moment in one sentence, for those who do not see it. */
  sentence() {
    return `${super.sentence()} ${this.ring.sentence()}`;
  }

  /** @returns {Omit<import("../kit/types.js").Ack, "n">} */
  known() {
    return { ...super.known(), parts: { stages: [this.run.stageKey, this.run.stagesTo] } };
  }
}
