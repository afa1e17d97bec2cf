// What surrounds the picture: the text, the sentences, the controls.

import { LONG_VIEW, READING_NAMES } from "./page.js";
import { blend } from "../kit/colour.js";
import { clamp, grouped, percent, plural } from "../kit/format.js";
import { el, legend, segmented } from "../kit/dom.js";
import { greenShare, tiny } from "./grid.js";

export class Side {
  constructor(page) {
    this.page = page;
    page.part("options").addEventListener("change", (event) => page.ask({ replacement: Number(event.target.value) }));
    page.part("own").addEventListener("submit", (event) => {
      event.preventDefault();
      const word = page.part("word").value.trim();
      if (word) page.askWord(word);
    });
    page.part("window").addEventListener("change", (event) => page.ask({ window: Number(event.target.value) || null }));
    const kind = page.part("cut-kind");
    const wall = page.part("wall");
    kind.addEventListener("change", () => {
      const { choice } = page;
      const middle =
        choice.reading === "corridor"
          ? Math.floor((choice.source + choice.target) / 2)
          : choice.reading === "forward"
            ? choice.source + Math.ceil(page.run.smallest / 2)
            : choice.target - Math.ceil(page.run.smallest / 2);
      const column = clamp(Number.isFinite(middle) ? middle : 0, 0, page.run.count - 2);
      page.ask({ cut: kind.value === "wall" ? `wall:${column}` : kind.value });
    });
    wall.addEventListener("change", () =>
      page.ask({ cut: `wall:${clamp(Math.round(Number(wall.value)) || 0, 0, page.run.count - 2)}` }),
    );
  }

  draw() {
    const { page } = this;
    const { run, choice } = page;
    page
      .part("model")
      .replaceChildren(
        el("b", {}, run.meta.model.name),
        ` ${run.layers} layers · reach ${Number.isFinite(run.reach) ? grouped(run.reach) : "all"}`,
      );
    this.drawWindow();
    const writing = run.meta.status === "running";
    page.part("status").hidden = !writing;
    page.part("status").textContent = `being written, ${grouped(run.count)} tokens`;
    segmented(page.part("reading"), READING_NAMES, choice.reading, (value) => page.read(value));
    segmented(
      page.part("zoom"),
      [["all", "all"], ...(page.large ? [["hops", "in hops"]] : []), ["near", "near, with words"]],
      page.zoom,
      (value) => {
        page.zoom = value;
        page.centre = null;
        page.draw();
      },
    );
    segmented(
      page.part("end"),
      choice.reading === "corridor"
        ? [
            ["source", "click: source"],
            ["target", "click: target"],
          ]
        : [],
      page.end,
      (value) => {
        page.end = value;
        page.draw();
      },
    );
    segmented(
      page.part("strip-by"),
      choice.reading === "backward"
        ? []
        : [
            ["change", "change"],
            ["probability", "probability"],
          ],
      page.stripBy,
      (value) => {
        page.stripBy = value;
        page.draw();
      },
    );
    this.drawStory();
    this.drawTitles();
    this.drawLegend();
    this.drawFacts();
    this.drawSwap();
    this.drawCut();
  }

  /** The windows it was trained with, in words. */
  trained() {
    const { trained } = this.page.run.meta.model;
    const kinds = [...new Set(trained.map((window) => (window === null ? "no window" : grouped(window))))];
    return kinds.length > 3 ? `${kinds[0]} to ${kinds.at(-1)}` : kinds.join(" and ");
  }

  drawWindow() {
    const { choice, run } = this.page;
    const select = this.page.part("window");
    const options = [
      ["", `${this.trained()}, as trained`],
      ...run.meta.model.options.map((window) => [String(window), grouped(window)]),
    ];
    if (choice.window && !run.meta.model.options.includes(choice.window))
      options.push([String(choice.window), grouped(choice.window)]);
    if (select.dataset.options !== JSON.stringify(options)) {
      select.dataset.options = JSON.stringify(options);
      select.replaceChildren(...options.map(([value, label]) => el("option", { value }, label)));
    }
    select.value = String(choice.window ?? "");
  }

  word(position) {
    return el("b", { class: "mx-q mx-serif" }, this.page.run.labels[position].trim() || "␣");
  }

  drawTitles() {
    const { page } = this;
    const { choice } = page;
    const put =
      page.fresh && page.run.meta.replacement
        ? [" to ", el("b", { class: "mx-serif" }, page.run.meta.replacement.trim() || "␣")]
        : [];
    const title = {
      forward: ["Where the change of ", this.word(choice.source), ...put, " is felt"],
      backward: ["What the prediction after ", this.word(choice.target), " depends on"],
      corridor: [
        "How the change of ",
        this.word(choice.source),
        ...put,
        " gets to the prediction after ",
        this.word(choice.target),
      ],
    }[choice.reading];
    page.part("grid-title").replaceChildren(...title);
    page
      .part("text-title")
      .replaceChildren(choice.reading === "backward" ? "What it depends on" : "Which predictions change");
    const below =
      choice.reading === "backward"
        ? "influence of each word’s embedding, nats"
        : page.stripBy === "probability"
          ? "probability of the word that follows: ink before, green after the swap"
          : `change of each next-word distribution, KL in nats${choice.cut ? " (outline: without the cut)" : ""}`;
    page.part("strip-title").textContent = below;
    page.part("text-legend").textContent =
      choice.reading === "backward"
        ? "green: its influence (log scale)"
        : "green: how much the next word changes (log scale)";
    const badge = page.run.meta.can_measure ? "model" : "no model";
    for (const name of ["grid-badge", "text-badge", "facts-badge"]) page.part(name).textContent = badge;
  }

  drawLegend() {
    const { page } = this;
    const unit = {
      forward: "relative change of the state",
      backward: "influence, nats",
      corridor: "nats passing through",
    }[page.choice.reading];
    const steps = [-12, -9, -6, -3, 0].map((power) =>
      el("i", { style: `background:${blend(page.colour.card, page.colour.influence, greenShare(10 ** power))}` }),
    );
    const scale = el("span", { class: "mx-entry mx-scale", title: unit }, "10⁻¹²", ...steps, `1  ${unit}`);
    const nothing = page.choice.reading === "corridor" ? "allowed, below rounding" : "allowed, nothing measured";
    const now = `${unit} ${page.colour.card} ${page.zoom === "hops"}`;
    if (this.legend === now) return;
    this.legend = now;
    const hops =
      page.zoom === "hops"
        ? [el("span", { class: "mx-entry" }, "a cell: the largest of its tokens; empty: the text does not go that far")]
        : [];
    page.sizes.clear(); // a line more or less of it leaves the canvas another height
    page
      .part("grid-legend")
      .replaceChildren(
        legend("mx-key-edge", "exact edge (theory)"),
        scale,
        legend("mx-key-out", "exactly 0"),
        legend("mx-key-cone", nothing),
        ...hops,
      );
  }

  /** Spans are made once for a stretch of text; afterwards only their marks change. */
  drawStory() {
    const { page } = this;
    const { run, choice } = page;
    const from = clamp(page.anchor - LONG_VIEW, 0, Math.max(0, run.count - 2 * LONG_VIEW));
    const to = Math.min(run.count, from + 2 * LONG_VIEW);
    const inside = page.frame && page.anchor >= page.frame[0] + (page.frame[0] ? 50 : 0) && page.anchor < page.frame[1];
    if (!inside) {
      page.frame = [from, to];
      this.spans = [];
      for (let p = from; p < to; p++) {
        const written = run.texts[p].trim() ? run.texts[p].trimStart() : run.texts[p].includes("\n") ? "↵" : "·";
        const begin = p === 0 && !run.texts[p].trim();
        const word = el("span", { class: `mx-w${begin ? " mx-mark" : ""}` }, begin ? "begin" : written);
        const span = el(
          "span",
          { class: `mx-tok${p < run.meta.n_prompt ? " mx-prompt" : ""}`, "data-p": p },
          /^\s/.test(run.texts[p]) && p > 1 ? " " : "",
          word,
          run.texts[p].includes("\n") ? "\n" : "",
        );
        this.spans.push(span);
      }
      page.part("story").replaceChildren(...this.spans);
    }
    const ends =
      choice.reading === "forward"
        ? [choice.source]
        : choice.reading === "backward"
          ? [choice.target]
          : [choice.source, choice.target];
    this.spans.forEach((span, i) => {
      const p = page.frame[0] + i;
      const now = p === page.anchor;
      const reached = page.span(choice.reading === "forward" ? run.layers : 0);
      const out =
        !page.hidden &&
        (choice.reading === "backward"
          ? p <= choice.target && reached && p < reached[0]
          : choice.reading === "forward" && reached && p > reached[1]);
      const tint = now ? 0 : page.tint(p);
      const mark = `${now}${ends.includes(p)}${out}${tint}`;
      if (span.mark === mark) return;
      span.mark = mark;
      span.classList.toggle("mx-now", now);
      span.classList.toggle("mx-end", !now && ends.includes(p));
      span.classList.toggle("mx-out", Boolean(out));
      const word = span.querySelector(".mx-w");
      if (tint) {
        word.dataset.g = "1";
        word.style.setProperty("--g", tint);
      } else delete word.dataset.g;
    });
    const { clientHeight, clientWidth, scrollHeight } = page.part("story");
    const place = `${page.anchor} ${clientHeight} ${clientWidth} ${run.meta.status === "running" ? "" : scrollHeight}`;
    if (this.shown !== place) this.reveal(page.anchor, place);
  }

  reveal(position, place) {
    this.shown = place;
    const story = this.page.part("story");
    const span = this.spans[position - this.page.frame[0]];
    if (!span) return;
    const top = span.offsetTop - story.offsetTop;
    if (top < story.scrollTop + 20 || top > story.scrollTop + story.clientHeight - 50)
      story.scrollTop = top - story.clientHeight / 3;
  }

  markHover() {
    this.hoverSpan?.classList.remove("mx-hover");
    this.hoverSpan = this.page.hovered === null ? null : this.spans?.[this.page.hovered - this.page.frame[0]];
    this.hoverSpan?.classList.add("mx-hover");
  }

  drawFacts() {
    const { page } = this;
    const { run, choice } = page;
    let lines = page.hidden
      ? [
          ["Where will the edge be?"],
          ["Click the word or the column up to which the change can be felt; then it is shown."],
        ]
      : page.fresh
        ? this.facts()
        : this.waiting();
    if (page.hidden && choice.reading !== "forward")
      lines = [
        ["Where will the edge be?"],
        ["Click the earliest word on which this prediction can depend; then it is shown."],
      ];
    if (page.guess !== null) lines = [this.verdict(), ...lines];
    if (!page.hidden) lines = [...this.short(), ...this.reread(), ...lines];
    const said = lines.map((parts) => parts.map((part) => part.textContent ?? part).join("")).join(" ");
    if (this.told === said && !page.part("facts").querySelector(":disabled")) return; // what has the focus keeps it
    this.told = said;
    page.part("facts").replaceChildren(...lines.map((parts) => el("p", {}, ...parts)));
    page.part("live-region").textContent = said;
  }

  /** Before the answer: how far the work is, or why there is none. */
  waiting() {
    const { doing, stopped, can_measure: can } = this.page.run.meta;
    const button = (act, label) => el("button", { type: "button", class: "mx-chip", "data-act": act }, label);
    if (!can) return [["The model that wrote this text is not here, so only theory is shown."]];
    if (stopped) return [["Stopped: only theory is shown. "], [button("again", "measure it")]];
    if (!doing) return [["Measuring …"]];
    const [done, total, what] = doing;
    return [
      [`Measuring: ${what || "loading the model"}, ${grouped(done)} of ${grouped(total)}`],
      [button("stop", "cancel")],
    ];
  }

  /** The text has no room for anything to pass the edge: what could be done. */
  short() {
    const { page } = this;
    const { short } = page.run.meta;
    if (!short || page.run.meta.choice.window !== page.choice.window) return [];
    const { run } = page;
    const said = short.leaves
      ? `A change can travel ${plural(run.reach, "token")}, and this text has ${grouped(run.count)}: in it nothing is far enough to be out of reach.`
      : `This text has ${plural(run.count, "token")}: nothing in it has left a window of ${grouped(run.smallest)} yet, so nothing is far enough to be out of reach.`;
    const buttons = [];
    if (short.more)
      buttons.push(el("button", { type: "button", class: "mx-chip", "data-act": "write" }, "write on"), " ");
    if (short.narrower)
      buttons.push(
        el(
          "button",
          { type: "button", class: "mx-chip", "data-act": "narrower" },
          `read it with W = ${short.narrower}`,
        ),
      );
    return [[said], ...(buttons.length ? [buttons] : [])];
  }

  /** With another window than the trained one: what that means, and what it costs. */
  reread() {
    const { page } = this;
    const { window } = page.choice;
    if (!window) return [];
    const { surprise } = page.run.meta.facts;
    const lines = [
      ["Read again with ", el("b", {}, `W = ${grouped(window)}`), `; it was trained with ${this.trained()}.`],
    ];
    if (page.fresh && surprise)
      lines[0].push(` Surprise a token: ${surprise[0].toFixed(2)} nats, as trained ${surprise[1].toFixed(2)}.`);
    return lines;
  }

  verdict() {
    const { page } = this;
    const { choice, run } = page;
    const forward = choice.reading !== "backward";
    const guess = forward ? page.guess - choice.source : choice.target - page.guess;
    const exact = Number.isFinite(run.reach) ? run.reach : run.count;
    const within = run.meta.facts.within90;
    const parts = ["You said ", el("b", {}, `${guess}`), " tokens. Theory: ", el("b", {}, `${exact}`)];
    if (page.fresh && Number.isFinite(within))
      parts.push("; 90 % of what is measured lies within ", el("b", {}, `${within}`));
    return [...parts, "."];
  }

  facts() {
    const { page } = this;
    const { choice, run } = page;
    const { facts } = run.meta;
    const bold = (text) => el("b", {}, `${text}`);
    const lines = [];
    if (choice.reading === "corridor") return this.corridorFacts(facts, bold);
    const side = choice.reading === "forward" ? "on" : "back";
    const exact = Number.isFinite(run.reach) ? run.reach : run.count - 1;
    lines.push(["can see: ", bold(grouped(exact)), ` tokens ${side} (theory)`]);
    if (facts.farthest !== null)
      lines.push([
        "farthest felt: ",
        bold(grouped(facts.farthest)),
        ` ${side}`,
        `${facts.farthest === exact ? ", the very edge" : ""} (there ${tiny(facts.felt)} nats)`,
      ]);
    const what = choice.reading === "forward" ? "the summed KL" : "the summed influence";
    if (facts.within90 !== null)
      lines.push([
        `does use: 90 % of ${what} within `,
        bold(facts.within90),
        " tokens, 99 % within ",
        bold(facts.within99),
      ]);
    if (facts.outside)
      lines.push([
        "beyond the edge: ",
        bold(tiny(facts.outside_top)),
        facts.outside_top === 0
          ? ` at all ${plural(facts.outside, "position")}, bit for bit`
          : ` at most, at ${plural(facts.outside, "position")}`,
      ]);
    if (facts.room !== undefined && facts.room < exact && !run.meta.short) {
      lines.push([
        choice.reading === "forward"
          ? `The text ends ${facts.room} tokens on, before the edge: write more of it, or choose an earlier word.`
          : `The text begins ${facts.room} tokens back, before the edge: choose a later prediction.`,
      ]);
    }
    if (choice.reading === "forward" && facts.kl_top !== null)
      lines.push([
        "largest beyond one window: ",
        bold(tiny(facts.kl_top)),
        ` nats after `,
        el("span", { class: "mx-serif" }, run.labels[facts.kl_top_at]),
      ]);
    if (choice.reading === "backward")
      lines.push([
        "explained: ",
        el("b", { class: "mx-serif" }, run.meta.explained),
        `, probability ${percent(facts.probability)}`,
      ]);
    if (facts.left !== undefined)
      lines.push([
        `with the cut ${percent(facts.left)} of the summed ${choice.reading === "forward" ? "KL" : "influence"} arrives`,
      ]);
    return lines;
  }

  corridorFacts(facts, bold) {
    const { run, choice } = this.page;
    const distance = choice.target - choice.source;
    if (distance > run.reach)
      return [
        [
          bold(distance),
          ` tokens apart, reach ${grouped(run.reach)}: the corridor is empty. Nothing of the word can be left here.`,
        ],
      ];
    const lines = [[bold(distance), " tokens apart: at least ", bold(plural(run.hops(distance), "hop"))]];
    lines.push([
      "log-probability of ",
      el("b", { class: "mx-serif" }, run.meta.explained),
      ` changes by `,
      bold(tiny(facts.change)),
      " nats when the word is swapped",
    ]);
    lines.push([
      `${percent(facts.before)} before, ${percent(facts.after)} after; KL of the whole prediction `,
      bold(tiny(facts.kl)),
      " nats",
    ]);
    lines.push([
      `each row of the grid sums to that change (${facts.steps} steps in float${facts.exact ? 64 : 32}: off by at most ${tiny(facts.off)})`,
    ]);
    if (distance === run.reach) lines.push(["Exactly at the edge: one single path is left."]);
    return lines;
  }

  drawSwap() {
    const { page } = this;
    const { run, choice } = page;
    page.part("swap-card").hidden = choice.reading === "backward" || !run.meta.can_measure;
    const put = page.fresh && run.meta.replacement ? run.meta.replacement : "…";
    const how = choice.replacement === null ? "drawn from this text" : "your choice";
    page
      .part("swap")
      .replaceChildren(
        el("span", { class: "mx-swap" }, this.word(choice.source), " → ", el("b", {}, put.trim() || put)),
        el("p", { class: "mx-note" }, how),
      );
    const select = page.part("options");
    const shown = JSON.stringify([run.meta.options, choice.replacement]);
    if (select.dataset.shown === shown) return;
    select.dataset.shown = shown;
    select.replaceChildren(
      el("option", { value: "", disabled: true }, "choose …"),
      ...run.meta.options.map(([id, label]) => el("option", { value: id }, label)),
    );
    select.value = run.meta.options.some(([id]) => id === choice.replacement) ? String(choice.replacement) : "";
  }

  drawCut() {
    const { page } = this;
    const { run, choice } = page;
    const select = page.part("cut-kind");
    if (select.dataset.layers !== String(run.layers)) {
      select.dataset.layers = run.layers;
      select.replaceChildren(
        el("option", { value: "" }, "nothing"),
        el("option", { value: "wall" }, "a wall between two words"),
        ...Array.from({ length: run.layers }, (_, i) =>
          el("option", { value: `layer:${i + 1}` }, `layer ${i + 1}: nothing moves sideways`),
        ),
      );
    }
    const [kind, number] = choice.cut.split(":");
    if (document.activeElement !== select || select.value !== choice.cut)
      select.value = kind === "wall" ? "wall" : choice.cut;
    page.part("wall-field").hidden = kind !== "wall";
    const wall = page.part("wall");
    wall.max = run.count - 2;
    if (kind === "wall" && document.activeElement !== wall) wall.value = number;
    const notes = {
      wall: `No word after position ${number} may look at it or anything before. What is later is a text of its own.`,
      layer: `In layer ${number} every word sees only itself: one hop of ${Number.isFinite(run.smallest) ? run.smallest - 1 : "any"} tokens is lost.`,
    };
    page.part("cut-note").textContent =
      notes[kind] ?? "Take attention edges away, and see what still arrives. The staircase stays where it was.";
  }
}
