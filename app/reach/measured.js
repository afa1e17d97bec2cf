// The numbers that came with an answer, in sentences.

import { bold } from "./words.js";
import { el } from "../kit/dom.js";
import { grouped, percent, plural, quoted } from "../kit/format.js";
import { NOTICED, raised, tiny } from "./decades.js";
import { term } from "../kit/terms.js";

/**
 * @typedef {import("./reading.js").Reading} Reading
 * @typedef {import("./words.js").Part[]} Line
 * @typedef {import("./types.js").ForwardFacts} ForwardFacts
 * @typedef {import("./types.js").BackwardFacts} BackwardFacts
 */

/** How far something is felt, forward from a word or back from a prediction.
 * @param {Reading} reading  measured, and no corridor
 * @returns {Line[]} */
export function spreadFacts(reading) {
  const { run, choice, network, back } = reading;
  const facts = /** @type {ForwardFacts | BackwardFacts} */ (run.meta.facts); // of the reading that was asked for
  const side = back ? "back" : "on";
  const { reach } = network;
  const edge = Number.isFinite(reach);
  return [
    edge
      ? ["can see: ", bold(grouped(reach)), ` tokens ${side}${kept(reading)} (theory${cutReach(reading)})`]
      : ["can see: ", bold("everything"), `, here ${plural(facts.room, "token")} ${side} (theory: no window)`],
    ...used(facts, reach, back, withoutCut(reading)),
    ...beyond(facts),
    ...(edge && facts.room < reach && !run.meta.short ? [[ending(facts.room, back)]] : []),
    ...(choice.reading === "forward" ? largest(reading, /** @type {ForwardFacts} */ (facts)) : []),
    ...(back ? [explained(reading, /** @type {BackwardFacts} */ (facts))] : []),
    ...(facts.left === undefined ? [] : [arrives(reading, facts.left)]),
  ];
}

/** The first tokens are seen from everywhere, where they are kept.
 * @param {Reading} reading */
function kept({ choice, network, back }) {
  if (back && network.sinks) return ` and the first ${network.sinks}`;
  return choice.source < network.sinks ? ", and everything after: it is kept in sight" : "";
}

/** A layer in which nothing moves sideways takes its own hop from the reach.
 * @param {Reading} reading */
function cutReach({ choice, network }) {
  const [kind, number] = choice.cut.split(":");
  if (kind !== "layer") return "";
  const lost = network.forwardEdges[Number(number)] - network.forwardEdges[Number(number) - 1];
  return `; ${grouped(network.reach - lost)} with the cut`;
}

/** How far the change of a prediction was noticed before something was cut; null = nothing is cut, or not known.
 * @param {Reading} reading */
function withoutCut({ choice, arrays: { uncut } }) {
  if (!uncut?.length || choice.reading !== "forward") return null;
  let at = uncut.length - 1;
  while (at > choice.source && uncut[at] < 10 ** -NOTICED) at--;
  return at - choice.source;
}

/** @param {ForwardFacts | BackwardFacts} facts
 * @param {number} reach  Infinity = no edge
 * @param {boolean} back
 * @param {number | null} before  how far it was noticed without the cut; null = there is none
 * @returns {Line[]} */
function used({ noticed, farthest, felt, within90, within99 }, reach, back, before) {
  /** @type {Line[]} */
  const lines = [];
  const side = back ? "back" : "on";
  /** @param {number} distance */
  const edge = (distance) => (distance === reach ? ", the very edge" : "");
  const least = `10${raised(-NOTICED)} `;
  if (noticed !== null)
    lines.push([
      `farthest ${back ? "word that is felt" : "prediction that changes noticeably"}: `,
      bold(grouped(noticed)),
      ` ${side}${edge(noticed)} (at least ${least}`,
      term("nats"),
      before === null || before === noticed ? ")" : `; ${grouped(before)} without the cut: it is another network)`,
    ]);
  else if (farthest !== null)
    lines.push([`${back ? "no word is felt" : "no prediction changes"} by as much as ${least}`, term("nats")]);
  if (farthest !== null && farthest !== noticed)
    lines.push([
      "traces, too little to notice: ",
      bold(grouped(farthest)),
      ` ${side}${edge(farthest)} (there ${tiny(felt)} nats)`,
    ]);
  if (within90 !== null && within99 !== null)
    lines.push([
      "does use: 90 % of the summed ",
      back ? "influence" : term("KL"),
      " within ",
      bold(within90),
      " tokens, 99 % within ",
      bold(within99),
      within99 > (noticed ?? 0) ? ": beyond, many changes too small to notice add up" : "",
    ]);
  return lines;
}

/** @param {ForwardFacts | BackwardFacts} facts
 * @returns {Line[]} */
function beyond({ outside, outside_top }) {
  if (!outside) return [];
  const positions = plural(outside, "position");
  const extent = outside_top === 0 ? ` at all ${positions}, to the last digit` : ` at most, at ${positions}`;
  return [["beyond the edge: ", bold(tiny(outside_top)), extent]];
}

/** @param {number} room
 * @param {boolean} back */
const ending = (room, back) =>
  back
    ? `The text begins ${room} tokens back, before the edge: choose a later prediction.`
    : `The text ends ${room} tokens on, before the edge: write more of it, or choose an earlier word.`;

/** @param {Reading} reading
 * @param {ForwardFacts} facts
 * @returns {Line[]} */
function largest({ run, arrays: { uncut } }, { kl_top, kl_top_at }) {
  if (kl_top === null || kl_top_at === null) return [];
  const word = el("span", { class: "mx-serif" }, quoted(run.labels[kl_top_at]));
  return [
    ["largest beyond one window: ", bold(tiny(kl_top)), " nats after ", word, ...besides(uncut?.[kl_top_at], kl_top)],
  ];
}

/** The same without the cut. Some predictions then depend on a word more.
 * @param {number | undefined} before
 * @param {number} now
 * @returns {Line} */
function besides(before, now) {
  if (before === undefined) return [];
  const more = now > before ? ": a cut network is another one, and this prediction leans on the word more" : "";
  return [` (${tiny(before)} without the cut${more})`];
}

/** What is left of everything that was felt, and how much of that was near.
 * @param {Reading} reading
 * @param {number} left
 * @returns {Line} */
function arrives({ back, choice, network, arrays: { kl } }, left) {
  const line = [`with the cut ${percent(left)} of the summed ${back ? "influence" : "KL"} arrives`];
  if (back || !kl || !Number.isFinite(network.smallest)) return line;
  const after = [...kl.subarray(choice.source + 1)];
  const sum = (/** @type {number[]} */ values) => values.reduce((total, value) => total + value, 0);
  const near = sum(after.slice(0, network.smallest - 1)) / sum(after);
  return near > 0 ? [...line, `; ${percent(near)} of that lies within one window`] : line;
}

/** @param {Reading} reading
 * @param {BackwardFacts} facts
 * @returns {Line} */
function explained({ run }, { probability }) {
  const word = el("b", { class: "mx-serif" }, quoted(run.meta.explained));
  return ["explained: ", word, `, probability ${percent(probability)}`];
}

/** What gets from one word to the prediction after another.
 * @param {Reading} reading  measured, of a corridor
 * @returns {Line[]} */
export function corridorFacts({ run, choice, network }) {
  const facts = /** @type {import("./types.js").CorridorFacts} */ (run.meta.facts);
  const distance = choice.target - choice.source;
  const apart = bold(distance);
  if (distance > network.reach && choice.source >= network.sinks) {
    const empty = "the corridor is empty. Nothing of the word can be left here.";
    return [[apart, ` tokens apart, reach ${grouped(network.reach)}: ${empty}`]];
  }
  const word = el("b", { class: "mx-serif" }, quoted(run.meta.explained));
  const shares = `${percent(facts.before ?? NaN)} before, ${percent(facts.after ?? NaN)} after`;
  const precision = `computed in ${facts.steps} steps, off by at most ${tiny(facts.off)} nats`;
  return [
    [apart, " tokens apart: at least ", bold(plural(network.hops(distance, choice.source), "hop"))],
    [
      term("ln p", "log-probability"),
      " of ",
      word,
      " changes by ",
      bold(tiny(facts.change)),
      " nats when the word is swapped",
    ],
    [`${shares}; KL of the whole prediction `, bold(tiny(facts.kl)), " nats"],
    [`each row of the grid sums to that change (${precision})`],
    ...(distance === network.reach ? [["Exactly at the edge: one single path is left."]] : []),
  ];
}
