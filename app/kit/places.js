// Where the eye was put in each run, so that the next page opens there.

import { leaving } from "./leaving.js";

/** Where the eye was put in each run, on whichever page of this tab: the programs of all pictures share it. */
const places = new Map();

export const spot = ({ t, layer, head }) => [t, layer, head ?? -1].join();

/** The place to open a run at; null = nobody chose one. A link, or a page that answers from Python, may know a newer one. */
export function placeOf(id, at) {
  const known = places.get(id);
  if (!at || known?.told === spot(at)) return known ?? null;
  const place = { t: at.t, layer: at.layer, head: at.head, target: at.t ?? null, end: false, told: spot(at) };
  places.set(id, place);
  return place;
}

/** Where a hand put the eye just before its page was left, too soon for Python to hear of it; null = nowhere. */
export function unheard(id) {
  const place = places.get(id);
  return place && !place.end && spot(place) !== place.told ? place : null;
}

/** Puts a picture there; what Python has not heard yet (the page was left too soon) it hears now. */
export function takePlace(picture, place) {
  const { run } = picture;
  const last = run.count - 1;
  picture.goQuietly(
    place.end ? Math.min(last, place.target ?? Infinity) : (place.t ?? last),
    place.layer ?? Math.floor(run.layers / 2),
    place.head ?? -1,
  );
  Object.assign(picture, { target: place.target ?? null, moved: true });
  if (unheard(run.id)) picture.settle();
}

/** Notes where a picture is, once a hand or a link has put it somewhere. */
export function keepPlace(picture) {
  const { run, t, layer, head, target } = picture;
  if (!picture.moved || run.meta.mode === "start") return;
  places.set(run.id, { ...places.get(run.id), t, layer, head: Math.max(head, -1), target, end: t >= run.count - 1 });
}

/** Tells Python, which writes it into the address. */
export function sayPlace(picture) {
  if (leaving()) return; // nobody would hear it: the next page says it
  const { run, t, layer, head } = picture;
  const value = { run: run.id, t, layer, head: Math.max(head, -1) };
  const known = places.get(run.id);
  if (known) known.told = spot(value);
  picture.emitNew("at", value);
}
