// The presenter's switch: everything a third larger, for a projector. It holds for the browser, on every page and
// after a reload; assets/larger.html sets it before anything is drawn.

const KEY = "mistral-explorer-larger";
const LARGER = "133.33%";

export const isLarger = () => document.documentElement.style.fontSize === LARGER;

/** @param {boolean} on */
export function setLarger(on) {
  document.documentElement.style.fontSize = on ? LARGER : "";
  try {
    localStorage.setItem(KEY, on ? "1" : "0");
  } catch {
    // a browser that keeps nothing forgets it at the next reload
  }
}
