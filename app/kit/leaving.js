// A picture that is being left says nothing more.

/**
 * A link to another page was followed in this tab.
 *
 * @typedef {Object} Departure
 * @property {number} at  when, in milliseconds
 * @property {string} to  which page it leads to
 */

export const departure = follow({ at: -Infinity, to: "" });

const LEAVING_MS = 4000;

/** Then a picture says nothing more: Streamlit would take its word for a wish to go back to its page, and break. */
export function leaving() {
  return performance.now() - departure.at < LEAVING_MS;
}

let sending = 0;

/** A picture said something: Streamlit sends it in the next task, after which nothing of it is on its way. */
export function said() {
  sending += 1;
  setTimeout(() => {
    sending -= 1;
  });
}

/**
 * A link is followed when what was said before is sent: behind the link's own message it would lead back.
 *
 * @param {MouseEvent} event
 */
function heldUntilSent(event) {
  if (!sending) return false;
  const { target } = event;
  event.preventDefault();
  event.stopImmediatePropagation();
  setTimeout(() => target?.dispatchEvent(new MouseEvent("click", event)));
  return true;
}

/**
 * The page at an address; the first page has no name of its own there.
 *
 * @param {{ pathname: string }} address
 */
const pageAt = ({ pathname }) => pathname.split("/").at(-1) || "start";

/**
 * Notes when a link to another page is followed, now and from now on.
 *
 * @param {Departure} mark
 */
export function follow(mark) {
  /** @param {{ pathname: string }} address */
  const left = (address) => {
    mark.at = performance.now();
    mark.to = pageAt(address);
  };
  addEventListener(
    "click",
    (event) => {
      const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
      if (link?.origin !== location.origin) return;
      // The address follows when the next page is there; until then a link to the page that is shown leads back to it.
      if (link.pathname === location.pathname && !leaving()) return;
      if (heldUntilSent(event)) return;
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) left(link);
      // A browser opens a tab or a window of its own and this page stays, unless Streamlit follows the link in this tab
      // all the same.
      else
        setTimeout(() => {
          if (event.defaultPrevented) left(link);
        });
    },
    true,
  );
  addEventListener("popstate", () => left(location));
  return mark;
}

/** Of a picture that has no page of its own, the page on which it stands.
 * @type {Record<string, string>} */
const STANDS_ON = { residual: "inside_a_block", museum: "break_it" };

/**
 * A picture stands on its page: it may speak again, unless the way leads elsewhere. The picture of the page that is
 * being left may come late, after the link was followed.
 *
 * @param {string} picture
 */
export function arrived(picture) {
  if ((STANDS_ON[picture] ?? picture) === departure.to) departure.at = -Infinity;
}
