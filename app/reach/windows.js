// The window that the text is read with, and how many of its first tokens stay visible beside it.

import { el } from "../kit/dom.js";
import { grouped } from "../kit/format.js";

const SINKS = [0, 1, 2, 4];

export class Windows {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.window = page.part("window", HTMLSelectElement);
    this.sinks = page.part("sinks", HTMLSelectElement);
    this.pick = page.part("sinks-pick");
    this.window.addEventListener("change", () => {
      const window = Number(this.window.value) || null;
      page.ask(window ? { window } : { window, sinks: 0 });
    });
    this.sinks.addEventListener("change", () => page.ask({ sinks: Number(this.sinks.value) }));
  }

  /** @param {import("./reading.js").Reading} reading */
  draw({ run, choice }) {
    const { options } = run.meta.model;
    const windows = choice.window && !options.includes(choice.window) ? [...options, choice.window] : options;
    fill(
      this.window,
      [
        ["", `${run.trainedWith()}, ${run.meta.model.imposed ? "as written" : "as trained"}`],
        ...windows.map((window) => [String(window), grouped(window)]),
      ],
      String(choice.window ?? ""),
    );
    const kept = SINKS.includes(choice.sinks) ? SINKS : [...SINKS, choice.sinks];
    fill(
      this.sinks,
      kept.map((count) => [String(count), count ? String(count) : "none"]),
      String(choice.sinks),
    );
    this.pick.hidden = !choice.window;
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {string[][]} labels  value and what stands there
 * @param {string} value  chosen
 */
function fill(select, labels, value) {
  const key = JSON.stringify(labels);
  if (select.dataset.options !== key) {
    select.dataset.options = key;
    select.replaceChildren(...labels.map(([value, label]) => el("option", { value }, label)));
  }
  select.value = value;
}
