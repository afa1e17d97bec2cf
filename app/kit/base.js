// Small helpers shared by every part of the player. The files of this folder are joined in the order
// that player.py names; they share one module scope, and only the last one exports.

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** An element with attributes and children; text only ever arrives as text nodes, never as markup. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A coloured sample and what it stands for; `look` is the sample's class. */
function legend(look, ...words) {
  return el("span", { class: "mx-entry" }, el("i", { class: `mx-key ${look}` }), ...words);
}

/** Two significant digits, and never a rounded 0 % or 100 %: `theme.percent` in JavaScript. */
function percent(share) {
  if (!Number.isFinite(share)) return "–";
  if (share === 0 || share === 1) return `${share * 100} %`;
  if (share < 1e-4) return "<0.01 %";
  if (share > 0.999) return ">99.9 %";
  return `${(share * 100).toFixed(share >= 0.0995 ? 0 : share >= 0.00995 ? 1 : 2)} %`;
}

const thousands = new Intl.NumberFormat("en-US");
const grouped = (number) => thousands.format(Math.round(number));
const plural = (n, one, many) => `${grouped(n)} ${n === 1 ? one : (many ?? one + "s")}`;
const shorten = (text, length) => (text.length > length ? text.slice(0, Math.max(1, length - 1)) + "…" : text);
const quoted = (text) => `“${text}”`;

/** Runs `action` at most once per `wait` ms; the last call is never lost. */
function throttled(action, wait) {
  let timer = null;
  let last = 0;
  return (...values) => {
    clearTimeout(timer);
    const due = last + wait - performance.now();
    const fire = () => {
      last = performance.now();
      action(...values);
    };
    if (due <= 0) fire();
    else timer = setTimeout(fire, due);
  };
}

function settled(action, wait) {
  let timer = null;
  const call = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

function rgb(colour) {
  const hex = colour.trim().replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

const mixed = new Map();

/** The colour over the ground with opacity `share` (in steps of 1/255), as an opaque colour; asked for thousands of times a picture. */
function blend(ground, colour, share) {
  const pair = ground + colour;
  if (!mixed.has(pair)) mixed.set(pair, []);
  const shades = mixed.get(pair);
  const level = Math.round(share * 255);
  return (shades[level] ??= mix(ground, colour, level / 255));
}

function mix(ground, colour, share) {
  const below = rgb(ground);
  const above = rgb(colour);
  return `rgb(${below.map((value, i) => Math.round(value + (above[i] - value) * share)).join(" ")})`;
}

const ruler = document.createElement("canvas").getContext("2d");

/** The text, cut with an ellipsis where it would be wider than `width` px in this font. */
function fit(text, width, font) {
  ruler.font = font;
  if (ruler.measureText(text).width <= width) return text;
  const letters = [...text];
  while (letters.length > 1 && ruler.measureText(`${letters.join("")}…`).width > width) letters.pop();
  return `${letters.join("")}…`;
}

/** Black or white, whichever reads better on an opaque `rgb(r g b)`: one of them always has 4.5:1. */
function inkOn(fill) {
  const linear = fill
    .match(/\d+/g)
    .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? "#000000" : "#FFFFFF";
}

/** Attention weights are mostly small; the square root keeps them apart and 0 at 0, 1 at 1. */
const shade = (weight) => Math.sqrt(clamp(weight, 0, 1));

/** A segmented control: radio buttons in behaviour, arrow keys included. */
function segmented(host, options, chosen, onPick) {
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
