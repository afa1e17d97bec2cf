// Words of the text: runs of tokens of letters and digits; any other character stands alone, with all tokens that it is
// made of. The same rule as `word_span` of mistral_core/analysis/other_word.py.

import { quoted } from "../kit/format.js";

const ENDS = /[\p{L}\p{M}\p{N}]$/u;
const BEGINS = /^[\p{L}\p{M}\p{N}]/u;

/**
 * The tokens of the word that a position belongs to: from the first up to but without the second.
 *
 * @param {string[]} texts  what each token contributes to the text
 * @param {number} position
 * @returns {[number, number]}
 */
export function wordSpan(texts, position) {
  const goesOn = (/** @type {number} */ at) => {
    if (!texts[at - 1]) return at > 1; // inside a longer character; the first is the begin
    if (!ENDS.test(texts[at - 1])) return false;
    let next = at;
    while (next < texts.length && !texts[next]) next++;
    return BEGINS.test(texts[next] ?? "");
  };
  let [first, end] = [position, position + 1];
  while (first > 0 && goesOn(first)) first--;
  while (end < texts.length && goesOn(end)) end++;
  return [first, end];
}

/**
 * The word that a position belongs to, as it is printed; a space as a sign for it.
 *
 * @param {string[]} texts
 * @param {string[]} labels
 * @param {number} position
 */
export function wordAround(texts, labels, position) {
  const [first, end] = wordSpan(texts, position);
  return quoted(texts.slice(first, end).join("").trim() || (labels[position] ?? "").trim() || "␣");
}
