// Which words the chosen part promotes and suppresses, and where they stood before and after it.

import { el } from "../kit/dom.js";
import { grouped } from "../kit/format.js";
import { signed } from "./bars.js";

/** @typedef {import("./run.js").ResidualRun} ResidualRun */

export class Words {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    page.part("words").addEventListener("click", (event) => {
      const node = event.target instanceof Element ? event.target.closest("[data-token]") : null;
      if (node instanceof HTMLElement) page.pin(Number(node.dataset.token));
    });
  }

  /** @param {ResidualRun} run */
  draw(run) {
    const { page } = this;
    const index = page.partAt - 1;
    const layer = Math.floor(index / 2) + 1;
    const name = index < 0 ? "the embedding" : `${index % 2 ? "the MLP" : "attention"} of layer ${layer}`;
    page.part("words-title").replaceChildren("What ", el("b", {}, name), " pushes here");
    if (index < 0) {
      page
        .part("words")
        .replaceChildren(
          el("p", { class: "mx-note" }, "The embedding is where the stream begins: choose a layer’s bar."),
        );
      return;
    }
    const words = run.words(page.t, index);
    if (!words.length) {
      page.part("words").replaceChildren(el("p", { class: "mx-note" }, run.meta.can_measure ? "Reading …" : ""));
      return;
    }
    const half = words.length / 2;
    page
      .part("words")
      .replaceChildren(this.list(run, "up", words.slice(0, half)), this.list(run, "down", words.slice(half)));
  }

  /** @param {ResidualRun} run
   * @param {"up" | "down"} way
   * @param {ReturnType<ResidualRun["words"]>} words */
  list(run, way, words) {
    const title = way === "up" ? "promoted" : "suppressed";
    return el(
      "section",
      { "data-way": way },
      el("h3", { "data-term": title, tabindex: "0" }, title),
      ...words.map(({ token, added, before, after }) =>
        el(
          "button",
          { type: "button", class: "mx-push", "data-token": token, title: "keep in sight" },
          el("span", { class: "mx-word" }, run.label(token).trim() || "␣"),
          el("span", { class: "mx-num" }, signed(added)),
          el(
            "span",
            { class: "mx-num mx-soft" },
            `#${grouped(before + 1)} ${arrow(before, after)} #${grouped(after + 1)}`,
          ),
        ),
      ),
    );
  }
}

/** Which way a rank goes: up is towards the first.
 * @param {number} before
 * @param {number} after */
export const arrow = (before, after) => (after < before ? "↑" : after > before ? "↓" : "→");
