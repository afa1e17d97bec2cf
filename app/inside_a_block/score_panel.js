// Why this score? One score as a sum over the rotary pairs, and over the layers that made the query and the key.

import { blend, inkOn } from "../kit/colour.js";
import { BY_KEY, written } from "./boxes.js";
import { el } from "../kit/dom.js";
import { keyWord } from "./box_card.js";
import { tokensOf, turning } from "./rope_panel.js";

/** @import TokenPage from "./page.js" */
/** @import { Split } from "./run.js" */

export class ScorePanel {
  /** @param {TokenPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("score");
  }

  draw() {
    const { player, host } = this;
    host.hidden = !BY_KEY.has(player.box) || player.scoreKey < 0;
    if (host.hidden) return;
    const split = player.split;
    host.dataset.error = split?.error === null || !split ? "" : String(split.error);
    host.dataset.key = String(player.scoreKey);
    const title = el("h3", {}, `Why this score? Head ${player.row + 1}, key ${keyWord(player.run, player.scoreKey)}`);
    if (!split)
      return host.replaceChildren(title, el("p", { class: "mx-note" }, player.meta?.split_note || player.waiting()));
    return host.replaceChildren(title, this.pairs(split), this.layers(split), this.sums(split));
  }

  /** @param {Split} split */
  sums({ score, error }) {
    const near =
      error === null
        ? "The score is masked here; the sums are what it would be."
        : `Both sums are the score, ${written(score)}; largest difference ${error.toExponential(1)}.`;
    return el(
      "p",
      { class: "mx-note" },
      near,
      " Rows and columns: the norm’s divisor is held as it was stored, so that the parts can be added.",
    );
  }

  /** @param {Split} split */
  pairs({ pairs }) {
    const shape = this.player.meta?.shape;
    const top = Math.max(...pairs.map(Math.abs)) || 1;
    const bars = Array.from(pairs, (value, pair) => {
      const { wavelength } = turning(pair, pairs.length * 2, shape?.rope_theta ?? 1e4);
      const bar = el("i", { class: value < 0 ? "inside-minus" : "inside-plus" });
      bar.style.height = `${(50 * Math.abs(value)) / top}%`;
      const words = `pair ${pair + 1}, one turn in ${tokensOf(wavelength)} tokens: ${written(value)}`;
      return el("span", { title: words, "aria-label": words, role: "img" }, bar);
    });
    return el(
      "div",
      {},
      el(
        "p",
        {},
        "By rotary pair: ",
        el(
          "span",
          { class: "mx-soft" },
          "left those that turn fast (distance), right the slow ones (meaning); up raises the score",
        ),
      ),
      el("div", { class: "inside-pairs" }, ...bars),
    );
  }

  /** @param {Split} split */
  layers({ parts, layers }) {
    const { colour } = this.player;
    const count = parts.length;
    const top = Math.max(...layers.map(Math.abs)) || 1;
    const short = (/** @type {string} */ part) => part.replace("embedding", "word").replace("layer ", "");
    const cell = (/** @type {number} */ row, /** @type {number} */ column) => {
      const value = layers[row * count + column];
      const fill = blend(colour.card, value < 0 ? colour.negative : colour.positive, Math.abs(value) / top);
      const words = `query part of ${parts[row]}, key part of ${parts[column]}: ${written(value)}`;
      const node = el("td", { title: words }, count <= 9 ? value.toFixed(2).replace("-", "−") : "");
      Object.assign(node.style, { background: fill, color: inkOn(fill) });
      return node;
    };
    return el(
      "div",
      { class: "inside-matrix-frame" },
      el(
        "p",
        {},
        "By what made them: ",
        el("span", { class: "mx-soft" }, "rows: which layer’s output made the query; columns: the key"),
      ),
      el(
        "table",
        { class: "inside-matrix" },
        el("thead", {}, el("tr", {}, el("th", {}, "q \\ k"), ...parts.map((part) => el("th", {}, short(part))))),
        el(
          "tbody",
          {},
          ...parts.map((part, row) =>
            el("tr", {}, el("th", {}, short(part)), ...parts.map((_, column) => cell(row, column))),
          ),
        ),
      ),
    );
  }
}
