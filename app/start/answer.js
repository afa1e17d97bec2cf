// The measured answer: what the exchanged word does to the next one, and what ordinary words do.

import { el } from "../kit/dom.js";
import { clamp, grouped, percent } from "../kit/format.js";
import { term } from "../kit/terms.js";

/** @typedef {import("./types.js").Story} Story */

/**
 * The probability of each answer, and what it is with the other word.
 *
 * @param {Story} story
 * @param {number} version  0 = the text's own word, 1 = the swap
 */
export function answerBars(story, version) {
  const rows = story.answers.map((answer, i) => {
    const value = version ? story.swapped[i] : story.first[i];
    const before = version ? story.first[i] : story.swapped[i];
    const fill = el("i", {});
    const mark = el("u", {});
    fill.style.width = `${value * 100}%`;
    mark.style.left = `${before * 100}%`;
    const bar = el("span", { class: "start-bar" }, fill, mark);
    return el(
      "div",
      { class: "start-row" },
      el("span", { class: "mx-serif" }, answer),
      bar,
      el("b", {}, percent(value)),
      el("span", { class: "mx-soft" }, `${version ? "was" : "becomes"} ${percent(before)}`),
    );
  });
  return el("div", { class: "start-bars", role: "group", "aria-label": "Probability of the next word" }, ...rows);
}

/**
 * Chosen for effect, so what usually happens stands beside it, on a log scale.
 *
 * @param {Story} story
 */
export function typicalScale(story) {
  const { kl_median: median, kl_mean: mean, kl_max: most, sources, distance } = story.typical;
  const low = -5;
  const high = 1;
  const at = (/** @type {number} */ value) => `${((clamp(Math.log10(value), low, high) - low) / (high - low)) * 100}%`;
  const mark = (/** @type {number} */ value, /** @type {string} */ name, kind = "") => {
    const node = el("span", { class: `start-mark ${kind}` }, el("i", {}), el("span", {}, name));
    node.style.left = at(value);
    return node;
  };
  return el(
    "div",
    { class: "start-typical" },
    el(
      "p",
      { class: "mx-note" },
      `Chosen for effect: the strongest of ${story.candidates} tried. For ${sources} ordinary words, also ` +
        `${distance} tokens back, the median change of the whole prediction is ` +
        `${grouped(Number((story.kl / median).toPrecision(1)))} times smaller (`,
      term("KL"),
      " in ",
      term("nats"),
      ", log scale):",
    ),
    el(
      "div",
      {
        class: "start-scale",
        role: "img",
        "aria-label":
          `Median ${median.toPrecision(2)}, mean ${mean.toPrecision(2)}, ` +
          `largest ${most.toPrecision(2)}, this example ${story.kl.toPrecision(2)} nats`,
      },
      mark(median, `ordinary: median ${median.toPrecision(2)}`),
      mark(most, `ordinary: largest ${most.toPrecision(2)}`),
      mark(story.kl, `here ${story.kl.toPrecision(2)}`, "start-here"),
    ),
  );
}
