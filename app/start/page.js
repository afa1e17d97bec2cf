// The first minute: plays the recorded text up to the moment at which a word has left every ring, and asks.

import { rowName } from "../kit/format.js";
import { el, legend } from "../kit/dom.js";
import { Memory } from "../kit/memory.js";
import { term } from "../kit/terms.js";
import { calm } from "../kit/timing.js";
import NextWordPage from "../next_word/page.js";
import { NextWordRun } from "../next_word/run.js";
import { QuestionCard } from "./card.js";
import { carriers, share } from "./corridor.js";
import { StartGrid } from "./grid.js";

/** @typedef {import("./types.js").StartHeader} StartHeader */
/** @typedef {import("./types.js").Story} Story */
/** @typedef {import("../next_word/page.js").View} View */

/** @type {Memory<NextWordRun, View>} */
const memory = new Memory(NextWordRun);
/** How the question stood, by run: who comes back from another page finds his answer.
 * @type {Map<string, Pick<QuestionCard, "stage" | "guess" | "version" | "hop">>} */
const answered = new Map();

/** @extends {NextWordPage<import("../next_word/types.js").Events & import("./types.js").Events>} */
export default class StartPage extends NextWordPage {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("../kit/mount.js").Look} look
   */
  constructor(host, look) {
    super(host, look, memory);
    this.card = new QuestionCard(this);
    /** What the legends speak of: the path, or the layer whose reads are framed. */
    this.pathLegend = "";
    this.gridTitle = this.part("grid-title").textContent;
    this.part("story").addEventListener("scroll", () => this.point(null), { passive: true });
  }

  makeGrid() {
    return new StartGrid(this);
  }

  /** Who is led to the question is asked it. @param {{ t: number, layer: number, head: number }} shared */
  follow(shared) {
    super.follow(shared);
    const { story, card } = this;
    if (!story || this.t !== story.target || card.stage !== "reading" || card.guess) return;
    card.ask();
    this.draw();
  }

  tables() {
    const { grid, ring } = super.tables();
    return { grid: () => this.pathTable() ?? grid(), ring };
  }

  /** How much of the change passes through every state, while its path is followed. */
  pathTable() {
    const { story, run, card } = this;
    if (!story || card.stage !== "path") return null;
    const states = story.through.map((_, row) => row);
    const span = Array.from({ length: story.target - story.position + 1 }, (_, i) => story.position + i);
    return {
      title: `Share of the change that passes through every state, from position ${story.position} to ${story.target}`,
      names: ["position", "token", ...states.map(rowName)],
      rows: span.map((p) => [p, run.labels[p], ...states.map((row) => share(story, row, p))]),
    };
  }

  /** What is asked about the recorded run; null = nothing, or no run yet. */
  get story() {
    const header = /** @type {StartHeader | undefined} */ (this.run?.meta); // this page's payloads have a story
    return header?.story ?? null;
  }

  /** @param {NextWordRun} run */
  begin(run) {
    if (!this.story) return super.begin(run);
    this.t = 0;
    if (calm()) {
      // nothing moves by itself: it opens at the question
      this.t = Math.min(this.story.target, run.count - 1);
      this.card.stage = "ask";
    } else this.timeline.play();
  }

  /**
   * Who comes back to the page finds the question where he left it.
   *
   * @param {NextWordRun} run
   * @param {View} view
   * @param {import("../kit/places.js").Stay | null} place
   */
  restore(run, view, place) {
    super.restore(run, view, place);
    if (!this.story || this.t !== this.story.target || this.timeline.playing) return;
    const kept = answered.get(run.id);
    Object.assign(this.card, kept?.guess && kept.stage !== "reading" ? kept : { stage: "ask" });
  }

  remember() {
    super.remember();
    const { stage, guess, version, hop } = this.card;
    answered.set(this.run.id, { stage, guess, version, hop });
  }

  /**
   * The clock stops once, at the question; who plays on or steps by hand is not held up again.
   *
   * @param {number} position
   * @param {import("../kit/playhead.js").How} how
   */
  go(position, how) {
    const { story, card } = this;
    if (!story) return super.go(position, how);
    if (card.stage === "path" || card.stage === "answer") {
      if (position !== story.target) this.rest();
    } else if (card.stage === "ask" && position !== story.target) card.stage = "reading";
    if (card.stage === "reading" && position === story.target && this.t < story.target && !card.guess) card.ask();
    super.go(position, how);
  }

  /** Leaves the answer for the text. */
  rest() {
    clearInterval(this.card.clock);
    this.card.stage = "reading";
  }

  goTarget() {
    if (this.timeline.playing) this.timeline.pause();
    if (this.story) this.t = this.story.target;
    this.draw();
  }

  writeOn() {
    this.rest();
    this.timeline.play();
  }

  /** @param {"ring" | "reach"} to */
  leaveTo(to) {
    this.trigger("go", { to, n: performance.now() });
  }

  ownSentence() {
    /** @type {HTMLInputElement | null} */
    const box = document.querySelector("[data-testid=stForm] input[type=text]");
    box?.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
    box?.focus({ preventScroll: true });
  }

  draw() {
    super.draw();
    const { story, run } = this;
    if (!story || !run?.count) return this.card?.draw();
    this.card.draw();
    this.keepWhole();
    this.drawWord(story);
    this.drawLegend();
  }

  /** As long as the text read so far fits into its panel, it is seen from its beginning. */
  keepWhole() {
    const { host, flow, spans } = this.text;
    const now = spans.get(this.t)?.node;
    if (now && now.offsetTop + now.offsetHeight - flow.offsetTop <= host.clientHeight) host.scrollTop = 0;
  }

  /**
   * The word to watch, and while it is exchanged the other one over it.
   *
   * @param {Story} story
   */
  drawWord(story) {
    const entry = this.text.spans.get(story.position);
    if (!entry) return;
    entry.node.classList.add("start-watched");
    const { stage, version } = this.card;
    const exchanged = stage === "path" || (stage === "answer" && version === 1);
    entry.node.classList.toggle("start-exchanged", exchanged);
    if (exchanged) entry.ink.dataset.swap = story.swap;
    else delete entry.ink.dataset.swap;
    const carrying = new Set(
      stage === "path" && this.card.hop > 0 ? carriers(story, this.card.hop).map(([position]) => position) : [],
    );
    for (const [position, { node }] of this.text.spans) node.classList.toggle("start-carrier", carrying.has(position));
  }

  drawLegend() {
    const path = this.card.stage === "path";
    const key = `${path ? "path" : "reads"} ${this.layer + 1}`; // the words of next_word come anew with each layer
    if (key === this.pathLegend) return;
    this.pathLegend = key;
    this.part("grid-title").textContent = path ? "Where the change is, layer by layer" : this.gridTitle;
    this.legendKey = null;
    this.drawTextLegend();
    if (!path) {
      return this.part("grid-legend").replaceChildren(
        legend("mx-key-edge", el("span", {}, term("edge", "exact edge"), ", tokens back (theory)")),
        legend("mx-key-attention", `read now; framed: what layer ${this.layer + 1} reads`),
        legend("mx-key-cone", term("relays", "only through relays")),
        legend("mx-key-out", "out of reach"),
      );
    }
    this.part("grid-legend").replaceChildren(
      legend("mx-key-edge", el("span", {}, term("edge", "exact edge"), ", tokens back (theory)")),
      legend("mx-key-influence", el("span", {}, term("parts", "share of the change"), "; framed: the row’s largest")),
      legend("mx-key-out", "out of reach"),
    );
  }

  dispose() {
    this.card.dispose();
    super.dispose();
  }
}
