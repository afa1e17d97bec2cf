// What is known of one token: shown on hover, and on keyboard focus.

function popoverLines(player, position) {
  const { run, t } = player;
  const lines = [];
  const distance = t - position;
  lines.push(`position ${position} · id ${run.ids[position]}${position < run.meta.n_prompt ? " · given (prompt)" : ""}`);
  if (distance > 0) {
    const hops = run.hops(distance);
    lines.push(hops < 0 ? `${distance} back: out of reach of this prediction` : `${distance} back: ${plural(hops, "hop")} of attention away`);
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
  const parts = [el("p", { class: "mx-pop-lead" }, given ? "given; the step before would have written:" : "chosen by the step before:")];
  parts.push(el("p", {}, `rank ${run.rankOf(position) + 1}, probability ${percent(run.p(position))}`));
  if (before) {
    parts.push(el("ol", {}, ...[...before.ids].slice(0, 4).map((id, i) => el("li", { class: id === run.ids[position] ? "mx-chosen" : null },
      el("span", { class: "mx-serif" }, run.nameOf(id)), el("span", {}, percent(before.probs[i]))))));
  }
  return parts;
}

function showPopover(player, position, node, cell) {
  const pop = player.part("pop");
  const { run } = player;
  const exact = JSON.stringify(run.texts[position]);
  const body = cell
    ? [el("p", { class: "mx-pop-title" }, el("b", { class: "mx-serif" }, run.labels[position]), ` ${cell.title}`), ...cell.lines.map((line) => el("p", {}, line))]
    : [
      el("p", { class: "mx-pop-title" }, el("b", { class: "mx-serif" }, run.labels[position]), el("code", {}, exact.length < 24 ? exact : "")),
      ...popoverLines(player, position).map((line) => el("p", {}, line)),
      ...popoverChoice(player, position),
    ];
  pop.replaceChildren(...body);
  pop.hidden = false;
  const frame = player.root.getBoundingClientRect();
  const anchor = cell ? { left: cell.x, right: cell.x, top: cell.y - 8, bottom: cell.y + 12 } : node.getBoundingClientRect();
  const width = pop.offsetWidth;
  const height = pop.offsetHeight;
  const left = clamp(anchor.left - frame.left, 0, Math.max(0, frame.width - width));
  const fitsBelow = anchor.bottom + height + 10 < innerHeight;
  const top = fitsBelow ? anchor.bottom - frame.top + 6 : anchor.top - frame.top - height - 6;
  pop.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}
