// Keys that a whole page hears; those that are typed into a field, or that belong to the browser, are not its own.

/**
 * @param {HTMLElement} root
 * @param {(key: string) => boolean} act  does what a key is for; whether it is one of the page's
 */
export function hearKeys(root, act) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (act(event.key)) event.preventDefault();
  });
}
