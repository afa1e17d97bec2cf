// Numbers and words as they stand on screen: two significant digits, thousands, plurals.

/** @type {(value: number, low: number, high: number) => number} */
export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/**
 * Two significant digits, and never a rounded 0 % or 100 %: `theme.percent` in JavaScript.
 *
 * @param {number} share
 */
export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  if (share === 0 || share === 1) return `${share * 100} %`;
  if (share < 1e-4) return "<0.01 %";
  if (share > 0.999) return ">99.9 %";
  const digits = share >= 0.995 ? 1 : share >= 0.0995 ? 0 : share >= 0.00995 ? 1 : 2;
  return `${(share * 100).toFixed(digits)} %`;
}

const thousands = new Intl.NumberFormat("en-US");

/** @type {(number: number) => string} */
export const grouped = (number) => thousands.format(Math.round(number));

/** @type {(n: number, one: string, many?: string) => string} */
export const plural = (n, one, many) => `${grouped(n)} ${n === 1 ? one : (many ?? `${one}s`)}`;

/** @type {(text: string, length: number) => string} */
export const shorten = (text, length) => (text.length > length ? `${text.slice(0, Math.max(1, length - 1))}…` : text);

/** @type {(text: string) => string} */
export const quoted = (text) => `“${text}”`;

/** Where a row of the state grid lies.
 * @type {(row: number) => string} */
export const rowName = (row) => (row ? `after layer ${row}` : "embedding");
