// What is asked, changed by a click or by another reading.

/**
 * @typedef {import("./types.js").ChoiceHeader} Choice
 * @typedef {"source" | "target"} End  of a corridor
 */

/**
 * The token that arrows move and that the page calls the current one.
 *
 * @param {Choice} choice
 * @param {End} end  of a corridor, that clicks move
 */
export function anchorOf({ reading, source, target }, end) {
  return reading === "forward" || (reading === "corridor" && end === "source") ? source : target;
}

/**
 * After a click on a position. Another source is replaced by a word of its own.
 *
 * @param {Choice} choice
 * @param {number} position
 * @param {End} end  of a corridor, that clicks move
 * @returns {Choice}
 */
export function movedTo(choice, position, end) {
  const next = { ...choice };
  if (choice.reading === "forward") next.source = position;
  else if (choice.reading === "backward") next.target = position;
  else if (end === "source") next.source = Math.min(position, choice.target);
  else next.target = Math.max(position, choice.source);
  if (next.source !== choice.source) next.replacement = null;
  return next;
}

/**
 * The position, of those that lie a window or more away and can still be reached, at which most was measured; null =
 * nothing was measured there.
 *
 * @param {Choice} choice  forward or backward
 * @param {{ count: number, reach: number, window: number, felt: (position: number) => number }} text
 */
function strongestAway({ reading, source, target }, { count, reach, window, felt }) {
  let best = null;
  for (let away = window; away < reach; away++) {
    const position = reading === "forward" ? source + away : target - away;
    if (position < 1 || position >= count) break;
    if (felt(position) > (best === null ? 0 : felt(best))) best = position;
  }
  return best;
}

/**
 * In another reading: a corridor gets the pair with the largest effect beyond one window, or else one that can reach
 * each other, and back from a prediction shows the whole staircase, unless the visitor has a prediction of his own in
 * mind.
 *
 * @param {Choice} choice
 * @param {Choice["reading"]} reading
 * @param {{ count: number, reach: number, window: number, targeted: boolean, felt: (position: number) => number }} text
 *   tokens; reach and smallest window of the network; whether a prediction was chosen by hand; what was measured at a
 *   position, NaN = nothing
 * @returns {Choice}
 */
export function inReading(choice, reading, text) {
  const { count, reach, targeted } = text;
  const next = { ...choice, reading };
  const far = Number.isFinite(reach) ? reach : count;
  const free = choice.reading === "backward" || !targeted;
  const away = reading === "corridor" && free ? strongestAway(choice, { ...text, reach: far }) : null;
  if (away !== null) next[choice.reading === "forward" ? "target" : "source"] = away;
  else if (reading === "corridor" && (next.source >= next.target || next.target - next.source >= far)) {
    if (choice.reading === "forward") next.target = Math.min(count - 1, next.source + Math.ceil(far / 3));
    else next.source = Math.max(0, next.target - Math.ceil(far / 3));
  }
  if (reading === "backward" && choice.reading === "forward" && !targeted)
    next.target = Math.min(count - 1, next.source + far);
  return next;
}
