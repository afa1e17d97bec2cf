// Changes as they are spelled for Python and in addresses, and as they are said: head:5:3, group:5:1, mlp:5,
// attention:5, near:4, hide:17. Layers, heads and groups count from 1, positions and distances from 0.

import { plural, quoted } from "../kit/format.js";

/**
 * How a change is said.
 *
 * @param {string} change
 * @param {string[]} labels  of the text
 */
export function said(change, labels) {
  const [kind, first, second] = change.split(":");
  if (kind === "head") return `head ${second} of layer ${first} is silent`;
  if (kind === "group") return `K/V head ${second} of layer ${first} is silent`;
  if (kind === "mlp") return `the MLP of layer ${first} is silent`;
  if (kind === "attention") return `all attention of layer ${first} is silent`;
  if (kind === "near") {
    if (first === "0") return "every token sees itself alone";
    return `no layer looks back more than ${plural(Number(first), "token")}`;
  }
  return `no later token sees ${quoted((labels[Number(first)] ?? "").trim() || "␣")} at ${first}`;
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
