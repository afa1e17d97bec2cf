// What is known of one token: shown on hover, and on keyboard focus.

import { el } from "./dom.js";
import { percent, plural } from "./format.js";

function popoverLines(player, position) {
  const { run, t } = player;
  const lines = [];
  const distance = t - position;
  lines.push(
    `position ${position} · id ${run.ids[position]}${position < run.meta.n_prompt ? " · given (prompt)" : ""}`,
  );
  if (distance > 0) {
    const hops = run.hops(distance);
    lines.push(
      hops < 0
        ? `${distance} back: out of reach of this prediction`
        : `${distance} back: ${plural(hops, "hop")} of attention away`,
    );
  } else if (distance < 0) lines.push("not read yet at this step");
  else lines.push("the token read at this step");
  return lines;
}

/** Why was this token chosen? The step before it says so. */
function popoverChoice(player, position) {
  const { run } = player;
  if (position === 0) return [el("p", {}, "The first token: nothing came before it.")];
  const before = run.steps[position - 1];
  const given = position < run.meta.n_prompt;
  const parts = [
    el(
      "p",
      { class: "mx-pop-lead" },
      given ? "given; the step before would have written:" : "chosen by the step before:",
    ),
  ];
  parts.push(el("p", {}, `rank ${run.rankOf(position) + 1}, probability ${percent(run.p(position))}`));
  if (before) {
    parts.push(
      el(
        "ol",
        {},
        ...[...before.ids]
          .slice(0, 4)
          .map((id, i) =>
            el(
              "li",
              { class: id === run.ids[position] ? "mx-chosen" : null },
              el("span", { class: "mx-serif" }, run.nameOf(id)),
              el("span", {}, percent(before.probs[i])),
            ),
          ),
      ),
    );
  }
  return parts;
}

export function showPopover(player, position, node, cell) {
  const { run } = player;
  const word = el("b", { class: "mx-serif" }, run.labels[position]);
  if (cell) {
    const title = el("p", { class: "mx-pop-title" }, word, ` ${cell.title}`);
    return player.explain([title, ...cell.lines.map((line) => el("p", {}, line))], node, cell);
  }
  const exact = JSON.stringify(run.texts[position]);
  return player.explain(
    [
      el("p", { class: "mx-pop-title" }, word, el("code", {}, exact.length < 24 ? exact : "")),
      ...popoverLines(player, position).map((line) => el("p", {}, line)),
      ...popoverChoice(player, position),
    ],
    node,
  );
}
