// Above the picture: how many keys are in sight.

import { grouped } from "../kit/format.js";
import { segmented } from "../kit/dom.js";

export class Bar {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.slider = page.part("window", HTMLInputElement);
    this.slider.addEventListener("input", () => page.ask({ window: Number(this.slider.value) }));
    this.slider.addEventListener("keydown", (event) => event.stopPropagation());
  }

  /** @param {import("./run.js").WindowRun} run */
  draw(run) {
    const { page, slider } = this;
    const { window, plus } = page.choice;
    const own = run.windows.every((one) => one === run.windows[0]) ? run.windows[0] : null;
    slider.max = String(run.meta.widest);
    slider.value = String(Math.min(run.meta.widest, window ?? (own && Number.isFinite(own) ? own : run.meta.widest)));
    slider.disabled = !run.meta.can_measure;
    const said = window ?? (own === null ? "by layer" : own);
    const words = typeof said === "number" && !Number.isFinite(said) ? "all" : String(said);
    page.part("window-value").textContent = words;
    slider.setAttribute("aria-valuetext", window === null ? `${words}, as the model is` : words);
    page.button("own").hidden = window === null && !plus;
    page.button("own").textContent =
      `as the model is: ${own === null ? "by layer" : Number.isFinite(own) ? grouped(own) : "all"}`;
    const none = page.windows.every((one) => !Number.isFinite(one));
    page.part("plus").hidden = none; // of all keys there is none more
    segmented(
      page.part("plus"),
      [
        ["no", "W keys"],
        ["yes", "W + 1"],
      ],
      plus ? "yes" : "no",
      (value) => page.ask({ plus: value === "yes" }),
    );
  }
}
