// One row of the mask, as a table: the keys that the chosen query meets, scores, whether they may be seen, and weights.

import { SourcePanel } from "../kit/source.js";
import { closest, el } from "../kit/dom.js";
import { csv, save } from "../kit/csv.js";
import { grouped, percent, plural } from "../kit/format.js";
import { rowsOf, why } from "./run.js";

/** @import { Why } from "./run.js" */

/** @type {Record<Why, string>} */
export const WHY = {
  allowed: "allowed",
  kept: "kept first token",
  future: "future",
  older: "older than W",
};
const ROOM = { later: 2, older: 12 };
const MOST_ROWS = 160;

export class Row {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.drawn = "";
    this.source = new SourcePanel(page.part("source"));
    this.plan = new SourcePanel(page.part("source-plan"));
    page.part("row").addEventListener("pointerover", (event) => {
      const row = closest(event, "tr[data-why]");
      this.source.show("allowed", row?.dataset.why ?? "allowed");
    });
    page.part("save-row").addEventListener("click", () => this.save());
  }

  /** @param {import("./run.js").WindowRun} run */
  draw(run) {
    const { page } = this;
    const { t, layer, head, window } = page;
    const { sinks } = run.own;
    page
      .part("row-title")
      .replaceChildren("What ", el("b", { class: "mx-q mx-serif" }, run.labels[t]), ` at ${t} may see`);
    for (const panel of [this.source, this.plan]) panel.take(run.meta.codes);
    this.source.show("allowed", this.source.mark || "allowed");
    this.plan.show("KVCache.plan", "stored");
    const state = [run.id, run.count, t, layer, head, window, page.fresh].join();
    const made = page.weights(t);
    if (this.drawn !== state) this.table(run, made, rowsOf(t, run.count, window, sinks, ROOM));
    this.drawn = made ? state : "";
    const seen = Math.min(window, t + 1);
    const kept = Math.min(sinks, Math.max(0, t + 1 - window));
    const older = Math.max(0, t + 1 - seen - kept);
    page.part("row-note").textContent =
      `${plural(seen, "key")} in ${Number.isFinite(window) ? "the window" : "sight"}, the token itself among them` +
      (kept ? `, ${plural(kept, "kept first token")}` : "") +
      (older ? `; ${grouped(older)} older ${older === 1 ? "one is" : "ones are"} masked` : "; nothing is older") +
      ". The weights of those allowed sum to 1.";
  }

  /**
   * @param {import("./run.js").WindowRun} run
   * @param {{ scores: Float64Array, weights: Float64Array } | null} made
   * @param {number[]} keys
   */
  table(run, made, keys) {
    const { page } = this;
    const { t, window } = page;
    const head = ["key", "back", "score", "seen?", "weight"].map((name) =>
      el("th", { scope: "col", class: name === "seen?" ? "win-why" : null }, name),
    );
    const rows = keys.slice(0, MOST_ROWS).map((key) => {
      const seen = why(t, key, window, run.own.sinks);
      const hidden = seen === "future" || seen === "older";
      return el(
        "tr",
        { class: hidden ? "win-hidden" : key === t ? "win-own" : "", "data-key": key, "data-why": seen },
        el("th", { scope: "row", class: "mx-serif" }, run.labels[key].trim() || "·"),
        el("td", {}, key > t ? `−${key - t}` : String(t - key)),
        el("td", {}, made ? made.scores[key].toFixed(2) : "…"),
        el("td", { class: "win-why" }, WHY[seen]),
        el("td", {}, hidden ? "0" : made ? percent(made.weights[key]) : "…"),
      );
    });
    page.part("row").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
  }

  save() {
    const { page } = this;
    const made = page.run ? page.weights(page.t) : null;
    if (!made) return;
    const { run, t, layer, head } = page;
    const rows = Array.from(made.scores, (score, key) => [
      key,
      run.texts[key],
      t - key,
      score,
      WHY[why(t, key, page.window, run.own.sinks)],
      made.weights[key],
    ]);
    const names = ["key", "token", "tokens back", "score", "seen", "weight"];
    save(`mask-query-${t}-layer-${layer + 1}-head-${head + 1}.csv`, csv(names, rows));
  }
}
