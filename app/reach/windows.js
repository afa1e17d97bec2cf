// The window that the text is read with.

import { el } from "../kit/dom.js";
import { grouped } from "../kit/format.js";

export class Windows {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.select = page.part("window", HTMLSelectElement);
    this.select.addEventListener("change", () => page.ask({ window: Number(this.select.value) || null }));
  }

  /** @param {import("./reading.js").Reading} reading */
  draw({ run, choice }) {
    const { select } = this;
    const { options } = run.meta.model;
    const windows = choice.window && !options.includes(choice.window) ? [...options, choice.window] : options;
    const labels = [
      ["", `${run.trainedWith()}, as trained`],
      ...windows.map((window) => [String(window), grouped(window)]),
    ];
    if (select.dataset.options !== JSON.stringify(labels)) {
      select.dataset.options = JSON.stringify(labels);
      select.replaceChildren(...labels.map(([value, label]) => el("option", { value }, label)));
    }
    select.value = String(choice.window ?? "");
  }
}
