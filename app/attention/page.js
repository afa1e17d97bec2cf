// The attention page: takes payloads, owns the playhead and the choices, lets every panel draw the same moment.

import { FindingPanel } from "./finding.js";
import { LargePanel } from "./large.js";
import { AttentionRun } from "./run.js";
import { headsTable, largeTable } from "./tables.js";
import { movedWeight } from "./beside.js";
import { Memory } from "../kit/memory.js";
import { Playhead } from "../kit/playhead.js";
import { TablePanel } from "./table.js";
import { ThumbPanel } from "./thumbs.js";
import { Timeline } from "../kit/timeline.js";
import { Values } from "./values.js";
import { WordPanel } from "./words.js";
import { clamp, grouped, percent, plural, quoted, shorten } from "../kit/format.js";
import { el, legend, segmented } from "../kit/dom.js";
import { term } from "../kit/terms.js";
import { lead } from "../kit/together.js";
import { coming, firstStep, keepPlace, placeOf, takePlace } from "../kit/places.js";

/** @import { AttentionPayload, Extras } from "./run.js" */
/** @import { AttentionHeader, EdgeOfFinding, Events } from "./types.js" */
/** @import { Picture } from "./values.js" */
/** @typedef {{ query: number, key: number }} Cell  positions */
/** What is said of a thing, beside a place on the screen.
 * @typedef {{ x: number, y: number, title: string, lines: string[] }} Tip */
/** @typedef {"band" | "square"} Shape */
/** @typedef {"pictures" | "numbers"} Panel */
/** How a run was last looked at.
 * @typedef {{ t: number, layer: number, head: number, shape: Shape, picture: Picture, panel: Panel, hidden: boolean,
 *   end: boolean }} AttentionView */

/** @type {[Picture, string, string?][]} */
const PICTURES = [
  ["head", "one layer"],
  ["mean", "all, mean", "mean"],
  ["max", "all, max", "max"],
  ["rollout", "rollout", "rollout"],
];
/** @type {[Shape, string, string?][]} */
const SHAPES = [
  ["band", "band", "band"],
  ["square", "triangle", "triangle"],
];
/** @type {[Panel, string][]} */
const PANELS = [
  ["pictures", "pictures"],
  ["numbers", "numbers"],
];

/** @type {Memory<AttentionRun, AttentionView>} */
const memory = new Memory(AttentionRun);

/** @extends {Playhead<AttentionPayload, AttentionRun, Events, AttentionView>} */
export default class AttentionPage extends Playhead {
  /** @param {HTMLElement} host @param {{ markup: string, style: string }} look */
  constructor(host, look) {
    super(host, look, memory);
    /** @type {Cell | null} the cell that is marked: under the pointer, else the chosen one */
    this.aimed = null;
    /** @type {Cell | null} of a disagreement */
    this.chosen = null;
    /** @type {Shape} */
    this.shape = "band";
    /** @type {Picture} */
    this.picture = "head";
    /** @type {Panel} */
    this.panel = "pictures";
    this.hidden = false;
    /** @type {AttentionHeader["finding"] | null} */
    this.finding = null;
    /** @type {Extras | null} */
    this.extras = null;
    /** @type {string | undefined} key of the extras when the button for the scores was last made ready */
    this.readFor = undefined;
    this.legendKey = "";
    this.values = new Values(this);
    this.text = new WordPanel(this);
    this.thumbs = new ThumbPanel(this);
    this.large = new LargePanel(this);
    this.table = new TablePanel(this);
    this.side = new FindingPanel(this);
    /** @type {Timeline} */
    this.timeline = new Timeline(this);
    this.bind({
      scores: (button) => {
        Object.assign(button, { textContent: "reading the text again …", disabled: true });
        this.trigger("scores", { run: this.run.id, n: performance.now() });
      },
      sink: () => this.set({ hidden: !this.hidden }),
      save: () => this.values.save(),
    });
  }

  tables() {
    return { thumbs: () => headsTable(this), large: () => largeTable(this) };
  }

  /** @param {AttentionPayload} payload */
  arrived({ header }) {
    this.extras = this.run.extras;
    const waited = this.finding?.state === "running";
    const { finding } = header;
    this.finding = finding;
    // Who waited for it sees it: the key that is much looked at, in the text and in the picture.
    if (waited && finding.state === "done" && finding.edges.length) setTimeout(() => this.choose(finding.edges[0]));
  }

  /** @param {AttentionRun} run @param {AttentionHeader} header */
  open(run, { at, status }) {
    Object.assign(this, { run, target: null, moved: false });
    this.chosen = this.aimed = null;
    this.text.reset();
    this.fillPickers(run);
    const view = this.memory.views.get(run.id);
    const last = run.count - 1;
    const place = placeOf(run.id, at);
    if (view) Object.assign(this, view);
    if (place)
      takePlace(this, place); // another page may have moved the place; what was shown how stays
    else if (view) this.goQuietly(view.end ? last : view.t, view.layer, view.head);
    else {
      const step = firstStep(run, status);
      this.goQuietly(step, run.middle, 0);
      this.target = coming(run, step);
    }
    if (!run.meta.pattern || run.meta.pattern.mean) this.head = -1;
  }

  remember() {
    keepPlace(this);
    const { t, layer, head, shape, picture, panel, hidden } = this;
    this.memory.views.set(this.run.id, {
      t,
      layer,
      head,
      shape,
      picture,
      panel,
      hidden,
      end: t >= this.run.count - 1 && this.target === null,
    });
  }

  /** @param {number} position @param {{ by: "hand" | "clock" }} how */
  go(position, how) {
    if (how.by === "hand") this.chosen = this.aimed = null;
    super.go(position, how);
  }

  /** @param {Partial<Pick<AttentionPage, "shape" | "picture" | "panel" | "hidden">>} changes */
  set(changes) {
    Object.assign(this, changes);
    this.draw();
    lead(this);
  }

  shared() {
    const { shape, picture, hidden } = this;
    return { ...super.shared(), shape, picture, hidden };
  }

  /** How much of the weight lies elsewhere than in the run beside: half the sum of all differences.
   * @param {AttentionPage} other */
  apart(other) {
    const moved = movedWeight(this.values, other.values, this.t);
    return other.t === this.t && Number.isFinite(moved) ? `${percent(moved)} of the weight lies elsewhere` : "";
  }

  /** @param {number} layer @param {number} head */
  pick(layer, head) {
    this.picture = "head";
    super.pick(layer, head);
  }

  /** Jumps to one of the two edges of a disagreement; its attention is the mean of all heads.
   * @param {EdgeOfFinding} edge */
  choose(edge) {
    this.go(edge.query, { by: "hand" });
    this.picture = "mean";
    this.chosen = this.aimed = { query: edge.query, key: edge.key };
    this.draw();
  }

  rootData() {
    const { shape, picture, panel, extras, finding } = this;
    return {
      shape,
      picture,
      panel,
      sink: this.values.hides() ? "hidden" : "shown",
      extras: extras?.key ?? "",
      scores: extras?.scores ? "1" : "0",
      finding: finding?.state ?? "",
    };
  }

  drawPictures() {
    if (this.panel === "pictures") this.thumbs.draw();
    else this.table.draw();
    this.large.draw();
    this.side.draw();
  }

  prepare() {
    if (this.picture !== "head" && !this.extras?.bands[this.picture]) this.picture = "head";
    this.part("pictures").hidden = this.panel !== "pictures";
    this.part("numbers").hidden = this.panel !== "numbers";
  }

  drawBar() {
    const { run } = this;
    this.drawChips(plural(run.count, "token"));
    this.part("seen").textContent = quoted(shorten(run.labels[this.values.query()], 18));
    this.drawChoices();
  }

  drawChoices() {
    const { run, extras } = this;
    const { provenance } = run.meta;
    this.part("all-badge").textContent =
      this.values.hides() || this.panel === "numbers" || run.heads < 2 ? "derived" : provenance;
    for (const name of ["one-badge", "text-badge"]) {
      this.part(name).textContent =
        this.values.hides() || this.picture !== "head" || this.head < 0 ? "derived" : provenance;
    }
    const pictures = PICTURES.filter(([name]) => name === "head" || extras?.bands[name]);
    segmented(this.part("shape"), SHAPES, this.shape, (shape) => this.set({ shape }));
    segmented(this.part("picture"), pictures, this.picture, (picture) => this.set({ picture }));
    segmented(this.part("panel"), PANELS, this.panel, (panel) => this.set({ panel }));
    const sink = this.button("sink");
    sink.hidden = !extras?.hidden || run.heads < 2;
    sink.setAttribute("aria-pressed", String(this.hidden));
    sink.disabled = this.picture !== "head";
    this.part("one-title").textContent =
      this.picture === "head" ? `Layer ${this.layer + 1}, ${this.headName()}` : `All layers: ${this.picture}`;
    this.part("one-note").replaceChildren(...this.note());
    const mayRead =
      this.picture === "head" &&
      this.head >= 0 &&
      run.meta.status !== "running" &&
      this.finding?.state !== "impossible";
    const button = this.button("scores");
    button.hidden = !mayRead || !extras || Boolean(extras.scores);
    if (this.readFor !== extras?.key) Object.assign(button, { textContent: "get the scores too", disabled: false });
    this.readFor = extras?.key;
    this.drawLegends();
  }

  /** What the picture of one head or of all layers is, and the head's own numbers.
   * @returns {(Node | string)[]} */
  note() {
    const { run } = this;
    const caution =
      "Derived, and attention is not influence: a weight says where values are fetched, not what they do.";
    if (this.picture === "mean") return [`Average over all layers and heads. ${caution}`];
    if (this.picture === "max") return [`The largest weight of any layer and head. ${caution}`];
    if (this.picture === "rollout")
      return [
        "An estimate of where what stands here came from: through all ",
        `${run.layers} layers, half of each what it looks at (the mean of its heads), half the `,
        term("states", "state"),
        ` that was there. ${caution}`,
      ];
    const hidden = this.values.hidden();
    if (hidden)
      return [
        "Derived: position 0 is left out and the rest scaled to sum to 1. " +
          `Only the first ${grouped(hidden.rows)} queries can see it.`,
      ];
    if (this.head < 0) return [`Derived: average of the ${run.meta.model.n_heads} heads of this layer.`];
    return [
      `Over this run: shares K/V head ${this.table.group(this.head) + 1}`,
      ...this.table.explained(this.layer, this.head),
    ];
  }

  drawLegends() {
    const { run } = this;
    const left = [run.meta.note, ...(this.extras?.notes ?? [])].filter(
      (text, i, all) => text && all.indexOf(text) === i,
    );
    const key = [run.id, this.panel, this.values.width(), run.meta.provenance, ...left].join();
    if (key === this.legendKey) return;
    this.legendKey = key;
    const { n_heads: heads, n_kv_heads: shared } = run.meta.model;
    const share =
      run.heads < 2
        ? ""
        : heads === shared
          ? "every head has its own key/value head"
          : `frame: ${heads / shared} heads that share one key/value head (theory)`;
    this.part("all-legend").replaceChildren(
      ...(this.panel === "numbers"
        ? ["Averages over the queries for which each is defined. Click a row to see the head."]
        : [
            legend("mx-key-attention", "weight, ", term("square root", "darker by its square root")),
            legend("mx-key-masked", term("masked", "cannot be seen")),
            el("span", {}, share),
          ]),
      ...left.map((text) => el("span", {}, ` ${text}.`)),
    );
    this.part("text-legend").replaceChildren(
      "blue: weight of each key · underlined: ",
      Number.isFinite(this.values.width())
        ? `what it can see, at most ${plural(this.values.width(), "token")}`
        : "all it can see",
      this.run.sinks ? ` and the first ${this.run.sinks}` : "",
    );
  }

  sentence() {
    const { run, t } = this;
    const strongest = this.values
      .strongest(t, 3)
      .map(([weight, key]) => `${quoted(run.labels[key])} ${percent(weight)}`);
    return `Position ${t}, ${quoted(run.labels[t])}, ${this.values.what()}: looks at ${strongest.join(", ")}.`;
  }

  /** A word under the pointer or in focus: it becomes the query everywhere.
   * @param {number | null} position @param {Element | null} node */
  point(position, node = null) {
    const known = position !== null && this.run && position < this.run.count ? position : null;
    if (known === null) this.tip(null);
    else if (node) {
      const place = (node.querySelector(".mx-w") ?? node).getBoundingClientRect();
      const lines = this.values
        .strongest(known, 3)
        .map(([weight, key]) => `looks at ${quoted(this.run.labels[key])} (${key}) with ${percent(weight)}`);
      this.tip({
        x: place.left,
        y: place.bottom - 8,
        title: `${quoted(this.run.labels[known])}, position ${known}`,
        lines: [...lines, this.values.what()],
      });
    }
    if (known === this.hovered) return;
    this.hovered = known;
    this.again();
  }

  /** A cell under the pointer: query and key are marked in the text too.
   * @param {Cell | null} cell @param {Tip | null} tip */
  aim(cell, tip = null) {
    this.tip(tip);
    const before = this.aimed;
    this.aimed = cell ?? this.chosen;
    this.hovered = cell ? cell.query : null;
    this.root.dataset.hover = cell ? `${cell.query},${cell.key}` : "";
    if (before?.query !== this.aimed?.query || before?.key !== this.aimed?.key) this.again();
  }

  drawPointed() {
    this.part("seen").textContent = quoted(shorten(this.run.labels[this.values.query()], 18));
    this.text.draw();
    this.large.draw();
    if (this.panel === "pictures") this.thumbs.draw();
  }

  /** @param {Tip | null} tip */
  tip(tip) {
    const pop = this.part("pop");
    pop.hidden = !tip;
    if (!tip) return;
    pop.replaceChildren(
      el("p", { class: "mx-pop-title" }, el("b", { class: "mx-serif" }, tip.title)),
      ...tip.lines.map((line) => el("p", {}, line)),
    );
    const frame = this.root.getBoundingClientRect();
    const left = clamp(tip.x - frame.left + 12, 0, Math.max(0, frame.width - pop.offsetWidth));
    const below = tip.y + 16 + pop.offsetHeight < innerHeight;
    const top = tip.y - frame.top + (below ? 16 : -pop.offsetHeight - 12);
    pop.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  /** @returns {Omit<import("../kit/types.js").Ack, "n">} */
  known() {
    return { ...super.known(), parts: { extras: [this.extras?.key ?? null, this.extras ? 1 : 0] } };
  }
}
