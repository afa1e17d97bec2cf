// Elements of the page; text only ever arrives as text nodes, never as markup.

/** @typedef {string | number | boolean | null | undefined | ((event: Event) => void)} Attribute */
/** @typedef {Node | string | null | undefined} Child */

/**
 * An element with attributes and children; text only ever arrives as text nodes, never as markup. An attribute `on…`
 * is a listener; one that is null, undefined or false is left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} attributes
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * The innermost element with this selector in which something happened.
 *
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | SVGElement | null}
 */
export function closest(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}

/**
 * The pen of a canvas; every browser that runs this program has one.
 *
 * @param {HTMLCanvasElement} canvas
 */
export function penOf(canvas) {
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("This browser cannot draw on a canvas.");
  return pen;
}

/**
 * A coloured sample and what it stands for.
 *
 * @param {string} look  the sample's class
 * @param {Child[]} words
 */
export function legend(look, ...words) {
  return el("span", { class: "mx-entry" }, el("i", { class: `mx-key ${look}` }), ...words);
}

/**
 * Samples with a space between them, so that they are apart where they are read or copied too.
 *
 * @param {Node[]} nodes
 * @returns {(Node | string)[]}
 */
export const apart = (nodes) => nodes.flatMap((node, i) => (i ? [" ", node] : [node]));

/**
 * A segmented control: radio buttons in behaviour, arrow keys included.
 *
 * @template {string} Value
 * @param {HTMLElement} host
 * @param {[Value, string, string?][]} options  values, what stands on their buttons, and the term that explains it
 * @param {Value | null} chosen
 * @param {(value: Value) => void} onPick
 */
export function segmented(host, options, chosen, onPick) {
  const same = host.dataset.options === JSON.stringify(options);
  if (!same) {
    host.dataset.options = JSON.stringify(options);
    host.replaceChildren(
      ...options.map(([value, label, term]) =>
        el(
          "button",
          { type: "button", role: "radio", "data-value": value, "data-term": term, onclick: () => onPick(value) },
          label,
        ),
      ),
    );
    host.onkeydown = (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (!step) return;
      event.stopPropagation();
      event.preventDefault();
      const values = options.map(([value]) => value);
      const now = options.findIndex(([value]) => value === host.dataset.chosen);
      const next = values[(now + step + values.length) % values.length];
      onPick(next);
      /** @type {HTMLElement | null} */ (host.querySelector(`[aria-checked="true"]`))?.focus();
    };
  }
  host.dataset.chosen = String(chosen);
  for (const button of host.querySelectorAll("button")) {
    const on = button.dataset.value === String(chosen);
    button.setAttribute("aria-checked", String(on));
    button.tabIndex = on ? 0 : -1;
  }
}
