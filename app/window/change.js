// What another window does to the predictions: one bar a position, and the numbers in a sentence.

import { clamp, grouped } from "../kit/format.js";
import { el } from "../kit/dom.js";
import { labelFont } from "../kit/measure.js";
import { term } from "../kit/terms.js";

export class Change {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.canvas = page.part("change", HTMLCanvasElement);
    this.canvas.addEventListener("click", (event) => page.go({ t: this.at(event) }));
    this.canvas.addEventListener("pointermove", (event) => this.tell(event));
    this.canvas.addEventListener("pointerleave", () => {
      page.part("pop").hidden = true;
    });
  }

  /** @param {MouseEvent} event */
  at(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    const { count } = this.page.run;
    return clamp(Math.floor(((event.clientX - left) / width) * count), 0, count - 1);
  }

  /** @param {PointerEvent} event */
  tell(event) {
    const { page } = this;
    const { kl, largest } = page.run?.arrays ?? {};
    if (!kl || !largest || !page.fresh) return;
    const position = this.at(event);
    page.explain(
      [
        el("p", { class: "mx-pop-title" }, el("b", { class: "mx-serif" }, page.run.labels[position]), String(position)),
        el("p", {}, kl[position] === 0 ? "same prediction, bit for bit" : `KL ${kl[position].toPrecision(2)} nats`),
        el("p", {}, `logits differ by up to ${largest[position].toPrecision(2)}`),
      ],
      this.canvas,
      { x: event.clientX, y: event.clientY },
    );
  }

  /** @param {import("./run.js").WindowRun} run */
  draw(run) {
    const { page } = this;
    const { kl, largest } = run.arrays;
    const there = page.fresh && kl && largest && run.meta.against;
    page.part("change-title").textContent = page.choice.plus
      ? "W + 1 keys instead of W: what changes?"
      : "Another window: what changes?";
    page.part("change-words").replaceChildren(...(there ? this.words(kl, largest) : this.nothing(run)));
    this.canvas.parentElement?.toggleAttribute("hidden", !there);
    const pen = there ? page.pen(this.canvas) : null;
    if (!pen || !kl) return;
    const { g, width, height } = pen;
    const { colour, unit } = page;
    g.clearRect(0, 0, width, height);
    const wide = width / run.count;
    const base = height - 1.1 * unit;
    const top = kl.reduce((most, value) => Math.max(most, value), 1e-12);
    const untouched = kl.findIndex((value) => value !== 0);
    g.fillStyle = colour.hatching;
    g.fillRect(0, 0, (untouched < 0 ? run.count : untouched) * wide, base);
    g.fillStyle = colour.influence;
    for (let position = 0; position < run.count; position++) {
      const high = Math.sqrt(kl[position] / top) * (base - 2);
      g.fillRect(position * wide, base - high, Math.max(1, wide - (wide > 4 ? 1 : 0)), high);
    }
    g.fillStyle = colour.graphic;
    g.fillRect(0, base, width, 1);
    g.fillStyle = colour.query;
    g.fillRect((page.t + 0.5) * wide - 1, 0, 2, base);
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textBaseline = "bottom";
    g.fillText("position 0", 0, height);
    g.textAlign = "right";
    g.fillText(String(run.count - 1), width, height);
    g.textAlign = "left";
  }

  /** @param {import("./run.js").WindowRun} run */
  nothing(run) {
    if (!run.meta.can_measure) return ["The model of this text is not here, so nothing can be read again."];
    if (!this.page.fresh) return ["The text is read again …"];
    return [
      "Move W, or choose W + 1: the text is read again, and every prediction compared with that of the model as it is.",
    ];
  }

  /** @param {Float32Array} kl @param {Float32Array} largest */
  words(kl, largest) {
    const { page } = this;
    const untouched = kl.findIndex((value) => value !== 0);
    const mean = kl.reduce((sum, value) => sum + value, 0) / kl.length;
    const most = largest.reduce((top, value) => Math.max(top, value), 0);
    const same = untouched < 0 ? kl.length : untouched;
    const { against } = page.run.meta;
    const what = against === "W" ? "One key more in every layer" : "This window instead of the model’s own";
    return [
      what,
      " changes a logit by up to ",
      el("b", {}, most.toPrecision(3)),
      ` (at position ${largest.indexOf(most)}) and the next word’s distribution by `,
      el("b", {}, `${mean.toPrecision(2)} nats`),
      " (",
      term("KL"),
      ", mean). ",
      `The first ${grouped(same)} predictions are the same bit for bit: until then no key is older than W. `,
      "Bars: KL of each prediction (square root).",
    ];
  }
}
