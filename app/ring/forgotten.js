// A word that has left all rings: what theory allows, and what the model says when it is replaced.

import { el } from "../kit/dom.js";
import { grouped, percent, plural, quoted, shorten } from "../kit/format.js";

/** @import RingPage from "./page.js" */
/** @import { Beside } from "./types.js" */

export class ForgottenPanel {
  /** @param {RingPage} player */
  constructor(player) {
    this.player = player;
    this.word = player.part("word", HTMLInputElement);
    for (const type of ["keydown", "click"]) this.word.addEventListener(type, (event) => event.stopPropagation());
  }

  draw() {
    const { player } = this;
    const { run, t } = player;
    const position = player.marked();
    const gone = t >= run.leaves(position, run.largest);
    const button = player.button("measure");
    const { forgotten, measurable } = run.meta.beside;
    button.disabled = !gone || !measurable || forgotten?.status === "running";
    player.root.dataset.marked = String(position);
    player.part("theory").replaceChildren(...this.theory(position, gone).map((line) => el("p", {}, ...line)));
    player.part("measured").replaceChildren(...this.measured(forgotten, measurable));
  }

  /** Paragraphs, each as what stands in it.
   * @param {number} position @param {boolean} gone whether it has left all rings
   * @returns {(Node | string)[][]} */
  theory(position, gone) {
    const { run, t } = this.player;
    const name = el("b", { class: "mx-serif" }, quoted(shorten(run.labels[position] ?? "", 16)));
    if (!Number.isFinite(run.largest))
      return [["A layer without a window forgets nothing: no word can leave all rings."]];
    if (position < run.sinks) return [[name, ` (${position}) is kept: it never leaves a ring. Choose a later word.`]];
    const leaves = run.leaves(position, run.largest);
    if (!gone)
      return [
        [
          name,
          ` (${position}) still lies in a ring; `,
          `it leaves ${run.oneWindow ? "all of them at once" : "the last one"} when position ${leaves} is written.`,
          t < run.largest + run.sinks ? " Step on, then ask." : " Choose an earlier word.",
        ],
      ];
    const distance = t - position;
    const layers = run.hops(distance);
    const left = [
      name,
      ` (${position}) left all ${plural(run.layers, "ring")}${run.oneWindow ? " at once" : ""}`,
      ` when position ${leaves} was written.`,
    ];
    return [
      left,
      layers < 0
        ? [
            el("b", {}, "No traces are possible: "),
            `${distance} back is beyond the exact reach of ${grouped(run.reach)}.`,
          ]
        : [
            el("b", {}, "It could have left traces: "),
            "tokens that read it wrote keys and values of their own. ",
            `${distance} back, that takes ${plural(layers, "layer")} or more.`,
          ],
    ];
  }

  /** @param {Beside["forgotten"]} measurement @param {boolean} measurable */
  measured(measurement, measurable) {
    if (!measurable)
      return [el("p", { class: "mx-note" }, "The model of this run is not here, so nothing can be measured.")];
    if (!measurement)
      return [
        el(
          "p",
          { class: "mx-note" },
          "Measure: the word is replaced, all that follows stays as it is, and the two predictions are compared.",
        ),
      ];
    if (measurement.status === "running") {
      return [
        el("p", {}, `${measurement.doing || "loading the model"} …`),
        el(
          "div",
          { class: "ring-progress" },
          el("progress", { max: measurement.total, value: measurement.done, "aria-label": "Progress" }),
          el("button", { type: "button", class: "ring-step", "data-act": "cancel" }, "Cancel"),
        ),
      ];
    }
    if (measurement.status === "failed") return [el("p", { class: "ring-error" }, measurement.error)];
    /** @param {string} text */
    const word = (text) => el("b", { class: "mx-serif" }, quoted(shorten(text, 14)));
    const lines = [
      el(
        "p",
        {},
        "Replacing ",
        word(measurement.original),
        ` (${measurement.position}) by `,
        word(measurement.replacement),
        ` changes the prediction at step ${measurement.step}, ${measurement.distance} tokens on, by `,
        el("b", { class: "ring-green" }, measurement.kl_text),
        measurement.chosen ? "." : "; replacement drawn from this text.",
      ),
    ];
    if (measurement.before !== null && measurement.after !== null && measurement.next)
      lines.push(
        el(
          "p",
          {},
          "next word ",
          word(measurement.next),
          ": ",
          el("b", {}, percent(measurement.before)),
          " → ",
          el("b", { class: "ring-green" }, percent(measurement.after)),
        ),
      );
    lines.push(el("p", {}, el("b", {}, measurement.verdict)));
    return lines;
  }
}
