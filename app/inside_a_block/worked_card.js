// One number worked out: the terms, their sum, what is done with it, and the stored number beside it.

import { boxOf, written } from "./boxes.js";
import { keyWord } from "./box_card.js";
import { csv, save } from "../kit/csv.js";
import { el } from "../kit/dom.js";
import { grouped } from "../kit/format.js";

/** @import TokenPage from "./page.js" */
/** @import { Worked } from "./run.js" */

/** Terms on screen; the others are summed. */
const FEW = 6;

export class WorkedCard {
  /** @param {TokenPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("worked");
  }

  draw() {
    const { player, host } = this;
    const worked = player.worked;
    player.part("worked-title").textContent = !worked
      ? "One number worked out"
      : worked.box === "mask"
        ? `May it look at ${keyWord(player.run, worked.cell[0])}?`
        : `Where does ${written(worked.stored)} come from?`;
    player.part("worked-badge").textContent = "derived";
    player.button("save-terms").hidden = !worked?.count;
    host.dataset.box = worked?.box ?? "";
    host.dataset.agrees = worked ? String(worked.agrees) : "";
    if (!worked) return host.replaceChildren(el("p", { class: "mx-note" }, player.waiting()));
    return host.replaceChildren(
      el("p", {}, `It is ${player.nameOf(worked.cell)}. Made of ${boxOf(worked.box).from}.`),
      this.verdict(worked), // before the terms: a list may be longer than the screen
      ...(worked.count ? [el("div", { class: "inside-scroll" }, this.table(worked))] : []),
      this.steps(worked),
    );
  }

  /** The largest terms in the order of the sum, and the rest together.
   * @param {Worked} worked */
  table({ left, right, labels, count, left_name, right_name }) {
    const product = left.map((value, i) => value * right[i]);
    const largest = Array.from(product.keys()).sort((a, b) => Math.abs(product[b]) - Math.abs(product[a]));
    const shown = (count <= FEW + 1 ? largest : largest.slice(0, FEW)).sort((a, b) => a - b);
    const rest = count - shown.length;
    const total = product.reduce((sum, value) => sum + value, 0);
    const others = total - shown.reduce((sum, i) => sum + product[i], 0);
    const cells = (/** @type {(string | Node)[]} */ ...texts) => texts.map((text) => el("td", {}, text));
    const name = (/** @type {number} */ i) => this.label(labels[i]) ?? String(i + 1);
    const two = right_name !== "";
    return el(
      "table",
      { class: "inside-terms" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...["", left_name, ...(two ? [`× ${right_name}`, "= term"] : [])].map((text) => el("th", {}, text)),
        ),
      ),
      el(
        "tbody",
        {},
        ...shown.map((i) =>
          el(
            "tr",
            {},
            el("th", {}, name(i)),
            ...cells(written(left[i]), ...(two ? [written(right[i]), written(product[i])] : [])),
          ),
        ),
        rest > 0
          ? el(
              "tr",
              { class: "mx-soft" },
              el("th", {}, `and ${grouped(rest)} smaller`),
              ...cells(...(two ? ["", ""] : []), written(others)),
            )
          : null,
        count > 1
          ? el(
              "tr",
              { class: "inside-sum" },
              el("th", {}, `sum of ${grouped(count)}`),
              ...cells(...(two ? ["", ""] : []), written(total)),
            )
          : null,
      ),
    );
  }

  /** A term that is a position is called by its word too.
   * @param {string | undefined} label */
  label(label) {
    const position = label?.match(/^position (\d+)$/)?.[1];
    if (position === undefined) return label;
    return `${this.player.run.labels[Number(position)]?.trim() || "␣"} ${position}`;
  }

  /** @param {Worked} worked */
  steps({ steps }) {
    return el(
      "ol",
      { class: "inside-steps" },
      ...steps.map(([text, value]) => el("li", {}, el("span", {}, text), el("b", {}, written(value)))),
    );
  }

  /** @param {Worked} worked */
  verdict({ result, stored, error, agrees }) {
    const { player } = this;
    const { changes } = player.meta ?? { changes: [] };
    const line = el(
      "p",
      { class: agrees ? "inside-verdict" : "inside-verdict inside-apart" },
      el("span", {}, "worked out ", el("b", {}, written(result))),
      el("span", {}, "stored ", el("b", {}, written(stored))),
      el(
        "span",
        {},
        agrees ? "✓ " : "≠ ",
        `difference ${error === null ? "without bound" : error === 0 ? "0" : error.toExponential(1)}`,
      ),
    );
    if (agrees) return line;
    const why = changes.length
      ? `Not what its inputs make: in this network ${changes.join(", and ")}. What goes on is the stored number.`
      : "More than rounding. What goes on is the stored number.";
    return el("div", {}, line, el("p", {}, why));
  }

  save() {
    const { worked, run, t } = this.player;
    if (!worked) return;
    const { left, right, labels, left_name, right_name, box, cell, layer } = worked;
    const rows = left.map((value, i) => [labels[i] ?? i + 1, value, right[i], value * right[i]]);
    save(
      `${run.id}-${t}-layer-${layer + 1}-${box}-${cell.join("-")}.csv`,
      csv(["term", left_name, right_name || "1", "product"], rows),
    );
  }
}
