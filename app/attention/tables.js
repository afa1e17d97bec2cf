// The numbers of the pictures of attention, as tables.

import { STEPS } from "../kit/reads.js";

/** @import AttentionPage from "./page.js" */
/** @import { Numbers } from "../kit/numbers.js" */

/** What the large picture shows: the queries that are drawn, and the keys that each of them sees.
 * @param {AttentionPage} page
 * @returns {Numbers} */
export function largeTable({ large, values }) {
  const { first, rows } = large.box ?? { first: 0, rows: 0 };
  return {
    title: `Weights, ${values.what()}, queries ${first} to ${first + rows - 1}`,
    note: STEPS,
    names: ["query", "token", "key", "key token", "tokens back", "weight", "score"],
    rows: Array.from({ length: rows }, (_, i) => first + i).flatMap((query) =>
      values.offsets(query).map((offset) => {
        const pair = values.pair(query, offset);
        return [...pair.slice(0, 4), offset, ...pair.slice(4)];
      }),
    ),
  };
}

/** The measures of every head; what each one looks at is in the table of the picture beside.
 * @param {AttentionPage} page
 * @returns {Numbers} */
export function headsTable({ table }) {
  const { names, rows } = table.all();
  return { title: "What the heads look at, over the whole text", names, rows };
}
