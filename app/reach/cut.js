// Attention edges that are taken away: a wall between two words, or a layer in which nothing moves sideways.

import { clamp } from "../kit/format.js";
import { el } from "../kit/dom.js";

/** @typedef {import("./reading.js").Reading} Reading */

/** Where a wall stands first: in the middle of a corridor, else half a window from the token; 0 without windows.
 * @param {Reading} reading */
export function firstWall({ run, choice, network }) {
  const { reading, source, target } = choice;
  const half = Math.ceil(network.smallest / 2);
  const middle = { forward: source + half, backward: target - half, corridor: Math.floor((source + target) / 2) }[
    reading
  ];
  return clamp(Number.isFinite(middle) ? middle : 0, 0, run.count - 2);
}

export class Cut {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.kind = page.part("cut-kind", HTMLSelectElement);
    this.wall = page.part("wall", HTMLInputElement);
    this.kind.addEventListener("change", () => {
      const { reading } = page;
      const kind = this.kind.value;
      if (reading) page.ask({ cut: kind === "wall" ? `wall:${firstWall(reading)}` : kind });
    });
    this.wall.addEventListener("change", () => {
      const { reading } = page;
      const column = Math.round(Number(this.wall.value)) || 0;
      if (reading) page.ask({ cut: `wall:${clamp(column, 0, reading.run.count - 2)}` });
    });
  }

  /** @param {Reading} reading */
  draw({ run, choice, network }) {
    const { kind: select, wall } = this;
    this.fill(network.layers);
    const [kind, number] = choice.cut.split(":");
    if (this.page.active() !== select || select.value !== choice.cut)
      select.value = kind === "wall" ? "wall" : choice.cut;
    this.page.part("wall-field").hidden = kind !== "wall";
    wall.max = String(run.count - 2);
    if (kind === "wall" && this.page.active() !== wall) wall.value = number;
    this.page.part("cut-note").textContent = this.note(kind, number, network.smallest);
  }

  /** @param {number} layers */
  fill(layers) {
    const { kind: select } = this;
    if (select.dataset.layers === String(layers)) return;
    select.dataset.layers = String(layers);
    select.replaceChildren(
      el("option", { value: "" }, "nothing"),
      el("option", { value: "wall" }, "a wall between two words"),
      ...Array.from({ length: layers }, (_, i) =>
        el("option", { value: `layer:${i + 1}` }, `layer ${i + 1}: nothing moves sideways`),
      ),
    );
  }

  /** @param {string} kind
   * @param {string} number
   * @param {number} window */
  note(kind, number, window) {
    const lost = Number.isFinite(window) ? window - 1 : "any";
    if (kind === "wall")
      return `No word after position ${number} may look at it or anything before. What is later is a text of its own.`;
    if (kind === "layer") return `In layer ${number} every word sees only itself: one hop of ${lost} tokens is lost.`;
    return "Take attention edges away, and see what still arrives. The staircase stays where it was.";
  }
}
