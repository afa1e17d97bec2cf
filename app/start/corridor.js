// The corridor of the measured change: how much of it passes through every state, row by row.

/** @typedef {Pick<import("./types.js").Story, "through" | "position" | "target">} Measured */

/**
 * Share of a row's change that passes through one state: conductance over the row's sum of absolute values.
 *
 * @param {Measured} story
 * @param {number} row
 * @param {number} position
 */
export function share(story, row, position) {
  const through = story.through[row];
  const sum = through.reduce((total, value) => total + Math.abs(value), 0);
  return sum ? Math.abs(through[position] ?? 0) / sum : 0;
}

/**
 * The position that carries most of the change after `row` layers.
 *
 * @param {Measured} story
 * @param {number} row
 */
export function strongest(story, row) {
  let best = story.position;
  for (let p = story.position; p <= story.target; p++) if (share(story, row, p) > share(story, row, best)) best = p;
  return best;
}

/**
 * The states that carry most after `row` layers, largest first.
 *
 * @param {Measured} story
 * @param {number} row
 * @param {number} count  at most
 * @returns {[number, number][]} positions and shares; none below 5 %
 */
export function carriers(story, row, count = 3) {
  /** @type {[number, number][]} */
  const all = [];
  for (let p = story.position; p <= story.target; p++) all.push([p, share(story, row, p)]);
  return all
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .filter(([, part]) => part >= 0.05);
}
