// The text that is read: the whole of it comes with every payload.

import { grouped } from "../kit/format.js";
import { Network } from "./network.js";
import { WholeText } from "../kit/whole.js";

/** @extends {WholeText<import("./types.js").ReachHeader>} */
export class ReachRun extends WholeText {
  /**
   * The network that is asked about: it has the model's windows, or one and the same in every layer.
   *
   * @param {{ window: number | null, sinks: number }} choice  of every layer; null = as it was written
   */
  network({ window, sinks }) {
    const { trained, trained_sinks: kept } = this.meta.model;
    return window
      ? new Network(
          trained.map(() => window),
          sinks,
        )
      : new Network(trained, kept);
  }

  /**
   * The whole word that a token is a piece of; "" = it is a word by itself, or none.
   *
   * @param {number} position
   */
  wordAround(position) {
    const { texts } = this;
    const letters = /^\p{L}+$/u;
    if (!letters.test(texts[position].trim())) return "";
    let from = position;
    while (from > 0 && letters.test(texts[from]) && letters.test(texts[from - 1].trim())) from--;
    let to = position + 1;
    while (to < texts.length && letters.test(texts[to])) to++;
    return to - from > 1 ? texts.slice(from, to).join("").trim() : "";
  }

  /** The windows it was trained with, or written with, in words. */
  trainedWith() {
    const { trained, trained_sinks: kept } = this.meta.model;
    const kinds = [...new Set(trained.map((window) => (window === null ? "no window" : grouped(window))))];
    const sizes = kinds.length > 3 ? `${kinds[0]} to ${kinds.at(-1)}` : kinds.join(" and ");
    return kept ? `${sizes} + ${kept} kept` : sizes;
  }
}
