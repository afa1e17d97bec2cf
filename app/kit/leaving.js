// A picture that is being left says nothing more.

/** When a link to another page was followed in this tab. */
export const departure = follow({ at: -Infinity });

const LEAVING_MS = 4000;

/** Then a picture says nothing more: Streamlit would take its word for a wish to go back to its page, and break. */
export function leaving() {
  return performance.now() - departure.at < LEAVING_MS;
}

/**
 * Notes when a link to another page is followed, now and from now on.
 *
 * @param {{ at: number }} mark
 */
export function follow(mark) {
  const left = () => {
    mark.at = performance.now();
  };
  addEventListener(
    "click",
    (event) => {
      const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
      if (link?.origin !== location.origin || link.pathname === location.pathname) return;
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) left();
      // A browser opens a tab or a window of its own and this page stays, unless Streamlit follows the link in this tab
      // all the same.
      else
        setTimeout(() => {
          if (event.defaultPrevented) left();
        });
    },
    true,
  );
  addEventListener("popstate", left);
  return mark;
}

/** A picture stands on its page: it may speak again. */
export function arrived() {
  departure.at = -Infinity;
}
