// Opens an address of this session, as if one came back to it.

const LOOK_MS = 300;
const LOOKS = 20; // for six seconds
let newest = 0; // of what was opened: only that is watched

/** As if one came back to an address.
 * @param {string} [href]  default: the one that stands there */
export function comeBack(href) {
  if (href !== undefined) history.pushState(null, "", href);
  dispatchEvent(new PopStateEvent("popstate"));
}

/**
 * Opens it again where the page that was left puts its own address back: a script that was still at work when the
 * address changed ends with the one that it knew, and Streamlit then asks for that.
 *
 * @param {string} href
 */
export function openHere(href) {
  const from = location.href;
  const mine = ++newest;
  let left = LOOKS;
  /** @type {(event: PopStateEvent) => void} the visitor goes back by hand: that holds */
  const byHand = ({ isTrusted }) => {
    if (isTrusted) left = 0;
  };
  const look = () => {
    left = mine === newest ? left - 1 : 0;
    if (left > 0 && location.href === from) comeBack(href);
    if (left > 0) setTimeout(look, LOOK_MS);
    else removeEventListener("popstate", byHand);
  };
  addEventListener("popstate", byHand);
  comeBack(href);
  setTimeout(look, LOOK_MS);
}
