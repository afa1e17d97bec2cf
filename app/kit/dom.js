// Elements of the page; text only ever arrives as text nodes, never as markup.

/** An element with attributes and children; text only ever arrives as text nodes, never as markup. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A coloured sample and what it stands for; `look` is the sample's class. */
export function legend(look, ...words) {
  return el("span", { class: "mx-entry" }, el("i", { class: `mx-key ${look}` }), ...words);
}

/** A segmented control: radio buttons in behaviour, arrow keys included. */
export function segmented(host, options, chosen, onPick) {
  const same = host.dataset.options === JSON.stringify(options);
  if (!same) {
    host.dataset.options = JSON.stringify(options);
    host.replaceChildren(
      ...options.map(([value, label]) =>
        el("button", { type: "button", role: "radio", "data-value": value, onclick: () => onPick(value) }, label),
      ),
    );
    host.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.stopPropagation();
      event.preventDefault();
      const values = options.map(([value]) => value);
      const now = values.indexOf(host.dataset.chosen);
      const next = values[(now + step + values.length) % values.length];
      onPick(next);
      host.querySelector(`[aria-checked="true"]`)?.focus();
    };
  }
  host.dataset.chosen = chosen;
  for (const button of host.children) {
    const on = button.dataset.value === String(chosen);
    button.setAttribute("aria-checked", on);
    button.tabIndex = on ? 0 : -1;
  }
}
