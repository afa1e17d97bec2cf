// The numbers of the rings, as tables; that of one layer is `kit/reads.js`.

import { ringTable, STEPS } from "../kit/reads.js";

/** @import RingPage from "./page.js" */
/** @import { Numbers } from "../kit/numbers.js" */

/** The rings of all layers, one under the other.
 * @param {RingPage} page
 * @returns {Numbers} */
export function allTable(page) {
  const { run, t, head } = page;
  const layers = Array.from({ length: run.layers }, (_, layer) => ({
    layer,
    ...ringTable({ run, t, layer, head, headName: () => page.headName() }),
  }));
  return {
    title: `Rings of all layers at step ${t}, weights: ${page.headName()}`,
    note: STEPS,
    names: ["layer", ...layers[0].names],
    rows: layers.flatMap(({ layer, rows }) => rows.map((row) => [layer + 1, ...row])),
  };
}

/** The key and the value in the slot that is open, those of each key/value head.
 * @param {RingPage} page
 * @returns {Numbers | null} */
export function slotTable(page) {
  const { run, layer } = page;
  const position = page.held();
  const heads = Array.from({ length: run.meta.model.n_kv_heads }, (_, i) => i);
  const kinds = /** @type {const} */ (["keys", "values"]);
  const vectors = heads.flatMap((group) => kinds.map((kind) => run.vector(kind, position, layer, group)));
  const [first] = vectors;
  if (!first) return null;
  return {
    title: `Slot ${page.slot()} of layer ${layer + 1}: key and value made at position ${position}`,
    names: ["i", ...heads.flatMap((group) => [`K${group + 1}`, `V${group + 1}`])],
    rows: Array.from(first, (_, i) => [i, ...vectors.map((vector) => vector?.[i] ?? null)]),
  };
}
