// What is known of one token: on hover, and on keyboard focus.

import { BEGIN, byteNote } from "../kit/bytes.js";
import { el } from "../kit/dom.js";
import { percent, plural } from "../kit/format.js";

/** @typedef {import("./page.js").default} Page */

/**
 * @param {Page} player
 * @param {number} position
 */
function facts(player, position) {
  const { run, t } = player;
  const given = position < run.meta.n_prompt ? " · given (prompt)" : "";
  const first = `position ${position} · id ${run.ids[position]}${given}`;
  const distance = t - position;
  if (distance === 0) return [first, "the token read at this step"];
  if (distance < 0) return [first, "not read yet at this step"];
  const hops = run.hops(distance, position);
  return [
    first,
    hops < 0
      ? `${distance} back: out of reach of this prediction`
      : `${distance} back: ${plural(hops, "hop")} of attention away`,
  ];
}

/**
 * Why was this token chosen? The step before it says so.
 *
 * @param {Page} player
 * @param {number} position
 */
function choice(player, position) {
  const { run } = player;
  if (position === 0) {
    return [el("p", {}, run.texts[0] ? "The first token: nothing came before it." : BEGIN)];
  }
  const before = run.steps[position - 1];
  const given = position < run.meta.n_prompt;
  const lead = given ? "given; the step before would have written:" : "chosen by the step before:";
  const parts = [
    el("p", { class: "mx-pop-lead" }, lead),
    el("p", {}, `rank ${run.rankOf(position) + 1}, probability ${percent(run.p(position))}`),
  ];
  if (!before) return parts;
  const likeliest = [...before.ids.subarray(0, 4)].map((id, i) =>
    el(
      "li",
      { class: id === run.ids[position] ? "mx-chosen" : null },
      el("span", { class: "mx-serif" }, run.nameOf(id)),
      el("span", {}, percent(before.probs[i])),
    ),
  );
  return [...parts, el("ol", {}, ...likeliest)];
}

/**
 * @param {Page} player
 * @param {number} position
 * @param {Element | null} node  of the token
 */
export function explainWord(player, position, node) {
  const { run } = player;
  const exact = JSON.stringify(run.texts[position]);
  const word = el("b", { class: "mx-serif" }, run.labels[position]);
  const title = el("p", { class: "mx-pop-title" }, word, el("code", {}, exact.length < 24 ? exact : ""));
  const note = byteNote(run.labels[position]);
  const lines = [...facts(player, position), ...(note ? [note] : [])].map((line) => el("p", {}, line));
  player.explain([title, ...lines, ...choice(player, position)], node);
}
