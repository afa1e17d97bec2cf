// Two pictures of one kind beside each other on a page, each of its own run: what a hand does in one is done in the
// other too.

/**
 * A picture that can stand beside another one.
 *
 * @typedef {Object} Companion
 * @property {HTMLElement} root
 * @property {unknown} run  null until something has come
 * @property {() => object} shared  how it is looked at, as far as another run can be looked at so
 * @property {(shared: any) => void} follow  looks at its own run so; a hand has not moved it
 * @property {() => void} draw
 */

/** @type {Set<Companion>} */
const pictures = new Set();

/** @param {Companion} picture */
export function join(picture) {
  pictures.add(picture);
}

/** The picture of the page, the first one where two stand beside each other; null = it has none that can be led. */
export function main() {
  for (const picture of pictures) if (picture.root.isConnected && picture.run) return picture;
  return null;
}

/** @param {Companion} picture */
export function part(picture) {
  const other = companion(picture);
  pictures.delete(picture);
  other?.draw();
}

/**
 * The picture that stands beside; null = none does, or it shows nothing yet.
 *
 * @template {Companion} Kind
 * @param {Kind} picture
 * @returns {Kind | null}
 */
export function companion(picture) {
  for (const other of pictures)
    if (other !== picture && other.constructor === picture.constructor && other.root.isConnected && other.run)
      return /** @type {Kind} */ (other);
  return null;
}

/**
 * The picture beside does what this one has just done.
 *
 * @param {Companion} picture
 */
export function lead(picture) {
  const other = companion(picture);
  other?.follow(picture.shared());
}

/**
 * From which position on the texts are different; the shorter one's length where it is the beginning of the other.
 *
 * @param {{ ids: number[], count: number }} one
 * @param {{ ids: number[], count: number }} other
 */
export function parting(one, other) {
  const end = Math.min(one.count, other.count);
  for (let i = 0; i < end; i++) if (one.ids[i] !== other.ids[i]) return i;
  return end;
}

/**
 * The step that a picture is at or on its way to; Infinity = it goes along with the end of a growing text.
 *
 * @param {import("./playhead.js").Playhead} picture
 */
export function heading({ run, t, target }) {
  if (target !== null) return target;
  return run.meta.status === "running" && t >= run.count - 1 ? Infinity : t;
}

/**
 * More of a run has come: the one beside says anew what differs.
 *
 * @param {import("./playhead.js").Playhead} picture
 */
export function grown(picture) {
  const other = companion(picture);
  if (other) tellApart(other);
}

/**
 * A run has come on a picture: it is looked at as the one beside it is, unless a hand or a link put it somewhere.
 *
 * @param {Companion & { moved: boolean }} picture
 */
export function begin(picture) {
  const other = companion(picture);
  if (!other) return;
  if (!picture.moved) picture.follow(other.shared());
  other.draw();
}

/**
 * Says on a picture what differs between its run and the one beside it, at this step.
 *
 * @param {import("./playhead.js").Playhead} picture
 */
export function tellApart(picture) {
  say(picture, (other) => difference(picture, other));
}

/**
 * The line that says what differs, there while another picture stands beside.
 *
 * @template {Companion & { part: (name: string) => HTMLElement }} Kind
 * @param {Kind} picture
 * @param {(other: Kind) => string} words
 */
export function say(picture, words) {
  const other = companion(picture);
  const line = picture.part("apart");
  picture.root.dataset.beside = other ? "1" : "0";
  line.hidden = !other;
  if (other) line.textContent = words(other);
}

/**
 * What differs between the runs of two pictures at the step of the first.
 *
 * @param {import("./playhead.js").Playhead} picture
 * @param {import("./playhead.js").Playhead} other
 */
function difference(picture, other) {
  const { run, t } = picture;
  const from = parting(run, other.run);
  const begins = from === Math.min(run.count, other.run.count); // one may still be on its way
  const same = run.count === other.run.count ? "the same text" : "the same words so far";
  const texts = begins ? same : t < from ? `the same words up to ${from - 1}` : `other words since ${from}`;
  const said = picture.apart(other);
  return said ? `${said} · ${texts}` : texts;
}
