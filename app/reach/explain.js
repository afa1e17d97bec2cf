// What is known of one place in the picture, and of the picture as a whole, in words.

import { tokenNote } from "../kit/bytes.js";
import { grouped, percent, plural, quoted, rowName } from "../kit/format.js";
import { tiny } from "./decades.js";

/**
 * @typedef {import("./reading.js").Reading} Reading
 * @typedef {{ title: string, lines: string[] }} Explanation
 */

const UNITS = {
  forward: "relative change of this state",
  backward: "influence, nats",
  corridor: "passes through here, nats",
};

/** A state of the grid.
 * @param {Reading} reading
 * @param {number} row
 * @param {number} position
 * @returns {Explanation} */
export function explainState(reading, row, position) {
  const { choice, run, back } = reading;
  const distance = back ? choice.target - position : position - choice.source;
  const side = back ? `${distance} before the target` : `${distance} after the source`;
  const title = `${rowName(row)}, position ${position}${distance > 0 ? `, ${side}` : ""}`;
  const value = reading.value(row, position);
  const lines = [];
  if (!row) lines.push("the first state of a token: numbers looked up by its id, before any layer");
  if (Number.isFinite(value)) lines.push(`${UNITS[choice.reading]}: ${tiny(value)}`);
  else lines.push(reading.fresh || !run.meta.can_measure ? "not measured here" : "being measured …");
  if (!reading.within(row, position)) lines.push("theory: beyond the edge, nothing can arrive");
  else if (!reading.allowed(row, position)) lines.push("theory: allowed, but the cut blocks every way");
  else if (value === 0) lines.push("theory: allowed; measured: nothing");
  return { title, lines };
}

/** What stands under the grid at a position: its prediction, or what its embedding does.
 * @param {Reading} reading
 * @param {number} position
 * @returns {Explanation} */
export function explainBelow(reading, position) {
  if (reading.back) return explainState(reading, 0, position);
  const { kl, before, after, uncut } = reading.arrays;
  const note = tokenNote(reading.run, position);
  const lines = [...(note ? [note] : []), `change of the next-word distribution (KL, nats): ${tiny(kl?.[position])}`];
  const probability = before?.[position] ?? NaN;
  if (Number.isFinite(probability)) {
    const next = quoted(reading.run.labels[position + 1] ?? "");
    const swapped = percent(after?.[position] ?? NaN);
    lines.push(`${next} follows: ${percent(probability)} before, ${swapped} after the swap`);
  }
  if (uncut?.length) lines.push(`without the cut: ${tiny(uncut[position])}`);
  return { title: `prediction at position ${position}`, lines };
}

/** A bin of the hop axis.
 * @param {import("./hops.js").HopBins} bins
 * @param {number | null} row  null = the predictions under the grid
 * @param {number} hops
 * @returns {Explanation} */
export function explainBin(bins, row, hops) {
  const { layers } = bins;
  const { reach } = bins.reading.network;
  const [near, far] = bins.distances(hops);
  const side = bins.back ? "back" : "on";
  const between = near === far ? grouped(near) : `${grouped(near)} to ${grouped(far)}`;
  const range = hops > layers ? `more than ${grouped(reach)}` : between;
  const place = row === null ? "predictions" : rowName(row);
  const title = hops > layers ? `${place}, out of reach` : `${place}, ${plural(hops, "hop")} ${side}`;
  const peak = bins.peak(row, hops);
  const lines = [`${range} tokens ${side}`];
  if (!peak) lines.push("the text does not go that far");
  else if (Number.isFinite(peak.value))
    lines.push(`largest of this bin: ${tiny(peak.value)}, at position ${peak.position}`);
  if (row !== null && !bins.inside(row, hops)) lines.push("theory: beyond the edge, nothing can arrive");
  if (peak && row !== null) lines.push("click: the tokens there");
  return { title, lines };
}

/** The picture in one sentence.
 * @param {Reading} reading */
export function sentence({ run, choice, network }) {
  const reach = Number.isFinite(network.reach) ? `${network.reach} tokens` : "the whole text";
  /** @param {number} position */
  const word = (position) => `${quoted(run.labels[position])} at position ${position}`;
  const green = "measured is shown in green";
  if (choice.reading === "forward")
    return `Forward from ${word(choice.source)}: theory lets the change travel ${reach}; ${green}.`;
  if (choice.reading === "backward")
    return `Back from the prediction after ${word(choice.target)}: it can depend on ${reach} before it; ${green}.`;
  const distance = choice.target - choice.source;
  const pair = [word(choice.source), word(choice.target)];
  if (distance > network.reach)
    return `From ${pair[0]} nothing can reach ${pair[1]}: ${distance} tokens are more than ${network.reach}.`;
  return `The corridor from ${pair[0]} to ${pair[1]}, ${distance} tokens on.`;
}
