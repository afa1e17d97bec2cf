// Under the text: by how much the logits are off at every position, one bar each.

import { BarStrip } from "../kit/bar_strip.js";
import { sentence } from "./said.js";

export class Strip extends BarStrip {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page, (position) => page.look(position));
    this.page = page;
  }

  /** @param {import("./run.js").MuseumRun} run */
  draw(run) {
    const { page, canvas } = this;
    const { measured } = page;
    const error = measured ? run.arrays.error : undefined;
    const top = error ? error.reduce((most, value) => Math.max(most, value), 0) : 0;
    const words = measured ? sentence(measured, top) : "";
    page.part("strip-title").textContent = words;
    canvas.setAttribute("aria-label", words || "Nothing is measured yet");
    const height = (/** @type {number} */ position) => (error && top > 0 ? error[position] / top : 0);
    this.drawBars(error && measured ? { untouched: measured.errs_from ?? run.count, height } : null, page.at);
  }
}
