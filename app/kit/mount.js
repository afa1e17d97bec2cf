// The entry of every picture: Streamlit calls it with each payload. The payload names its picture; the program of that
// picture and its look are fetched once, and a View stays for each place in the page.

import { onePerPage } from "./history.js";
import { arrived } from "./leaving.js";
import { lookOf } from "./look.js";
import { noteAddress } from "./visit.js";
import { unpack } from "./wire.js";

/**
 * What Streamlit calls the entry with.
 *
 * @typedef {Object} Component
 * @property {HTMLElement | ShadowRoot} parentElement
 * @property {unknown} data  the payload's bytes
 * @property {(name: string, value: unknown) => void} setStateValue
 * @property {(name: string, value: unknown) => void} setTriggerValue
 */
/** @typedef {{ markup: string, style: string }} Look */
/**
 * A picture on the page.
 *
 * @typedef {Object} View
 * @property {HTMLElement} root
 * @property {Component | undefined} component
 * @property {(payload: import("./wire.js").Payload) => void} take
 * @property {() => void} dispose
 */
/** @typedef {{ View: new (host: HTMLElement | ShadowRoot, look: Look) => View, look: Look }} Program */

onePerPage(history, location, () => noteAddress(sessionStorage, location.search));
noteAddress(sessionStorage, location.search);

/** @type {Map<string, Promise<Program>>} by picture */
export const programs = new Map();
/** @type {Map<Node, { view?: View, bytes?: Uint8Array }>} by place in the page, what stands there and took last */
const places = new Map();

/**
 * @param {string} picture
 * @returns {Promise<Program>}
 */
async function fetched(picture) {
  const [program, look] = await Promise.all([import(`../${picture}/page.js`), lookOf(picture)]);
  return { View: program.default, look };
}

/** @param {string} picture */
export function programOf(picture) {
  const known = programs.get(picture) ?? fetched(picture);
  programs.set(picture, known);
  known.catch(() => programs.delete(picture)); // the next payload tries again
  return known;
}

/**
 * Payloads of one place are taken in the order in which they came, the first ones once the program is there.
 *
 * @param {Component} component
 */
async function render(component) {
  const host = component.parentElement;
  const bytes = component.data;
  if (!(bytes instanceof Uint8Array) || bytes.length < 8) return;
  const payload = unpack(bytes);
  const { View, look } = await programOf(payload.header.picture);
  if (!host.isConnected) return;
  const place = places.get(host) ?? {};
  places.set(host, place);
  if (!place.view?.root.isConnected) {
    place.view?.dispose();
    place.view = new View(host, look);
    arrived(payload.header.picture);
  }
  const { view } = place;
  view.component = component;
  if (place.bytes !== bytes) view.take(payload);
  place.bytes = bytes;
}

/**
 * @param {Component} component
 * @param {Error} error
 */
function failed(component, error) {
  const box = component.parentElement.querySelector(".mx-host");
  if (box && !box.childElementCount)
    box.textContent = `The picture cannot be shown (${error.message}). Load the page again.`;
  throw error;
}

/** @param {Component} component */
export default function mount(component) {
  const host = component.parentElement;
  // Where two payloads come close upon each other, Streamlit may call us with the older one last, or clean up after it
  // while the newer one is shown in the same place. An outdated call is cleaned up after at once: so it is waited for
  // that, and only a place that has left the page is let go.
  const timer = setTimeout(() => render(component).catch((error) => failed(component, error)));
  return () => {
    clearTimeout(timer);
    setTimeout(() => {
      if (host.isConnected) return;
      places.get(host)?.view?.dispose();
      places.delete(host);
    });
  };
}
