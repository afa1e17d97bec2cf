// The history of the browser: one entry for each page that one comes to, however often the place in it changes.
// Streamlit makes an entry of every change of the address, so that "back" would go through every step.

/**
 * From now on a change of the address within a page replaces the entry of that page.
 *
 * @param {{ pushState: History["pushState"], replaceState: History["replaceState"] }} entries
 * @param {{ href: string }} place  of the browser
 * @param {() => void} changed  is called after each change
 */
export function onePerPage(entries, place, changed = () => {}) {
  const push = entries.pushState.bind(entries);
  entries.pushState = (data, unused, url) => {
    const now = new URL(place.href);
    const to = new URL(url ?? now, now);
    if (to.origin === now.origin && to.pathname === now.pathname) entries.replaceState(data, unused, url);
    else push(data, unused, url);
    changed();
  };
}
