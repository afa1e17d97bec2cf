// The numbers of the pictures of shared heads, as tables.

import { STEPS } from "../kit/reads.js";

/** @import SharedHeadsPage from "./page.js" */
/** @import { Numbers } from "../kit/numbers.js" */

/** The keys in sight of the chosen token: what each head of the layer gives them, and the key and value of the group.
 * @param {SharedHeadsPage} page
 * @returns {Numbers} */
export function groupTable({ run, t, layer, kv }) {
  const heads = Array.from({ length: run.meta.model.n_heads }, (_, head) => head);
  const numbers = run.hasKv(layer) ? Array.from({ length: run.meta.beside.head_dim }, (_, i) => i) : [];
  return {
    title: `Layer ${layer + 1} at position ${t}: the weights of all heads, and what K/V head ${kv + 1} holds`,
    note: STEPS,
    names: [
      ...["position", "token", "tokens back"],
      ...heads.map((head) => `head ${head + 1} (K/V ${run.kvOf(head) + 1})`),
      ...numbers.map((i) => `key ${i}`),
      ...numbers.map((i) => `value ${i}`),
    ],
    rows: run
      .inSight(t, layer)
      .map((key) => [
        ...[key, run.labels[key], t - key],
        ...heads.map((head) => (run.byHead(layer) ? run.weight(t, layer, head, t - key) : null)),
        ...(numbers.length ? (run.vector("keys", key, layer, kv) ?? []) : []),
        ...(numbers.length ? (run.vector("values", key, layer, kv) ?? []) : []),
      ]),
  };
}

/** What every head fetches without the key/value head that was taken away.
 * @param {SharedHeadsPage} page
 * @returns {Numbers | null} */
export function movedTable({ run, t, away }) {
  const known = away.measured();
  if (!known) return null;
  const { n_layers: layers, n_heads: heads } = run.meta.model;
  const { layer, kv_head: kv } = known.facts;
  return {
    title: `Without K/V head ${kv + 1} of layer ${layer + 1}, at position ${Math.min(t, known.count - 1)}`,
    names: ["layer", "head", "reads K/V head", "relative change of what it fetches"],
    rows: Array.from({ length: layers * heads }, (_, i) => [Math.floor(i / heads), i % heads]).map(([one, head]) => [
      ...[one + 1, head + 1, run.kvOf(head) + 1, away.moved(known, one, head)],
    ]),
  };
}
