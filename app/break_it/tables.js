// The numbers of the map of parts and of the bars under the text, as tables.

/** @import BreakPage from "./page.js" */
/** @import { Numbers } from "../kit/numbers.js" */

/** Every part of the map, knocked out alone.
 * @param {BreakPage} page
 * @returns {Numbers | null} */
export function mapTable({ run, mapped, manner }) {
  if (!mapped) return null;
  const columns = manner.by;
  const { target } = run.meta.choice;
  const one = columns === "heads" ? "head" : "K/V group";
  return {
    title: `Without one part: the prediction after position ${target}`,
    names: ["layer", "part", "change of the log-probability, nats", "KL, nats"],
    rows: Array.from({ length: run.layers }, (_, layer) => layer).flatMap((layer) => [
      ...Array.from({ length: run.columns(columns) }, (_, i) => [
        ...[layer + 1, `${one} ${i + 1}`, run.change(columns, layer, i), run.kl(columns, layer, i)],
      ]),
      [layer + 1, "MLP", run.change("mlps", layer, 0), run.kl("mlps", layer, 0)],
    ]),
  };
}

/** Every prediction, with what is changed now.
 * @param {BreakPage} page
 * @returns {Numbers | null} */
export function klTable({ run, laid }) {
  const { kl } = run.arrays;
  if (!laid || !kl) return null;
  return {
    title: "Change of every prediction",
    names: ["position", "token", "KL, nats"],
    rows: run.labels.map((label, position) => [position, label, kl[position]]),
  };
}
