// Numbers over many decades: how green they are drawn, and how they are written.

import { clamp } from "../kit/format.js";

/** The scale runs from 1 down to 1e-12; what is smaller and not 0 keeps the palest step. */
export const DECADES = 12;

/**
 * Share of the green over the ground for a value; 0 is nothing at all.
 *
 * @param {number} value  of any sign; NaN = not measured, drawn as nothing
 */
export function greenShare(value) {
  const size = Math.abs(value);
  if (!(size > 0)) return 0;
  return 0.09 + 0.91 * clamp((Math.log10(size) + DECADES) / DECADES, 0, 1) ** 1.7;
}

/**
 * How tall a bar is, as a share of the whole height: one decade more than the green has, so that 1e-12 is not flat.
 *
 * @param {number} value  above 0
 */
export const barShare = (value) => clamp((Math.log10(value) + DECADES + 1) / (DECADES + 1), 0, 1);

/**
 * How strongly a word is coloured, in percent: 0 for nothing, else 6 to 46, over eight decades.
 *
 * @param {number} value  of any sign; NaN = not measured
 */
export function wordTint(value) {
  const size = Math.abs(value);
  return size > 0 ? Math.round(6 + 40 * clamp((Math.log10(size) + 8) / 8, 0, 1)) : 0;
}

/**
 * A number for people: 0.23, 4.1e-9 as 4.1 × 10⁻⁹, and 0 only for an exact 0.
 *
 * @param {number | null | undefined} value  none, or NaN = not measured
 */
export function tiny(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "exactly 0";
  const size = Math.abs(value);
  if (size >= 0.001 && size < 1000) return `${Number(value.toPrecision(2))}`;
  const power = Math.floor(Math.log10(size));
  const raised = [...`${power}`].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(sign)])).join("");
  return `${(value / 10 ** power).toFixed(1)} × 10${raised}`;
}
