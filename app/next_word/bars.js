// The next word: bars for the twenty likeliest, before and after each sampling stage. A click branches.

import { closest, el, segmented } from "../kit/dom.js";
import { grouped, percent, plural, quoted, shorten } from "../kit/format.js";
import { changes } from "./run.js";
import { term } from "../kit/terms.js";

/** @typedef {import("./page.js").default} Page */
/** @typedef {import("./run.js").NextWordRun} NextWordRun */
/** @typedef {import("./run.js").Step} Step */
/**
 * One bar: a token, its probability in the model and after the chosen stage.
 *
 * @typedef {Object} Bar
 * @property {number} id
 * @property {string} name
 * @property {number} model
 * @property {number} after  NaN = not known
 * @property {boolean} chosen  whether the run took it
 * @property {number} [rank]  from 0, where it is not among the likeliest
 */
/** @typedef {Record<"word" | "outline" | "fill" | "before" | "after", HTMLElement>} Cells */
/** @typedef {Cells & { node: HTMLButtonElement }} Row  what stands in it, and the row itself */

const UNSAID = "unsaid";

export class BarsPanel {
  /** @param {Page} player */
  constructor(player) {
    this.player = player;
    /** @type {string | null} of sampling; null = the last, from which is drawn */
    this.stage = null;
    this.host = player.part("bars");
    this.host.addEventListener("click", (event) => {
      const row = closest(event, "[data-id]");
      if (row instanceof HTMLButtonElement && !row.disabled) player.branch(Number(row.dataset.id));
    });
    /** @type {Row[]} */
    this.rows = [];
  }

  /** The stages that do something under these settings; the model's own is always the first. */
  draw() {
    const { player } = this;
    const { run, t } = player;
    const label = run.labels[t];
    player.part("asker").textContent = quoted(shorten(label ?? "", 18));
    const step = run.steps[t];
    if (!step) return this.empty(run);
    const names = step.names;
    const visible = names.filter((name) => !this.idle(name, step));
    const stage = this.stage !== null && visible.includes(this.stage) ? this.stage : visible[visible.length - 1];
    const at = names.indexOf(stage);
    const stale = step.key !== run.stageKey;
    segmented(
      player.part("stages"),
      visible.map((name) => [name, name, name === "model" ? undefined : name]),
      stage,
      (value) => {
        this.stage = value === visible[visible.length - 1] ? null : value;
        player.draw();
      },
    );
    this.host.classList.toggle("mx-stale", stale);
    const k = step.ids.length;
    const next = run.ids[t + 1] ?? null;
    const largest = Math.max(...step.probs.subarray(0, k), ...step.probs.subarray(at * k, (at + 1) * k));
    const scale = [0.1, 0.25, 0.5, 1].find((end) => largest <= end) ?? 1; // said in the note: bars of two steps compare
    /** @type {Bar[]} */
    const rows = [...step.ids].map((id, i) => ({
      id,
      name: run.nameOf(id),
      model: step.probs[i],
      after: step.probs[at * k + i],
      chosen: id === next,
    }));
    if (next !== null && !rows.some((row) => row.chosen)) {
      rows.splice(9, 0, {
        id: next,
        name: run.labels[t + 1],
        model: run.p(t + 1),
        after: NaN,
        chosen: true,
        rank: run.rankOf(t + 1),
      });
    }
    this.fill(rows, scale, at === 0);
    this.note(run, t, step, at, scale);
  }

  /**
   * Stages without a slider are shown only if the run uses them, "unsaid" only where it takes something away.
   *
   * @param {string} name
   * @param {Step} step
   */
  idle(name, step) {
    if (name === UNSAID) return !changes(step, name);
    const { settings, sampling } = this.player.run.meta;
    /** @type {Record<string, number | undefined>} */
    const used = { ...settings, ...sampling };
    return (name === "min-p" && !used.min_p) || (name === "repetition penalty" && (used.repetition_penalty ?? 1) === 1);
  }

  /** @param {NextWordRun} run */
  empty(run) {
    this.host.replaceChildren(
      el(
        "p",
        { class: "mx-note" },
        run.steps.length
          ? "The alternatives of this step are on their way."
          : "Alternatives were not kept in this run.",
      ),
    );
    this.rows = [];
    this.player.part("bars-note").textContent = "";
  }

  /**
   * @param {Bar[]} rows
   * @param {number} scale  probability of a full bar
   * @param {boolean} modelOnly  whether the chosen stage is the model itself
   */
  fill(rows, scale, modelOnly) {
    if (this.rows.length === 0) this.host.replaceChildren();
    for (const { node } of this.rows.splice(rows.length)) node.remove();
    while (this.rows.length < rows.length) this.rows.push(this.row());
    const mayBranch = this.player.mayBranch();
    rows.forEach((row, i) => {
      const view = this.rows[i];
      const after = modelOnly ? row.model : row.after;
      view.node.dataset.id = String(row.id);
      view.node.disabled = !mayBranch || row.chosen;
      view.node.className = `mx-row${row.chosen ? " mx-chosen" : ""}${after === 0 ? " mx-cut" : ""}`;
      view.word.textContent = row.name;
      view.outline.style.width = `${(100 * row.model) / scale}%`;
      view.fill.style.width = `${(100 * (after || 0)) / scale}%`;
      view.before.textContent = percent(row.model);
      view.after.textContent = modelOnly
        ? ""
        : row.rank === undefined
          ? after === 0
            ? "cut"
            : percent(after)
          : `rank ${row.rank + 1}`;
      const fate = row.chosen
        ? "chosen in this run"
        : after === 0
          ? "cut; click to branch all the same"
          : "click to branch";
      view.node.title = mayBranch || row.chosen ? fate : "";
      view.node.setAttribute("aria-label", `${row.name}: model ${percent(row.model)}, now ${percent(after)}, ${fate}`);
    });
  }

  /** @returns {Row} */
  row() {
    const view = {
      word: el("span", { class: "mx-word" }),
      outline: el("i", { class: "mx-outline" }),
      fill: el("i", { class: "mx-fill" }),
      before: el("span", { class: "mx-num mx-before" }),
      after: el("span", { class: "mx-num" }),
    };
    const node = el(
      "button",
      { type: "button" },
      view.word,
      el("span", { class: "mx-bar-track" }, view.outline, view.fill),
      view.before,
      view.after,
    );
    this.host.append(node);
    return { ...view, node };
  }

  /**
   * @param {NextWordRun} run
   * @param {number} t
   * @param {Step} step
   * @param {number} at  index of the chosen stage
   * @param {number} scale  probability of a full bar
   */
  note(run, t, step, at, scale) {
    const bits = run.bits(t);
    /** @type {(string | HTMLElement)[][]} */
    const parts = [[at > 0 ? `columns: model, after ${step.names[at]}; ` : "", `a full bar is ${percent(scale)}`]];
    if (Number.isFinite(bits)) {
      parts.push([
        `the model alone: ${bits.toFixed(1)} `,
        term("bits"),
        `, like ${plural(Math.max(1, Math.round(2 ** bits)), "equally likely word")}`,
      ]);
    }
    if (at > 0)
      parts.push([
        `after ${step.names[at]}: ${grouped(step.left[at])} of ${plural(run.meta.model.vocab, "token")} left`,
      ]);
    if (step.names[at] === UNSAID) parts.push(["what would complete a word of a short list of slurs is taken away"]);
    this.player.part("bars-note").replaceChildren(...parts.flatMap((part, i) => (i ? [" · ", ...part] : part)));
  }
}
