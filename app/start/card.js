// The card beside the text: a word to watch, the question, the measured answer, and the way the change took.

import { el, segmented } from "../kit/dom.js";
import { clamp, percent, plural, quoted } from "../kit/format.js";
import { answered } from "../kit/room.js";
import { term } from "../kit/terms.js";
import { rem } from "../kit/measure.js";
import { calm } from "../kit/timing.js";
import { answerBars, typicalScale } from "./answer.js";
import { carriers } from "./corridor.js";

/** @typedef {import("./types.js").Story} Story */
/** @typedef {import("../kit/dom.js").Child} Child */

const HOP_MS = 1100;

export class QuestionCard {
  /** @param {import("./page.js").default} player */
  constructor(player) {
    this.player = player;
    this.node = el("section", { class: "mx-card start-card", "aria-label": "Is it forgotten?", "aria-live": "polite" });
    player.part("story").closest(".mx-card")?.after(this.node);
    /** @type {"reading" | "ask" | "answer" | "path"} */
    this.stage = "reading";
    /** @type {"forgotten" | "counts" | null} what the visitor thinks */
    this.guess = null;
    /** Which word stands in the text: 0 = its own, 1 = the swap. */
    this.version = 1;
    this.hop = 0;
    /** What the card on the page was made of. */
    this.key = "";
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.clock = undefined;
  }

  dispose() {
    clearInterval(this.clock);
  }

  /** The clock has come to the question. */
  ask() {
    this.stage = "ask";
    this.player.timeline.pause();
    this.bringUp();
  }

  /** The card comes into view where it is not: the parts stand below each other, or the letters are large. */
  bringUp() {
    requestAnimationFrame(() => {
      const narrow = this.player.size(this.player.root).width < 44 * rem();
      const behavior = calm() ? "auto" : "smooth";
      if (narrow) return this.node.scrollIntoView({ block: "center", behavior });
      // As little as it takes, so that the text beside it stays: what it says last stands over the player's bar.
      this.node.lastElementChild?.scrollIntoView({ block: "nearest", behavior });
    });
  }

  /** @param {"forgotten" | "counts"} guess */
  answer(guess) {
    Object.assign(this, { guess, stage: "answer", version: 1 });
    answered("Is it forgotten?", guess === "forgotten" ? "yes, forgotten" : "no, it counts");
    this.player.goTarget();
    this.focus(".start-main");
    this.bringUp();
  }

  /** @param {string} selector  of a button of the card */
  focus(selector) {
    /** @type {HTMLElement | null} */ (this.node.querySelector(selector))?.focus({ preventScroll: true });
  }

  /** @param {number} version */
  swap(version) {
    this.version = version;
    this.player.draw();
  }

  follow() {
    this.stage = "path";
    this.hop = calm() ? this.player.run.layers : 0;
    this.player.goTarget();
    this.bringUp();
    clearInterval(this.clock);
    if (!calm())
      this.clock = setInterval(
        () => (this.hop < this.player.run.layers ? this.toHop(this.hop + 1) : clearInterval(this.clock)),
        HOP_MS,
      );
  }

  /**
   * @param {number} hop
   * @param {boolean} byHand  stops the clock
   */
  toHop(hop, byHand = false) {
    if (byHand) clearInterval(this.clock);
    const { run } = this.player;
    this.hop = clamp(hop, 0, run.layers);
    this.player.layer = Math.min(this.hop, run.layers - 1); // the ring beside it is the one that reads this row
    this.player.draw();
  }

  /** Redraws only if what it says has changed, so that a button keeps the focus. */
  draw() {
    const { player, stage } = this;
    const { story, t } = player;
    this.node.hidden = !story;
    if (!story) return;
    const key = [
      stage,
      this.guess,
      this.version,
      this.hop,
      stage === "reading" ? t : "",
      player.root.dataset.theme,
      t === story.target,
    ].join("|");
    player.root.dataset.stage = stage;
    player.root.dataset.hop = stage === "path" ? String(this.hop) : "";
    if (key === this.key) return;
    this.key = key;
    const active = player.active();
    const focused = active instanceof HTMLElement && this.node.contains(active) ? active.dataset.do : null;
    this.node.replaceChildren(...this.content(story));
    if (focused) this.focus(`[data-do="${focused}"]`);
  }

  /** @param {Story} story */
  content(story) {
    if (this.stage === "reading") return this.reading(story);
    if (this.stage === "ask") return this.question(story);
    return this.stage === "answer" ? this.answered(story) : this.path(story);
  }

  /**
   * @param {string} text
   * @param {string} kind  class
   */
  word(text, kind = "start-name") {
    return el("b", { class: `mx-serif ${kind}` }, quoted(text));
  }

  /**
   * @param {string} name  for `data-do`
   * @param {string} text
   * @param {() => void} onclick
   * @param {string} kind  class
   */
  button(name, text, onclick, kind = "") {
    /** @type {Record<string, string>} what is read out where the text is only a sign */
    const labels = { "hop-back": "One layer back", "hop-on": "One layer on" };
    const label = labels[name];
    return el(
      "button",
      { type: "button", class: `start-button ${kind}`, "data-do": name, "aria-label": label, onclick },
      text,
    );
  }

  /** @param {Story} story */
  reading(story) {
    const { t, run } = this.player;
    const { position, leaves, word, target } = story;
    const head = el("h2", {}, "Watch the word ", this.word(word));
    const strip = this.slide(story);
    if (t < position)
      return [head, el("p", {}, "The model reads one piece of a word at a time. Soon it reads this one.")];
    const rings = run.layers === 1 ? "the ring" : `all ${run.layers} rings`;
    if (t < leaves) {
      return [
        head,
        el(
          "p",
          {},
          "Its ",
          term("KV", "keys and values"),
          " lie in ",
          el("b", {}, rings),
          `. ${plural(leaves - t, "token")} more, and they are overwritten.`,
        ),
        ...strip,
      ];
    }
    const back =
      t > target
        ? [
            el(
              "p",
              {},
              this.button("back", "Back to the question", () => {
                this.stage = "ask";
                this.player.goTarget();
              }),
            ),
          ]
        : [];
    return [
      head,
      el(
        "p",
        {},
        "It has ",
        el("b", {}, `left ${rings}`),
        t === leaves
          ? ": its slot has just been overwritten."
          : `: its slot was overwritten ${plural(t - leaves, "token")} ago.`,
      ),
      ...strip,
      ...back,
    ];
  }

  /**
   * The word slides out of the window: one cell for each token back, the window's own marked.
   *
   * @param {Story} story
   */
  slide(story) {
    const { t, run } = this.player;
    const window = Math.max(...run.windows);
    const far = story.target - story.position;
    if (far > 96) return [];
    const back = t - story.position;
    const cells = Array.from({ length: far + 1 }, (_, i) => far - i).map((d) =>
      el("i", { class: [d < window ? "start-open" : "start-gone", d === back ? "start-at" : ""].join(" ") }),
    );
    if (back > far) cells.unshift(el("i", { class: "start-gone start-at" }), el("b", { class: "start-gap" }, "…"));
    return [
      el(
        "div",
        { class: "start-slide", role: "img", "aria-label": `${back} tokens back; the window holds ${window}` },
        ...cells,
      ),
      el(
        "div",
        { class: "start-ends" },
        el("span", {}, `${Math.max(far, back)} tokens back`),
        el("span", {}, `the window: ${window} tokens`),
        el("span", {}, "now"),
      ),
    ];
  }

  /** @param {Story} story */
  question(story) {
    const { run } = this.player;
    return [
      el("h2", {}, "Is it forgotten?"),
      el(
        "p",
        {},
        this.word(story.word),
        ` is ${story.target - story.position} tokens back. It left all ${plural(run.layers, "ring")} `,
        `${story.target - story.leaves} tokens ago: no layer can look at it any more. `,
        "Does it still matter for the next word?",
      ),
      ...this.slide(story),
      el(
        "p",
        { class: "start-buttons" },
        this.button("yes", "Yes, it is forgotten", () => this.answer("forgotten"), "start-main"),
        this.button("no", "No, it still counts", () => this.answer("counts"), "start-main"),
      ),
    ];
  }

  /** @param {Story} story */
  answered(story) {
    const counts = Math.abs(story.first[0] - story.swapped[0]) >= 0.05;
    const truth = counts ? "It is not forgotten." : "It is nearly forgotten.";
    const verdict = `You said: ${this.guess === "counts" ? "it counts" : "forgotten"}. ${truth}`;
    const pick = el("span", { class: "mx-seg", role: "radiogroup", "aria-label": "The word in the text" });
    segmented(
      pick,
      [
        ["0", `as ${story.word}`],
        ["1", `as ${story.swap}`],
      ],
      String(this.version),
      (value) => this.swap(Number(value)),
    );
    return [
      el("div", { class: "start-top" }, el("h2", {}, verdict), this.badge(story)),
      el(
        "div",
        { class: "start-top" },
        el("p", {}, "Only this word is exchanged, and the next word is another:"),
        pick,
      ),
      answerBars(story, this.version),
      typicalScale(story),
      el(
        "p",
        { class: "start-buttons" },
        this.button("path", "How did it get through?", () => this.follow(), "start-main"),
      ),
    ];
  }

  /** @param {Story} story */
  badge(story) {
    return el("span", { class: "mx-badge", title: `by ${story.command}` }, "recorded");
  }

  /**
   * The states that carry most after each layer so far.
   *
   * @param {Story} story
   */
  trail(story) {
    const { player, hop } = this;
    return el(
      "ol",
      { class: "start-trail", "aria-label": "Most of it, layer by layer" },
      ...Array.from({ length: hop }, (_, i) => {
        const most = carriers(story, i + 1, 2).flatMap(([at, share], j) => [
          j ? ", " : "",
          this.word(player.run.labels[at], ""),
          ` ${percent(share)}`,
        ]);
        return el("li", {}, `L${i + 1} `, ...most);
      }),
    );
  }

  /** @param {Story} story */
  path(story) {
    const { player, hop } = this;
    const { run } = player;
    const last = hop === run.layers;
    const names = carriers(story, hop).flatMap(([position, share], i) => [
      i ? ", " : "",
      this.word(run.labels[position], ""),
      ` (${position}) `,
      el("b", {}, percent(share)),
    ]);
    /** @type {Child[]} */
    const where =
      hop === 0
        ? ["At first the change is in one place only: the word itself, ", this.word(story.word), "."]
        : last
          ? [
              `After layer ${hop} all of it has arrived at `,
              this.word(run.labels[story.target], ""),
              ", where the next word is predicted.",
            ]
          : [`After layer ${hop} the change lies mostly in `, ...names, "."];
    const widest = Math.max(...run.windows.filter(Number.isFinite)) - 1;
    const done = [
      el(
        "p",
        {},
        `Each layer looks at ${widest + 1} tokens, itself and ${widest} before it: later words took it up while they ` +
          "could still see it, and handed it on. ",
        el(
          "span",
          { class: "mx-soft" },
          `In every row the parts add up to about ${story.change.toFixed(1).replace("-", "−")} `,
          term("nats"),
          ", the change of ",
          term("ln p"),
          `(${story.answers[0]}).`,
        ),
      ),
      el(
        "p",
        { class: "start-buttons" },
        this.button("ring", "Measure it in the rings", () => player.leaveTo("ring"), "start-main"),
        this.button("reach", "Follow other words", () => player.leaveTo("reach")),
        this.button("own", "Try your own sentence", () => player.ownSentence()),
        this.button("on", "Let it write on", () => player.writeOn()),
      ),
    ];
    return [
      el(
        "div",
        { class: "start-top" },
        el("h2", {}, "How it got through"),
        el(
          "div",
          { class: "start-hops" },
          this.button("hop-back", "‹", () => this.toHop(hop - 1, true)),
          el("b", {}, `${hop} of ${plural(run.layers, "layer")}`),
          this.button("hop-on", "›", () => this.toHop(hop + 1, true)),
        ),
        this.badge(story),
      ),
      el("p", { class: "start-where" }, ...where),
      ...(hop ? [this.trail(story)] : []),
      ...(last ? done : []),
    ];
  }
}
