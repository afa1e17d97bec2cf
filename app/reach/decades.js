// Numbers over many decades: how green they are drawn, and how they are written.

import { clamp } from "../kit/format.js";

/** What is less changes a probability by less than a thousandth of itself, or a state by less than a thousandth. */
export const NOTICED = 3;

/** Down to where float64 still tells a number from its rounding. */
export const DEEP = 12;

/** @typedef {"noticed" | "deep"} ScaleName */

/** A log scale over some decades below 1. */
export class Scale {
  /**
   * @param {number} decades
   * @param {boolean} keeps  whether what is smaller, and not 0, still has the palest step
   */
  constructor(decades, keeps) {
    this.decades = decades;
    this.keeps = keeps;
  }

  /** @param {number} size  of a value
   * @returns {number | null} from 0, its lower end, to 1; null = nothing is drawn */
  place(size) {
    if (!(size > 0)) return null;
    const place = 1 + Math.log10(size) / this.decades;
    return place < -1e-9 && !this.keeps ? null : clamp(place, 0, 1);
  }

  /**
   * Share of the green over the ground; 0 is nothing at all.
   *
   * @param {number} value  of any sign; NaN = not measured, drawn as nothing
   */
  green(value) {
    const place = this.place(Math.abs(value));
    return place === null ? 0 : 0.09 + 0.91 * place ** 1.7;
  }

  /**
   * How tall a bar is, as a share of the whole height: one decade more than the green has, so that none is flat.
   *
   * @param {number} value  0 = no bar
   */
  bar(value) {
    const share = (Math.log10(value) + this.decades + 1) / (this.decades + 1);
    return this.place(value) === null ? 0 : clamp(share, 0, 1);
  }

  /** Where marks stand beside bars: at every third of the scale.
   * @returns {[share: number, label: string][]} */
  get marks() {
    const third = this.decades / 3;
    return [this.decades, 2 * third, third, 0].map((power) => [
      1 - power / (this.decades + 1),
      power ? `10${raised(-power)}` : "1",
    ]);
  }

  /**
   * How strongly a word is coloured, in percent: 0 for nothing, else 6 to 46.
   *
   * @param {number} value  of any sign; NaN = not measured
   */
  tint(value) {
    const place = this.place(Math.abs(value));
    return place === null ? 0 : Math.round(6 + 40 * place);
  }
}

/** @type {Record<ScaleName, Scale>} */
export const SCALES = { noticed: new Scale(NOTICED, false), deep: new Scale(DEEP, true) };

/** A power of ten's exponent as it is written.
 * @param {number} power */
export const raised = (power) =>
  [...`${power}`].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(sign)])).join("");

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
  return `${(value / 10 ** power).toFixed(1)} × 10${raised(power)}`;
}
