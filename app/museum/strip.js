// Under the text: by how much the logits are off at every position, one bar each.

import { clamp } from "../kit/format.js";
import { labelFont } from "../kit/measure.js";
import { sentence } from "./said.js";

export class Strip {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.canvas = page.part("strip", HTMLCanvasElement);
    this.canvas.addEventListener("click", (event) => page.look(this.at(event)));
    this.canvas.addEventListener("pointermove", (event) =>
      page.tell(this.at(event), this.canvas, { x: event.clientX, y: event.clientY }),
    );
    this.canvas.addEventListener("pointerleave", () => page.tell(null, null));
  }

  /** @param {MouseEvent} event */
  at(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    const { count } = this.page.run;
    return clamp(Math.floor(((event.clientX - left) / width) * count), 0, count - 1);
  }

  /** @param {import("./run.js").MuseumRun} run */
  draw(run) {
    const { page, canvas } = this;
    const { colour, unit } = page;
    const { measured } = page;
    const error = measured ? run.arrays.error : undefined;
    const top = error ? error.reduce((most, value) => Math.max(most, value), 0) : 0;
    const words = measured ? sentence(measured, top) : "";
    page.part("strip-title").textContent = words;
    canvas.setAttribute("aria-label", words || "Nothing is measured yet");
    const pen = page.pen(canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    g.clearRect(0, 0, width, height);
    const wide = width / run.count;
    const base = height - 0.9 * unit;
    if (error && measured) {
      g.fillStyle = colour.hatching;
      g.fillRect(0, 0, (measured.errs_from ?? run.count) * wide, base);
      g.fillStyle = colour.influence;
      for (let position = 0; position < run.count; position++) {
        const high = top > 0 ? (error[position] / top) * (base - 2) : 0;
        g.fillRect(position * wide, base - high, Math.max(1, wide - (wide > 4 ? 1 : 0)), high);
      }
    }
    g.fillStyle = colour.graphic;
    g.fillRect(0, base, width, 1);
    const x = (page.at + 0.5) * wide;
    g.fillStyle = colour.query;
    g.fillRect(x - 1, 0, 2, base);
    g.beginPath();
    g.moveTo(x, base + 1);
    g.lineTo(x - 5, height);
    g.lineTo(x + 5, height);
    g.fill();
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textBaseline = "bottom";
    g.textAlign = x < width / 2 ? "right" : "left";
    g.fillText(x < width / 2 ? `${run.count - 1}` : "0", x < width / 2 ? width : 0, height + 1);
  }
}
