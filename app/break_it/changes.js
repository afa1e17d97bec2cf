// Changes as they are spelled for Python and in addresses (app/break_it/spelling.py says how), and as they are said.
// Layers, heads and groups count from 1, positions, steps, slots and distances from 0; row 0 is the embedding.

import { plural, quoted, rowName } from "../kit/format.js";
import { wordAround } from "./words.js";

/**
 * How a change is said.
 *
 * @param {string} change
 * @param {string[]} labels  of the text
 * @param {string[]} [texts]  what each token contributes to it; default: the labels
 */
export function said(change, labels, texts = labels) {
  const [kind, ...parts] = change.split(":");
  const [first, second, third] = parts;
  const word = (/** @type {string} */ at) => `${quoted((labels[Number(at)] ?? "").trim() || "␣")} at ${at}`;
  if (kind === "head") return `head ${second} of layer ${first} is silent`;
  if (kind === "group") return `K/V head ${second} of layer ${first} is silent`;
  if (kind === "mlp") return `the MLP of layer ${first} is silent`;
  if (kind === "attention") return `all attention of layer ${first} is silent`;
  if (kind === "near") {
    if (first === "0") return "every token sees itself alone";
    return `no layer looks back more than ${plural(Number(first), "token")}`;
  }
  if (kind === "edge") return `${word(second)} does not see ${word(first)}${third ? ` in layer ${third}` : ""}`;
  if (kind === "slot") return `slot ${first} is ${third ? "zero" : "not seen"} from step ${second} on`;
  const other = lent(change);
  if (!other) return `no later token sees ${word(first)}`;
  const [from, to] = second.split("-");
  const place = `${to ? `from ${from} to ${to}` : `at ${from}`}, ${rowName(Number(first))}`;
  const old = wordAround(texts, labels, other.source);
  if (kind === "patch")
    return `${place}: the state of the text with ${quoted(other.word)} for ${old} at ${other.source}`;
  return `${place}: + ${third.replace("-", "−")} × (${quoted(other.word)} − ${old} at ${other.source})`;
}

/**
 * The word that another text has in the place of one of this, if a change takes something from such a text.
 *
 * @param {string} change
 * @returns {{ source: number, word: string } | null}
 */
export function lent(change) {
  const [kind, ...parts] = change.split(":");
  if (kind !== "patch" && kind !== "add") return null;
  const [source, word] = parts.slice(-2);
  return { source: Number(source), word: decodeURIComponent(word) };
}

/**
 * After a click on a part or a word: it alone, or added to the others, or taken out if it was there.
 *
 * @param {string[]} changes
 * @param {string} change
 * @param {boolean} several  whether the others stay
 */
export function toggled(changes, change, several) {
  if (changes.includes(change)) return changes.filter((other) => other !== change);
  return several ? [...changes, change] : [change];
}

/**
 * Another distance limit in the place of the one before; null = none.
 *
 * @param {string[]} changes
 * @param {number | null} distance
 * @param {boolean} several  whether the others stay
 */
export function limited(changes, distance, several) {
  const others = changes.filter((change) => !change.startsWith("near:"));
  if (distance === null) return others;
  return several ? [...others, `near:${distance}`] : [`near:${distance}`];
}

/**
 * A change of a log-probability, signed; what is less than can be written in two digits is 0.
 *
 * @param {number} value  nats
 */
export function signed(value) {
  if (!Number.isFinite(value)) return "";
  const digits = Math.abs(value) >= 9.95 ? 0 : Math.abs(value) >= 0.995 ? 1 : 2;
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? "0" : `${value < 0 ? "−" : "+"}${text}`;
}

/**
 * A log-probability with two digits.
 *
 * @param {number} value  nats
 */
export const exactly = (value) => value.toFixed(2).replace("-", "−");

/**
 * How strongly a change is coloured, 0 to 1: the square root, so that small ones can be seen.
 *
 * @param {number} value
 * @param {number} top  what is fully coloured
 */
export function strength(value, top) {
  if (!Number.isFinite(value) || top <= 0) return 0;
  return Math.sqrt(Math.min(1, Math.abs(value) / top));
}

/**
 * A small number of nats as it is written.
 *
 * @param {number} value
 */
export function nats(value) {
  if (value === 0) return "0";
  if (Math.abs(value) < 0.001) return value < 0 ? "above −0.001" : "below 0.001";
  return `${value < 0 ? "−" : ""}${Number(Math.abs(value).toPrecision(2))}`;
}
