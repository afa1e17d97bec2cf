// What stands over and under the picture: titles, badges, and what the colours mean.

import { blend } from "../kit/colour.js";
import { el, legend } from "../kit/dom.js";
import { raised } from "./decades.js";
import { term } from "../kit/terms.js";
import { printed, wordAt } from "./words.js";

/** @typedef {import("./reading.js").Reading} Reading */

const UNITS = {
  forward: "relative change of the state",
  backward: "influence, nats",
  corridor: "nats passing through",
};
/** @type {Record<keyof typeof UNITS, import("../kit/terms.js").Term>} */
const EXPLAINED = { forward: "relative", backward: "influence", corridor: "passing" };

export class Captions {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.drawn = "";
  }

  /** @param {Reading} reading */
  draw(reading) {
    this.drawTitles(reading);
    this.drawLegend(reading);
  }

  /** @param {Reading} reading */
  drawTitles(reading) {
    const { page } = this;
    const { back, choice, run } = reading;
    page.part("grid-title").replaceChildren(...this.title(reading));
    page.part("text-title").replaceChildren(back ? "What it depends on" : "Which predictions change");
    // one sentence: a legend sets its parts apart
    page.part("strip-title").replaceChildren(el("span", {}, ...this.below(choice)));
    const from = `from 10${raised(-page.scale.decades)} on`;
    page.part("text-legend").textContent = back
      ? `green: its influence (log scale, ${from})`
      : `green: how much the next word changes (log scale, ${from})`;
    const badge = run.meta.can_measure ? "model" : "no model";
    for (const name of ["grid-badge", "text-badge", "facts-badge"]) page.part(name).textContent = badge;
  }

  /** @param {Reading} reading
   * @returns {import("./words.js").Part[]} */
  title({ run, choice, fresh }) {
    const source = wordAt(run, choice.source);
    const target = wordAt(run, choice.target);
    const { replacement } = run.meta;
    const put = fresh && replacement ? [" to ", el("b", { class: "mx-serif" }, printed(replacement))] : [];
    if (choice.reading === "forward") return ["Which states the change of ", source, ...put, " touches"];
    if (choice.reading === "backward") return ["What the prediction after ", target, " depends on"];
    return ["How the change of ", source, ...put, " gets to the prediction after ", target];
  }

  /** @param {import("./types.js").ChoiceHeader} choice
   * @returns {import("./words.js").Part[]} */
  below({ reading, cut }) {
    if (reading === "backward") return [term("influence"), " of each word’s ", term("embedding"), ", nats"];
    if (this.page.stripBy === "probability")
      return ["probability of the word that follows: ink before, green after the swap"];
    return [
      "change of each next-word distribution, ",
      term("KL"),
      ` in nats${cut ? " (outline: without the cut)" : ""}`,
    ];
  }

  /** @param {Reading} reading */
  drawLegend({ choice }) {
    const { page } = this;
    const { card, influence } = page.colour;
    const unit = UNITS[choice.reading];
    const { decades, keeps } = page.scale;
    const key = `${unit} ${card} ${page.zoom === "hops"} ${decades}`;
    if (this.drawn === key) return;
    this.drawn = key;
    const steps = [1, 0.75, 0.5, 0.25, 0].map((share) =>
      el("i", { style: `background:${blend(card, influence, page.scale.green(10 ** (-share * decades)))}` }),
    );
    const lowest = `10${raised(-decades)}`;
    const scale = el(
      "span",
      { class: "mx-entry mx-scale", title: unit },
      lowest,
      ...steps,
      "1  ",
      term(EXPLAINED[choice.reading], unit),
    );
    const none = choice.reading === "corridor" ? "allowed, below rounding" : "allowed, nothing measured";
    const nothing = keeps ? none : `allowed, less than ${lowest}: too little to notice`;
    const cell = "a cell: the largest of its tokens; empty: the text does not go that far";
    page.sizes.clear(); // a line more or less of it leaves the canvas another height
    page
      .part("grid-legend")
      .replaceChildren(
        legend("mx-key-edge", el("span", {}, term("edge", "exact edge"), " (theory)")),
        scale,
        choice.reading === "forward" ? "states change farther than predictions do, which stand below" : "",
        legend("mx-key-out", "exactly 0"),
        legend("mx-key-cone", nothing),
        ...(page.zoom === "hops" ? [el("span", { class: "mx-entry" }, cell)] : []),
      );
  }
}
