// The end of the way: the likeliest next words, what each stage of sampling leaves of them, and the one that was taken.

import { BEHIND, written } from "./boxes.js";
import { el } from "../kit/dom.js";
import { term } from "../kit/terms.js";
import { grouped, percent, quoted, shorten } from "../kit/format.js";

/** @import TokenPage from "./page.js" */
/** @import { EndingHeader } from "./types.js" */

export class EndingPanel {
  /** @param {TokenPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("ending");
  }

  draw() {
    const { player, host } = this;
    host.hidden = !BEHIND.has(player.box);
    if (host.hidden) return;
    const ending = player.run.tokens.get(player.t)?.ending;
    if (!ending) return host.replaceChildren(el("p", { class: "mx-note" }, player.waiting()));
    const chosen = player.box === "logits" ? player.cell?.[0] : undefined;
    const head = ["", term("logit"), ...ending.stages].map((text) => el("th", {}, text));
    const rows = ending.top.map((one) => {
      const word = el(
        "button",
        { type: "button", class: "inside-word", onclick: () => player.pickLogit(one.id) },
        quoted(shorten(one.label, 14)),
      );
      const row = el(
        "tr",
        { "data-id": one.id },
        el("th", {}, word),
        el("td", {}, written(one.logit)),
        ...one.probs.map((p) => el("td", { class: p ? "" : "mx-soft" }, p ? percent(p) : "cut")),
      );
      row.classList.toggle("inside-taken", one.id === ending.next);
      row.classList.toggle("inside-chosen", one.id === chosen);
      return row;
    });
    const left = el(
      "tr",
      { class: "mx-soft" },
      el("th", {}, "words left"),
      el("td", {}),
      ...ending.choices.map((n) => el("td", {}, grouped(n))),
    );
    return host.replaceChildren(
      el("h3", {}, "The end: from the last layer’s stream to the next word"),
      el(
        "div",
        { class: "inside-scroll" },
        el("table", { class: "inside-ending" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows, left)),
      ),
      el("p", { class: "mx-note" }, this.taken(ending)),
    );
  }

  /** @param {EndingHeader} ending */
  taken({ next, given, drawn, top }) {
    if (next === null) return "The text ends here: nothing was drawn.";
    const word = quoted(top.find((one) => one.id === next)?.label ?? "");
    if (given)
      return `${word} follows. It was given, not drawn: these probabilities say what the model would have written.`;
    if (drawn === null) return `${word} was taken: the likeliest.`;
    return `${word} was drawn, by the number ${drawn.toFixed(4)} that belongs to this seed and position.`;
  }
}
