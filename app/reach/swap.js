// The word that is replaced, and by what.

import { el } from "../kit/dom.js";
import { wordAt } from "./words.js";

export class Swap {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.select = page.part("options", HTMLSelectElement);
    this.own = page.part("word", HTMLInputElement);
    this.select.addEventListener("change", () => page.ask({ replacement: Number(this.select.value) }));
    page.part("own").addEventListener("submit", (event) => {
      event.preventDefault();
      const word = this.own.value.trim();
      if (word) page.askWord(word);
    });
  }

  /** @param {import("./reading.js").Reading} reading */
  draw({ run, choice, back, fresh }) {
    const { page } = this;
    page.part("swap-card").hidden = back || !run.meta.can_measure;
    const put = fresh && run.meta.replacement ? run.meta.replacement : "…";
    const origin = choice.replacement === null ? "drawn from this text" : "your choice";
    const whole = run.wordAround(choice.source);
    page
      .part("swap")
      .replaceChildren(
        el("span", { class: "mx-swap" }, wordAt(run, choice.source), " → ", el("b", {}, put.trim() || put)),
        el("p", { class: "mx-note" }, origin),
        whole ? el("p", { class: "mx-note" }, `A piece of “${whole}”: only this piece is exchanged.`) : "",
      );
    this.drawOptions(run.meta.options, choice.replacement);
  }

  /** @param {[id: number, label: string][]} options
   * @param {number | null} replacement */
  drawOptions(options, replacement) {
    const { select } = this;
    const key = JSON.stringify([options, replacement]);
    if (select.dataset.drawn === key) return;
    select.dataset.drawn = key;
    select.replaceChildren(
      el("option", { value: "", disabled: true }, "choose …"),
      ...options.map(([id, label]) => el("option", { value: id }, label)),
    );
    select.value = options.some(([id]) => id === replacement) ? String(replacement) : "";
  }
}
