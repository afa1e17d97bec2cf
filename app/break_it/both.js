// Both runs beside each other: the next word's probabilities, what is said of them, and what would be written.

import { apart, el, segmented } from "../kit/dom.js";
import { grouped, percent, plural, quoted } from "../kit/format.js";
import { exactly, lent, nats } from "./changes.js";

/**
 * @typedef {import("./run.js").BreakRun} BreakRun
 * @typedef {import("./types.js").ChangedFacts} ChangedFacts
 * @typedef {import("./types.js").Candidate} Candidate
 */

/** @type {[import("./types.js").ChoiceHeader["writing"], string][]} */
const WRITING = [
  ["greedy", "greedy"],
  ["seeded", "as drawn"],
];
const LITTLE = 0.01; // nats: of a smaller difference no share is worth saying

export class Both {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.text = "";
  }

  /** @param {BreakRun} run */
  draw(run) {
    const { page } = this;
    const { meta } = run;
    const changed = page.laid ? meta.changed : null;
    const after = run.labels[page.choice.target].trim() || "␣";
    page.part("next-title").replaceChildren("After ", el("b", { class: "mx-q mx-serif" }, quoted(after)));
    page.part("next").replaceChildren(...(changed ? this.rows(changed) : []));
    this.facts(run, changed);
    page.part("written").replaceChildren(...(changed ? this.written(changed) : [this.waiting(run)]));
    segmented(page.part("writing"), WRITING, page.choice.writing, (writing) => page.ask({ writing }));
  }

  /** @param {BreakRun} run */
  waiting(run) {
    const { choice } = this.page;
    const none = choice.changes !== null && !choice.changes.length;
    const words = none ? "Nothing is changed: choose a part in the map, or a word to hide." : "Not measured yet.";
    return el("p", { class: "mx-note" }, run.meta.can_measure ? words : "");
  }

  /** @param {ChangedFacts} changed */
  rows({ candidates }) {
    const most = Math.max(...candidates.map(({ before, after }) => Math.max(before, after)));
    const head = el(
      "div",
      { class: "mx-row mx-columns" },
      el("span", {}, "next word"),
      el("span", {}),
      el("span", { class: "mx-num" }, "▯ as it is"),
      el("span", { class: "mx-num" }, "▮ changed"),
    );
    return [head, ...candidates.map((candidate) => this.row(candidate, most))];
  }

  /** @param {Candidate} candidate
   * @param {number} most */
  row({ label, before, after, actual }, most) {
    const bar = (/** @type {string} */ look, /** @type {number} */ share) => {
      const node = el("i", { class: look });
      node.style.width = `${(100 * share) / most}%`;
      return node;
    };
    return el(
      "div",
      { class: `mx-row${actual ? " mx-chosen" : ""}`, "data-word": label },
      el("span", { class: "mx-word" }, label.trim() || "␣"),
      el("span", { class: "mx-bar-track" }, bar("mx-fill", after), bar("mx-outline", before)),
      el("span", { class: "mx-num mx-before" }, percent(before)),
      el("span", { class: "mx-num mx-after" }, percent(after)),
    );
  }

  /** @param {BreakRun} run
   * @param {ChangedFacts | null} changed */
  facts(run, changed) {
    const { page } = this;
    const lines = changed ? this.lines(run, changed) : this.progress(run);
    const text = lines.map((line) => line.map((part) => (typeof part === "string" ? part : part.textContent)).join(""));
    if (this.text === text.join(" ")) return; // what has the focus keeps it
    this.text = text.join(" ");
    page.part("facts").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
    page.part("live-region").textContent = this.text;
  }

  /** @param {BreakRun} run
   * @returns {(string | HTMLElement)[][]} */
  progress(run) {
    const { changing, stopped } = run.meta;
    const { page } = this;
    if (!run.meta.can_measure || (stopped && page.fresh) || !page.choice.changes?.length) return [];
    if (!changing || !page.fresh) return [["Reading the text again …"]];
    const [done, total, what] = changing;
    return [[`${what || "loading the model"}, ${grouped(done)} of ${grouped(total)}`]];
  }

  /** @param {BreakRun} run
   * @param {ChangedFacts} changed
   * @returns {(string | HTMLElement)[][]} */
  lines(run, changed) {
    const bold = (/** @type {string} */ text) => el("b", {}, text);
    const { kl, before, after, surprise, untouched, allowed } = changed;
    const word = quoted(run.meta.explained.trim() || "␣");
    const lines = [
      [
        `ln p of ${word}: ${exactly(before)} → `,
        bold(exactly(after)),
        `. The whole prediction: KL `,
        bold(`${nats(kl)} nats`),
        ".",
      ],
      [
        "Over the whole text: surprise ",
        `${surprise[0].toFixed(2)} → `,
        bold(surprise[1].toFixed(2)),
        " nats a token.",
      ],
    ];
    const other = this.other(changed);
    if (other) lines.splice(1, 0, [other]);
    if (untouched === run.count) lines.push(["No prediction changes, to the last bit."]);
    else if (allowed > 0)
      lines.push([
        `Theory: the first ${plural(allowed, "prediction")} cannot change. Measured: the first `,
        bold(grouped(untouched)),
        " are the same bit for bit.",
      ]);
    return lines;
  }

  /** What the text that lends something would have predicted, and how far there the change goes.
   * @param {ChangedFacts} changed */
  other({ before, after, lending }) {
    const other = (this.page.choice.changes ?? []).map(lent).find(Boolean);
    if (lending === null || !other) return "";
    const share = (after - before) / (lending - before);
    const far = share < 0 ? "the other way" : `${Math.round(100 * share)} % of the way`;
    const none = Math.abs(lending - before) < LITTLE;
    return `In the text with ${quoted(other.word)} it is ${exactly(lending)}${none ? "" : `: the change goes ${far}`}.`;
  }

  /** @param {ChangedFacts} changed */
  written({ written, same }) {
    const [before, after] = written;
    const block = (/** @type {string} */ title, /** @type {string[]} */ texts, /** @type {string} */ name) =>
      el(
        "section",
        { "data-written": name },
        el("h3", {}, title),
        el("p", {}, texts.slice(0, same).join(""), el("mark", {}, texts.slice(same).join(""))),
      );
    const alike = same === before.length && same === after.length;
    const title = alike ? "changed: the same words" : same ? `changed: other words after ${same}` : "changed";
    return apart([block("as it is", before, "before"), block(title, after, "after")]);
  }
}
