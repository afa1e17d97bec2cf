// What one step reads in every layer, and what a ring holds then, as tables.

/** @typedef {import("./numbers.js").Numbers} Numbers */

/** @typedef {Pick<import("./playhead.js").Playhead, "run" | "t" | "layer" | "head" | "headName">} Moment */

/** How weights come to the browser. */
export const STEPS = "Weights come in steps of 1/65,535: 0 is less than half of that.";

/**
 * A row for each position that theory lets reach the prediction, the nearest first, and a column for each layer.
 *
 * @param {Moment} player
 * @returns {Numbers}
 */
export function readsTable(player) {
  const { run, t, head } = player;
  const layers = Array.from({ length: run.layers }, (_, layer) => layer);
  const first = Math.max(0, t - run.reach);
  const kept = Array.from({ length: Math.min(run.sinks, first) }, (_, i) => i);
  const cone = Array.from({ length: t - first + 1 }, (_, i) => t - i);
  return {
    title: `Weights that step ${t} reads with, ${player.headName()}`,
    note: `Hops: layers that it takes from there (theory). ${STEPS}`,
    names: ["position", "token", "tokens back", "hops", ...layers.map((layer) => `layer ${layer + 1}`)],
    rows: [...cone, ...kept].map((position) => [
      position,
      run.labels[position],
      t - position,
      run.hops(t - position, position),
      ...layers.map((layer) =>
        run.sees(layer, t, position) && run.pattern ? run.weight(t, layer, head, t - position) : null,
      ),
    ]),
  };
}

/**
 * What the slots of one layer's ring hold at a step, and what that step reads of each.
 *
 * @param {Moment} player
 * @returns {Numbers}
 */
export function ringTable(player) {
  const { run, t, layer, head } = player;
  const slots = run.slotsOf(layer);
  const count = Number.isFinite(slots) ? slots : t + 1;
  return {
    title: `Ring of layer ${layer + 1} at step ${t}, weights: ${player.headName()}`,
    note: STEPS,
    names: ["slot", "made at position", "token", "steps ago", "weight", "overwritten by position"],
    rows: Array.from({ length: count }, (_, slot) => {
      const position = Number.isFinite(slots) ? run.held(slot, t, slots) : slot;
      if (position < 0) return [slot, null, "empty", null, null, null];
      const end = run.leaves(position, run.windows[layer]);
      return [
        slot,
        position,
        run.labels[position],
        t - position,
        run.pattern ? run.weight(t, layer, head, t - position) : null,
        Number.isFinite(end) ? end : null,
      ];
    }),
  };
}
