// Under the grid, column for column: how much each position's prediction changes, on a log scale, or the
// probability of the word that really follows, before and after.

import { labelFont } from "../kit/measure.js";
import { DECADES } from "./grid.js";
import { clamp } from "../kit/format.js";

export class Strip {
  constructor(page) {
    this.page = page;
    this.canvas = page.part("strip");
    this.canvas.addEventListener("pointermove", (event) => {
      const { box } = page.picture;
      const x = event.clientX - this.canvas.getBoundingClientRect().left;
      if (!box || page.hidden || x < box.left || x > box.right) return page.point(null);
      if (box.hops) {
        const cell = box.hops.at(box, x, null);
        return page.point(cell.position ?? page.anchor, null, {
          x: event.clientX,
          y: event.clientY,
          ...box.hops.told(cell),
        });
      }
      const position = clamp(box.first + Math.floor((x - box.left) / box.wide), box.first, box.last);
      page.point(position, null, { x: event.clientX, y: event.clientY, ...page.toldBelow(position) });
    });
    this.canvas.addEventListener("pointerleave", () => page.point(null));
  }

  draw() {
    const pen = this.page.pen(this.canvas);
    const { box } = this.page.picture;
    if (!pen || !box) return;
    const { g, width, height } = pen;
    const { page } = this;
    g.clearRect(0, 0, width, height);
    const floor = height - 2;
    const high = height - 0.6 * page.unit;
    this.drawScale(g, box, floor, high);
    if (page.hidden || !page.fresh) return;
    const probability = page.stripBy === "probability" && page.arrays.before?.length && !box.hops;
    if (probability) this.drawProbabilities(g, box, floor, high);
    else this.drawChange(g, box, floor, high);
  }

  drawScale(g, box, floor, high) {
    const { colour, unit, stripBy, arrays } = this.page;
    const linear = stripBy === "probability" && arrays.before?.length && !box.hops;
    const marks = linear
      ? [
          [0, "0 %"],
          [0.5, "50 %"],
          [1, "100 %"],
        ]
      : [
          [1 / 13, "10⁻¹²"],
          [7 / 13, "10⁻⁶"],
          [1, "1"],
        ];
    g.font = labelFont(unit, colour.sans);
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const [share, label] of marks) {
      const y = floor - share * high;
      g.strokeStyle = colour.line;
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(box.left, Math.round(y) + 0.5);
      g.lineTo(box.right, Math.round(y) + 0.5);
      g.stroke();
      g.fillStyle = colour.soft;
      g.fillText(label, box.left - 0.4 * unit, clamp(y, 0.5 * unit, floor - 0.35 * unit));
    }
  }

  drawChange(g, box, floor, high) {
    const { page } = this;
    const { colour } = page;
    const tall = (value) =>
      value > 0 ? Math.max(2, clamp((Math.log10(value) + DECADES + 1) / (DECADES + 1), 0, 1) * high) : 0;
    if (box.hops) return box.hops.drawBars(g, box, floor, tall);
    const wide = Math.max(1, box.wide - (box.wide > 3 ? 1 : 0));
    for (let p = box.first; p <= box.last; p++) {
      const without = page.arrays.uncut?.[p] ?? 0;
      if (without > 0) {
        g.strokeStyle = colour.graphic;
        g.lineWidth = 1;
        g.strokeRect(box.x(p) + 0.5, floor - tall(without), Math.max(1, wide - 1), tall(without));
      }
      g.fillStyle = colour.influence;
      g.fillRect(box.x(p), floor - tall(page.below(p)), wide, tall(page.below(p)));
    }
  }

  drawProbabilities(g, box, floor, high) {
    const { page } = this;
    const { colour } = page;
    const wide = Math.max(1, box.wide - (box.wide > 3 ? 1 : 0));
    for (let p = box.first; p <= Math.min(box.last, page.arrays.after.length - 1); p++) {
      const after = page.arrays.after[p];
      const before = page.arrays.before[p];
      if (!Number.isFinite(after)) continue;
      g.fillStyle = colour.influence;
      g.fillRect(box.x(p), floor - after * high, wide, after * high);
      g.fillStyle = colour.ink;
      g.fillRect(box.x(p), floor - before * high - 1, Math.max(2, wide), 2);
    }
  }
}
