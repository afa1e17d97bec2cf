// The pictures in words: what the word that is looked at reads, right and wrong.

import { percent, plural, quoted } from "../kit/format.js";
import { ranges } from "./run.js";

/** @typedef {import("./run.js").MuseumRun} MuseumRun */

/** @type {Record<NonNullable<import("./types.js").MuseumHeader["drawing"]>, string>} */
export const TITLES = {
  reads: "Which words are read",
  order: "In which order the slots are read",
  distance: "How far back each key seems to stand",
  dials: "What is turned, and how far",
  heads: "Which keys each head reads",
};

/** @param {MuseumRun} run @param {number} at */
export function said(run, at) {
  const word = `Token ${at}, ${quoted(run.labels[at]?.trim() || "␣")},`;
  const { drawing, window } = run.meta;
  if (drawing === "reads") return reads(run, at, word);
  if (drawing === "order")
    return "The last word reads the same keys either way, and adds them up in another order: only rounding differs.";
  if (drawing === "distance") {
    const { turned_right: right, turned_wrong: wrong } = run.arrays;
    if (!right || !wrong) return "";
    const first = Math.max(0, at - (window ?? at + 1) + 1);
    const back = (/** @type {Float32Array} */ by) => Math.round(by[at] - by[first]);
    const last = back(wrong) < 0 ? `${-back(wrong)} ahead of it` : `${back(wrong)} back`;
    const turned = `${word} is turned as if it were token ${Math.round(wrong[at])}.`;
    return `${turned} Its oldest key, of token ${first}, stands ${back(right)} back and seems to stand ${last}.`;
  }
  if (drawing === "dials")
    return (
      `Each dial is a pair of numbers of a query or key, named below it, turned as at token ${at}. ` +
      "Dashed: another pair, or another angle, than the weights were trained with."
    );
  if (drawing === "heads") return heads(run);
  return "";
}

/** @param {MuseumRun} run @param {number} at @param {string} word */
function reads(run, at, word) {
  const [right, wrong] = [run.read("right", at), run.read("wrong", at)];
  const due = new Set(right.keys);
  const extra = wrong.keys.filter((key) => !due.has(key));
  const had = new Set(wrong.keys);
  const missing = right.keys.filter((key) => !had.has(key));
  const begin = `${word} should read ${plural(right.keys.length, "token")}: ${ranges(right.keys)}.`;
  if (!extra.length && !missing.length && !wrong.empty) return `${begin} With the mistake it reads the same.`;
  const parts = [
    extra.length ? `it reads ${ranges(extra)} besides` : "",
    missing.length ? `it misses ${ranges(missing)}` : "",
    wrong.empty ? `${percent(wrong.empty)} of what it reads is empty slots` : "",
  ].filter(Boolean);
  return `${begin} With the mistake ${parts.join(", ")}.`;
}

/** @param {MuseumRun} run */
function heads(run) {
  const { reader_right: right, reader_wrong: wrong } = run.arrays;
  if (!right || !wrong) return "";
  const others = [...wrong].filter((key, head) => key !== right[head]).length;
  return `${plural(others, "head")} of ${right.length} read keys that their weights were not trained with.`;
}

/** @param {import("./types.js").ReadBothWays} measured @param {number} top  largest error */
export function sentence({ errs_from, expected, largest }, top) {
  if (errs_from === null) return "No bit of any logit is another one.";
  const most = `largest error of a logit: ${size(top)} (logits go up to ${largest.toPrecision(3)})`;
  if (expected === null) return `Rounding alone; ${most}.`;
  const before = errs_from
    ? `hatched: equal bit for bit before position ${errs_from}`
    : "wrong from the first token on";
  const theory = errs_from === expected ? ", as it must be" : `; the story says ${expected}`;
  return `Bars: error of the logits; ${before}${theory}; ${most}.`;
}

/** An error in three digits, however small. @param {number} value */
export const size = (value) => (value < 1e-3 ? value.toExponential(1) : value.toPrecision(3));
