// Under the text: how much every prediction changes, one bar a position.

import { BarStrip } from "../kit/bar_strip.js";
import { nats } from "./changes.js";

export class Strip extends BarStrip {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    super(page, (position) => page.choose(position));
    this.page = page;
  }

  /** @param {import("./run.js").BreakRun} run */
  draw(run) {
    const { page, canvas } = this;
    const kl = page.laid ? run.arrays.kl : undefined;
    const top = kl ? kl.reduce((most, value) => Math.max(most, value), 0) : 0;
    const changed = run.meta.changed;
    page
      .part("strip-title")
      .replaceChildren(
        kl && changed
          ? `KL of every prediction, up to ${nats(top)} nats (bars: square root)` +
              (changed.untouched > 0 ? `; hatched: the first ${changed.untouched}, the same bit for bit` : "")
          : "KL of every prediction: nothing is changed yet",
      );
    canvas.setAttribute(
      "aria-label",
      kl ? `Change of every prediction, at most ${nats(top)} nats, at position ${kl.indexOf(top)}` : "No change yet",
    );
    const height = (/** @type {number} */ position) => (kl && top > 0 ? Math.sqrt(kl[position] / top) : 0);
    this.drawBars(kl && changed ? { untouched: changed.untouched, height } : null, page.choice.target);
  }
}
