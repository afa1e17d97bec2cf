// The card beside the text: a word to watch, the question, the measured answer, and the way the change took.

import { calm } from "../kit/timing.js";
import { clamp, grouped, percent, plural, quoted } from "../kit/format.js";
import { el, segmented } from "../kit/dom.js";
import { rem } from "../kit/measure.js";

const HOP_MS = 1100;

export class QuestionCard {
  constructor(player) {
    this.player = player;
    this.node = el("section", { class: "mx-card mn-card", "aria-label": "Is it forgotten?", "aria-live": "polite" });
    player.part("story").closest(".mx-card").after(this.node);
    Object.assign(this, { stage: "reading", said: null, version: 1, hop: 0, shown: "" });
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

  /** Where the parts stand below each other the card comes into view. */
  bringUp() {
    requestAnimationFrame(() => {
      if (this.player.size(this.player.root).width < 44 * rem())
        this.node.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
    });
  }

  answer(said) {
    Object.assign(this, { said, stage: "answer", version: 1 });
    this.player.goTarget();
    this.node.querySelector(".mn-main")?.focus({ preventScroll: true });
    this.bringUp();
  }

  swap(version) {
    this.version = version;
    this.player.draw();
  }

  follow() {
    this.stage = "path";
    this.hop = calm() ? this.player.run.layers : 0;
    this.player.goTarget();
    clearInterval(this.clock);
    if (!calm())
      this.clock = setInterval(
        () => (this.hop < this.player.run.layers ? this.toHop(this.hop + 1) : clearInterval(this.clock)),
        HOP_MS,
      );
  }

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
      this.said,
      this.version,
      this.hop,
      stage === "reading" ? t : "",
      player.root.dataset.theme,
      t === story.target,
    ].join("|");
    player.root.dataset.stage = stage;
    player.root.dataset.hop = stage === "path" ? this.hop : "";
    if (key === this.shown) return;
    this.shown = key;
    const focused = this.node.contains(player.root.getRootNode().activeElement)
      ? player.root.getRootNode().activeElement.dataset.do
      : null;
    this.node.replaceChildren(
      ...{
        reading: () => this.reading(),
        ask: () => this.question(),
        answer: () => this.answered(),
        path: () => this.path(),
      }[stage](),
    );
    if (focused) this.node.querySelector(`[data-do="${focused}"]`)?.focus({ preventScroll: true });
  }

  word(text, kind = "mn-name") {
    return el("b", { class: `mx-serif ${kind}` }, quoted(text));
  }

  button(name, text, onclick, kind = "") {
    const label = { "hop-back": "One layer back", "hop-on": "One layer on" }[name];
    return el(
      "button",
      { type: "button", class: `mn-button ${kind}`, "data-do": name, "aria-label": label, onclick },
      text,
    );
  }

  reading() {
    const { story, t, run } = this.player;
    const { position, leaves, word, target } = story;
    const head = el("h2", {}, "Watch the word ", this.word(word));
    const strip = this.slide();
    if (t < position)
      return [head, el("p", {}, "The model reads one piece of a word at a time. Soon it reads this one.")];
    const rings = run.layers === 1 ? "the ring" : `all ${run.layers} rings`;
    if (t < leaves) {
      return [
        head,
        el(
          "p",
          {},
          "Its keys and values lie in ",
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

  /** The word slides out of the window: one cell for each token back, the window's own marked. */
  slide() {
    const { story, t, run } = this.player;
    const window = Math.max(...run.windows);
    const far = story.target - story.position;
    if (far > 96) return [];
    const back = Math.min(t - story.position, far);
    const cells = Array.from({ length: far + 1 }, (_, i) => far - i).map((d) =>
      el("i", { class: [d < window ? "mn-open" : "mn-gone", d === back ? "mn-at" : ""].join(" ") }),
    );
    return [
      el(
        "div",
        { class: "mn-slide", role: "img", "aria-label": `${back} tokens back; the window holds ${window}` },
        ...cells,
      ),
      el(
        "div",
        { class: "mn-ends" },
        el("span", {}, `${far} tokens back`),
        el("span", {}, `the window: ${window} tokens`),
        el("span", {}, "now"),
      ),
    ];
  }

  question() {
    const { story, run } = this.player;
    return [
      el("h2", {}, "Is it forgotten?"),
      el(
        "p",
        {},
        this.word(story.word),
        ` is ${story.target - story.position} tokens back. It left all ${plural(run.layers, "ring")} `,
        `${story.target - story.leaves} tokens ago: no layer can look at it any more. Does it still matter for the next word?`,
      ),
      ...this.slide(),
      el(
        "p",
        { class: "mn-buttons" },
        this.button("yes", "Yes, it is forgotten", () => this.answer("forgotten"), "mn-main"),
        this.button("no", "No, it still counts", () => this.answer("counts"), "mn-main"),
      ),
    ];
  }

  answered() {
    const { story } = this.player;
    const kept = Math.abs(story.first[0] - story.swapped[0]) >= 0.05;
    const truth = kept ? "It is not forgotten." : "It is nearly forgotten.";
    const verdict = `You said: ${this.said === "counts" ? "it counts" : "forgotten"}. ${truth}`;
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
      el("div", { class: "mn-top" }, el("h2", {}, verdict), this.badge()),
      el("div", { class: "mn-top" }, el("p", {}, "Only this word is exchanged, and the next word is another:"), pick),
      this.bars(),
      this.typical(),
      el(
        "p",
        { class: "mn-buttons" },
        this.button("path", "How did it get through?", () => this.follow(), "mn-main"),
      ),
    ];
  }

  badge() {
    return el("span", { class: "mx-badge", title: `by ${this.player.story.command}` }, "recorded");
  }

  bars() {
    const { story } = this.player;
    const rows = story.answers.map((answer, i) => {
      const value = this.version ? story.swapped[i] : story.first[i];
      const before = this.version ? story.first[i] : story.swapped[i];
      const bar = el("span", { class: "mn-bar" }, el("i", {}), el("u", {}));
      bar.firstChild.style.width = `${value * 100}%`;
      bar.lastChild.style.left = `${before * 100}%`;
      return el(
        "div",
        { class: "mn-row" },
        el("span", { class: "mx-serif" }, answer),
        bar,
        el("b", {}, percent(value)),
        el("span", { class: "mx-soft" }, `${this.version ? "was" : "becomes"} ${percent(before)}`),
      );
    });
    return el("div", { class: "mn-bars", role: "group", "aria-label": "Probability of the next word" }, ...rows);
  }

  /** Chosen for effect, so what usually happens stands beside it, on a log scale. */
  typical() {
    const { story } = this.player;
    const { kl_median: median, kl_mean: mean, kl_max: most, sources, distance } = story.typical;
    const low = -5;
    const high = 1;
    const at = (value) => `${((clamp(Math.log10(value), low, high) - low) / (high - low)) * 100}%`;
    const mark = (value, name, kind = "") => {
      const node = el("span", { class: `mn-mark ${kind}` }, el("i", {}), el("span", {}, name));
      node.style.left = at(value);
      return node;
    };
    return el(
      "div",
      { class: "mn-typical" },
      el(
        "p",
        { class: "mx-note" },
        `Chosen for effect: the strongest of ${story.candidates} tried. For ${sources} ordinary words, also ${distance} tokens back, the median change of the whole prediction is ${grouped(Number((story.kl / median).toPrecision(1)))} times smaller (KL in nats, log scale):`,
      ),
      el(
        "div",
        {
          class: "mn-scale",
          role: "img",
          "aria-label": `Median ${median.toPrecision(2)}, mean ${mean.toPrecision(2)}, largest ${most.toPrecision(2)}, this example ${story.kl.toPrecision(2)} nats`,
        },
        mark(median, `ordinary: median ${median.toPrecision(2)}`),
        mark(most, `ordinary: largest ${most.toPrecision(2)}`),
        mark(story.kl, `here ${story.kl.toPrecision(2)}`, "mn-here"),
      ),
    );
  }

  /** The state that carries most after each layer so far. */
  trail() {
    const { player, hop } = this;
    return el(
      "ol",
      { class: "mn-trail", "aria-label": "Most of it, layer by layer" },
      ...Array.from({ length: hop }, (_, i) => {
        const most = player.grid
          .carriers(i + 1, 2)
          .flatMap(([at, share], j) => [j ? ", " : "", this.word(player.run.labels[at], ""), ` ${percent(share)}`]);
        return el("li", {}, `L${i + 1} `, ...most);
      }),
    );
  }

  path() {
    const { player, hop } = this;
    const { story, run } = player;
    const last = hop === run.layers;
    const carriers = player.grid.carriers(hop);
    const names = carriers.flatMap(([position, share], i) => [
      i ? ", " : "",
      this.word(run.labels[position], ""),
      ` (${position}) `,
      el("b", {}, percent(share)),
    ]);
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
        `Each layer looks ${widest} tokens back at most: later words took it up while they could still see it, and handed it on. `,
        el(
          "span",
          { class: "mx-soft" },
          `In every row the parts add up to about ${story.change.toFixed(1)} nats of ln p(${story.answers[0]}).`,
        ),
      ),
      el(
        "p",
        { class: "mn-buttons" },
        this.button("ring", "See it in the rings", () => player.leaveTo("ring"), "mn-main"),
        this.button("reach", "Follow other words", () => player.leaveTo("reach")),
        this.button("own", "Try your own sentence", () => player.ownSentence()),
        this.button("on", "Let it write on", () => player.writeOn()),
      ),
    ];
    return [
      el(
        "div",
        { class: "mn-top" },
        el("h2", {}, "How it got through"),
        el(
          "div",
          { class: "mn-hops" },
          this.button("hop-back", "‹", () => this.toHop(hop - 1, true)),
          el("b", {}, `${hop} of ${plural(run.layers, "layer")}`),
          this.button("hop-on", "›", () => this.toHop(hop + 1, true)),
        ),
        this.badge(),
      ),
      el("p", { class: "mn-where" }, ...where),
      ...(hop ? [this.trail()] : []),
      ...(last ? done : []),
    ];
  }
}
