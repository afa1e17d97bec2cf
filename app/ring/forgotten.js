// A word that has left all rings: what theory allows, and what the model says when it is replaced.

import { el } from "../kit/dom.js";
import { grouped, percent, plural, quoted, shorten } from "../kit/format.js";

export class ForgottenPanel {
  constructor(player) {
    this.player = player;
    this.word = player.part("word");
    for (const type of ["keydown", "click"]) this.word.addEventListener(type, (event) => event.stopPropagation());
  }

  draw() {
    const { player } = this;
    const { run, t } = player;
    const position = player.marked();
    const gone = Number.isFinite(run.largest) && t - position >= run.largest;
    const button = player.root.querySelector("[data-act=measure]");
    const { forgotten, measurable } = run.meta.theatre;
    button.disabled = !gone || !measurable || forgotten?.status === "running";
    player.root.dataset.marked = position;
    player.part("theory").replaceChildren(...this.theory(position, gone).map((line) => el("p", {}, ...line)));
    player.part("measured").replaceChildren(...this.measured(forgotten, measurable));
  }

  theory(position, gone) {
    const { run, t } = this.player;
    const name = el("b", { class: "mx-serif" }, quoted(shorten(run.labels[position] ?? "", 16)));
    if (!Number.isFinite(run.largest))
      return [["A layer without a window forgets nothing: no word can leave all rings."]];
    const leaves = position + run.largest;
    if (!gone)
      return [
        [
          name,
          ` (${position}) still lies in a ring; it leaves ${run.oneWindow ? "all of them at once" : "the last one"} when position ${leaves} is written.`,
          t < run.largest ? " Step on, then ask." : " Choose an earlier word.",
        ],
      ];
    const distance = t - position;
    const layers = run.hops(distance);
    const left = [
      name,
      ` (${position}) left all ${plural(run.layers, "ring")}${run.oneWindow ? " at once" : ""} when position ${leaves} was written.`,
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
            `tokens that read it wrote keys and values of their own. ${distance} back, that takes ${plural(layers, "layer")} or more.`,
          ],
    ];
  }

  measured(found, measurable) {
    if (!measurable)
      return [el("p", { class: "mx-note" }, "The model of this run is not here, so nothing can be measured.")];
    if (!found)
      return [
        el(
          "p",
          { class: "mx-note" },
          "Measure: the word is replaced, all that follows stays as it is, and the two predictions are compared.",
        ),
      ];
    if (found.status === "running") {
      return [
        el("p", {}, `${found.doing || "loading the model"} …`),
        el(
          "div",
          { class: "th-progress" },
          el("progress", { max: found.total, value: found.done, "aria-label": "Progress" }),
          el("button", { type: "button", class: "th-step", "data-act": "cancel" }, "Cancel"),
        ),
      ];
    }
    if (found.status === "failed") return [el("p", { class: "th-error" }, found.error)];
    const word = (text) => el("b", { class: "mx-serif" }, quoted(shorten(text, 14)));
    const lines = [
      el(
        "p",
        {},
        "Replacing ",
        word(found.original),
        ` (${found.position}) by `,
        word(found.replacement),
        ` changes the prediction at step ${found.step}, ${found.distance} tokens on, by `,
        el("b", { class: "th-green" }, found.kl_text),
        found.chosen ? "." : "; replacement drawn from this text.",
      ),
    ];
    if (found.next)
      lines.push(
        el(
          "p",
          {},
          "next word ",
          word(found.next),
          ": ",
          el("b", {}, percent(found.before)),
          " → ",
          el("b", { class: "th-green" }, percent(found.after)),
        ),
      );
    lines.push(el("p", {}, el("b", {}, found.verdict)));
    return lines;
  }
}
