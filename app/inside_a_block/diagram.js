// The block as a picture: boxes in the order of the data, each with its numbers as colours.

import { BEHIND, BOXES, inWords } from "./boxes.js";
import { closest, el } from "../kit/dom.js";
import { percent, quoted, shorten } from "../kit/format.js";
import { layOut, paint, topOf } from "./strip.js";

/** @import TokenPage from "./page.js" */

export class Diagram {
  /** @param {TokenPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("diagram");
    /** @type {Map<string, { button: HTMLButtonElement, canvas: HTMLCanvasElement, range: HTMLElement }>} */
    this.drawn = new Map();
    /** What each canvas shows, so that a step along the boxes paints none of them anew. */
    this.painted = new WeakMap();
    this.theme = "";
    for (const box of BOXES) {
      const canvas = el("canvas", { width: 1, height: 1, "aria-hidden": "true" });
      const range = el("span", { class: "inside-range" });
      const title = el("span", { class: "inside-title" }, box.title);
      const button = el("button", { type: "button", class: "inside-box", "data-box": box.id }, title, canvas, range);
      button.style.gridArea = box.place;
      this.drawn.set(box.id, { button, canvas, range });
      this.host.append(button);
    }
    this.host.addEventListener("click", (event) => {
      const button = closest(event, "[data-box]");
      if (button) player.pickBox(button.dataset.box ?? "");
    });
  }

  draw() {
    const { run, t, layer, box, colour } = this.player;
    if (this.theme !== colour.card) this.painted = new WeakMap();
    this.theme = colour.card;
    this.player.part("beyond").textContent = this.beyond();
    for (const { id, title } of BOXES) {
      const { button, canvas, range } = this.drawn.get(id) ?? this.missing(id);
      const numbers = run.numbers(t, layer, id);
      const top = numbers ? topOf(numbers.data) : 0;
      const data = numbers?.data ?? null;
      if (this.painted.get(canvas) !== data || !this.painted.has(canvas))
        paint(canvas, id, numbers, colour, numbers ? layOut(numbers.shape) : [1, 1], top);
      this.painted.set(canvas, data);
      button.setAttribute("aria-pressed", String(id === box));
      button.classList.toggle("inside-off", BEHIND.has(id) && layer < run.layers - 1);
      const words = this.words(id, numbers, top);
      range.textContent = words;
      button.setAttribute("aria-label", `${title}: ${numbers ? `${inWords(id, numbers.shape)}, ` : ""}${words}`);
    }
  }

  /** What comes between this layer and the end. */
  beyond() {
    const { run, layer } = this.player;
    const next = layer + 2;
    if (layer === run.layers - 1) return "this was the last layer";
    return next === run.layers ? `then layer ${next}` : `then layers ${next} to ${run.layers}`;
  }

  /** @param {string} id
   * @returns {never} */
  missing(id) {
    throw new Error(`There is no box ${id}.`);
  }

  /**
   * What stands below a box: its largest number, or what it is.
   *
   * @param {string} id
   * @param {import("./run.js").Numbers | null} numbers
   * @param {number} top
   */
  words(id, numbers, top) {
    const { run, t, layer } = this.player;
    if (id === "logits") {
      const top = run.tokens.get(t)?.ending?.top.slice(0, 3) ?? [];
      return top
        .map(({ label, probs }) => `${quoted(shorten(label.trim() || "␣", 12))} ${percent(probs[0])}`)
        .join("\n");
    }
    if (!numbers) return "";
    if (id === "ring") return `slot ${run.slot(t, run.slotsOf(layer))}`;
    if (id === "mask") return `${numbers.data.reduce((sum, one) => sum + one, 0)} seen`;
    return id === "pattern" ? `up to ${top.toFixed(2)}` : `±${Number(top.toPrecision(3))}`;
  }
}
