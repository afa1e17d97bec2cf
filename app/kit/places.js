// Where the eye was put in each run, so that the next page opens there.

import { leaving } from "./leaving.js";

/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./types.js").At} At */
/**
 * Where the eye was put in a run.
 *
 * @typedef {Object} Stay
 * @property {number} t
 * @property {number} layer
 * @property {number} head  -1 = the mean of the heads
 * @property {number | null} target  position that a link asked for; null = none
 * @property {boolean} end  whether it is the end of the text, which may grow
 * @property {string} [reported]  the `spot` that Python knows; absent = none
 */
/**
 * What of a picture is put somewhere.
 *
 * @typedef {Object} Placed
 * @property {{ id: string, count: number, layers: number, middle: number, meta: { mode: "start" | "desk" } }} run
 * @property {number} t
 * @property {number} layer
 * @property {number} head
 * @property {number | null} target
 * @property {boolean} moved  whether a hand or a link has put it somewhere
 * @property {(t: number, layer: number, head: number) => void} goQuietly
 * @property {() => void} settle  says the place to Python, after a rest
 */

/** @type {Map<string, Stay>} by run, on whichever page of this tab: the programs of all pictures share it */
const places = new Map();

/** @type {(place: { t: number, layer: number, head?: number }) => string} */
export const spot = ({ t, layer, head }) => [t, layer, head ?? -1].join();

/**
 * The place to open a run at; null = nobody chose one.
 *
 * @param {string} id
 * @param {Place | null} at  from a link, or a page that answers from Python: it may be newer
 * @returns {Stay | null}
 */
export function placeOf(id, at) {
  const known = places.get(id);
  if (!at || known?.reported === spot(at)) return known ?? null;
  const place = { t: at.t, layer: at.layer, head: at.head, target: at.t ?? null, end: false, reported: spot(at) };
  places.set(id, place);
  return place;
}

/**
 * Where a run opens that nobody has looked at, the same on every page: at the end while it grows; a finished one where
 * its prompt is over and a word has left all rings.
 *
 * @param {{ count: number, total: number, windows: number[], meta: { n_prompt: number } }} run
 * @param {string} status  of the run
 */
export function firstStep({ count, total, windows, meta }, status) {
  const largest = Math.max(...windows);
  const step = Number.isFinite(largest) ? Math.max(2 * largest - 2, meta.n_prompt + 4) : meta.n_prompt + 4;
  return status === "running" ? count - 1 : Math.min(total - 1, step);
}

/**
 * Where a hand put the eye just before its page was left, too soon for Python to hear of it; null = nowhere.
 *
 * @param {string} id
 */
export function unreported(id) {
  const place = places.get(id);
  return place && !place.end && spot(place) !== place.reported ? place : null;
}

/**
 * A position of a long text that is still on its way, to be gone to when it has come; null = it is here.
 *
 * @param {{ count: number }} run
 * @param {number} t
 */
export const coming = ({ count }, t) => (t >= count ? t : null);

/**
 * Puts a picture there; what Python has not heard yet (the page was left too soon) it hears now.
 *
 * @param {Placed} picture
 * @param {Stay} place
 */
export function takePlace(picture, place) {
  const { run } = picture;
  const last = run.count - 1;
  const t = place.end ? Math.min(last, place.target ?? Infinity) : (place.t ?? last);
  picture.goQuietly(t, place.layer ?? run.middle, place.head ?? -1);
  picture.target = place.target ?? coming(run, t);
  picture.moved = true;
  if (unreported(run.id)) picture.settle();
}

/**
 * Puts a picture where its run is opened: where the visitor was on the page before, else as it was left here, else at
 * the first step that is worth seeing.
 *
 * @param {Placed & { run: Parameters<typeof firstStep>[0] }} picture
 * @param {{ at: Place | null, status: string }} header
 * @param {{ t: number, end: boolean, layer: number, head: number, target: number | null } | undefined} view
 * @param {number} head  that is chosen at first
 */
export function openAt(picture, { at, status }, view, head) {
  const { run } = picture;
  const place = placeOf(run.id, at);
  if (place) takePlace(picture, place);
  else if (view) {
    picture.goQuietly(view.end ? Math.min(run.count - 1, view.target ?? Infinity) : view.t, view.layer, view.head);
    picture.target = view.target;
  } else {
    const step = firstStep(run, status);
    picture.goQuietly(step, run.middle, head);
    picture.target = coming(run, step);
  }
}

/**
 * Notes where a picture is, once a hand or a link has put it somewhere.
 *
 * @param {Placed} picture
 */
export function keepPlace(picture) {
  const { run, t, layer, head, target } = picture;
  if (!picture.moved || run.meta.mode === "start") return;
  places.set(run.id, { ...places.get(run.id), t, layer, head: Math.max(head, -1), target, end: t >= run.count - 1 });
}

/**
 * The place as Python is told of it, which writes it into the address; null while nobody would hear it: the next page
 * says it.
 *
 * @param {Placed} picture
 * @returns {At | null}
 */
export function reportedPlace(picture) {
  if (leaving()) return null;
  const { run, t, layer, head, target } = picture;
  const at = { run: run.id, t: Math.max(t, target ?? 0), layer, head: Math.max(head, -1) }; // there soon, if not yet
  const known = places.get(run.id);
  if (known) known.reported = spot(at);
  return at;
}
