// What a ring of W slots holds, and what would be lost, computed from positions alone.

import { lastIn } from "../kit/windows.js";

/** Positions from `from` up to but without `to`.
 * @param {number} from @param {number} to */
export const span = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

/** What a ring holds after `seen` tokens: slot -> position, -1 = empty. Before its W slots lie those of the kept first
 *  positions.
 * @param {number} seen @param {number} window @param {number} sinks */
export function ringAfter(seen, window, sinks = 0) {
  return span(0, window + sinks).map((slot) => Math.max(lastIn(slot, seen - 1, window + sinks, sinks), -1));
}

/** Keys that a query sees, oldest first.
 * @param {number} query @param {number} window @param {number} sinks */
const seenBy = (query, window, sinks) => {
  const first = Math.max(0, query - window + 1);
  return [...span(0, Math.min(sinks, first)), ...span(first, query + 1)];
};

/** @typedef {ReturnType<typeof chunkPlan>} ChunkPlan */

/** What one chunk does: reads (ring before + chunk), then writes its last W. `doomed`: keys that writing first would
 *  destroy although a query of the chunk may still see them; `missing(q)`: those of one query.
 * @param {number} start @param {number} end without it @param {number} window @param {number} sinks */
export function chunkPlan(start, end, window, sinks = 0) {
  const before = ringAfter(start, window, sinks);
  const after = ringAfter(end, window, sinks);
  const writes = span(start, end).filter((p) => p < sinks || p >= end - window);
  const remaining = new Set(after);
  /** @param {number} query */
  const sees = (query) => seenBy(query, window, sinks);
  /** @param {number} query */
  const missing = (query) => sees(query).filter((p) => !remaining.has(p));
  const doomed = [...new Set(span(start, end).flatMap(missing))].sort((a, b) => a - b);
  return { before, after, writes, sees, missing, doomed };
}

/** The first chunk of a prompt from which writing before reading would take a key that it still needs; 0 = none.
 * @param {number} prompt  tokens @param {number} size  of a chunk @param {number} window  and kept positions */
export function firstLoss(prompt, size, window) {
  const chunk = Math.ceil((window + 1) / size) - 1; // its end is the first beyond the window
  const end = Math.min(prompt, (chunk + 1) * size);
  return end > window && end - chunk * size > 1 ? chunk : 0;
}

/** To choose position t - back + 1 anew its query needs the W - 1 keys before it; a ring that has read up to t lacks
 *  some.
 * @param {number} t @param {number} back @param {number} window @param {number} sinks */
export function rewindPlan(t, back, window, sinks = 0) {
  const from = t - back + 1;
  const needed = back ? seenBy(from, window, sinks).filter((p) => p < from) : [];
  const lost = needed.filter((p) => p >= sinks && p <= t - window);
  return { from, needed, lost, reach: t < window + sinks ? t + 1 : 1 };
}
