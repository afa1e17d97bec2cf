// The entry of every picture: Streamlit calls it with each payload. The payload names its picture; the program of that
// picture and its look are fetched once, and a View is kept for each place in the page.

import { arrived } from "./leaving.js";
import { lookOf } from "./look.js";
import { unpack } from "./wire.js";

/** By picture, a promise of its program and its look. */
export const programs = new Map();
/** By place in the page, the View that is shown there and the bytes that it took last. */
const places = new Map();

async function fetched(picture) {
  const [program, look] = await Promise.all([import(`../${picture}/page.js`), lookOf(picture)]);
  return { View: program.default, look };
}

function programOf(picture) {
  const known = programs.get(picture) ?? fetched(picture);
  programs.set(picture, known);
  known.catch(() => programs.delete(picture)); // the next payload tries again
  return known;
}

/** Payloads of one place are taken in the order in which they came, the first ones once the program is there. */
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
    arrived();
  }
  place.view.component = component;
  if (place.bytes !== bytes) place.view.take(payload);
  place.bytes = bytes;
}

function failed(component, error) {
  const box = component.parentElement.querySelector(".mx-host");
  if (box && !box.childElementCount)
    box.textContent = `The picture cannot be shown (${error.message}). Load the page again.`;
  throw error;
}

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
