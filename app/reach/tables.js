// The numbers of the state grid and of the bars below it, as one table.

import { rowName } from "../kit/format.js";

/** @import ReachPage from "./page.js" */
/** @import { Numbers } from "../kit/numbers.js" */

/** @typedef {import("./types.js").ChoiceHeader} Choice */
/** @type {Record<Choice["reading"], (ends: { source: number, target: number }) => string>} */
const TITLES = {
  forward: ({ source }) => `What a change of position ${source} moves`,
  backward: ({ target }) => `What the prediction after position ${target} depends on`,
  corridor: ({ source, target }) => `What passes from position ${source} to ${target}`,
};

/** A row for each position that theory allows somewhere, a column for each state.
 * @param {ReachPage} page
 * @returns {Numbers | null} */
export function reachTable({ reading, hidden }) {
  if (!reading || hidden) return null;
  const { run, network, choice, arrays, back } = reading;
  const states = Array.from({ length: network.layers + 1 }, (_, row) => row);
  const inside = run.labels.map((_, p) => p).filter((p) => states.some((row) => reading.within(row, p)));
  const title = TITLES[choice.reading](choice);
  const { before, after } = arrays;
  const words = before?.length && after && reading.fresh ? { before, after } : null;
  return {
    title: reading.fresh ? title : `${title}; not measured yet`,
    names: [
      ...["position", "token", back ? "influence" : "KL of the prediction, nats"],
      ...states.map((row) => `${rowName(row)}, relative change`),
      ...(words ? ["probability of the word that follows", "with the change"] : []),
    ],
    rows: inside.map((position) => [
      ...[position, run.labels[position], reading.fresh ? reading.below(position) : null],
      ...states.map((row) => (reading.within(row, position) ? reading.value(row, position) : null)),
      ...(words ? [words.before[position] ?? null, words.after[position] ?? null] : []),
    ]),
  };
}
