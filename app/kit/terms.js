// Words of the field, each in a line, where they stand: under the pointer, on a tap, or in focus.

import { closest, el } from "./dom.js";

/** By the word that carries it in `data-term`, or that stands on a badge. */
export const TERMS = {
  theory: "Follows from the model’s shape alone: its window, its layers, its heads. No weight is used.",
  model: "Computed by the running model, from its weights.",
  recorded: "Computed by the model when this text was recorded; nothing runs now.",
  derived: "Computed from the model’s numbers by a formula that stands beside it.",
  "no model": "The model that wrote this text is not here.",
  head:
    "Each layer has several heads. A head is one way of looking back: it spreads a weight of 1 over the " +
    "tokens that it can see and fetches from them accordingly.",
  KV:
    "Of each token a layer keeps a key, by which it is found, and a value, what is fetched from it: two " +
    "lists of numbers. Several heads share one pair of them: that is grouped-query attention.",
  window: "How many tokens a layer can look at, the newest included. What is older has been overwritten.",
  states:
    "What the model knows at a position: a list of numbers that each layer changes. A layer makes its keys " +
    "and values from the states that the layer before has left.",
  edge: "Farther than this nothing can come from: each layer hands it on by at most one window.",
  relays: "No layer sees it from here, but tokens in between do, and what they took up can be handed on.",
  nats: "A change of a probability on a logarithmic scale: 0.01 nats is about 1 % of it, 0.7 nats half or double.",
  KL: "How much a whole prediction has changed: the mean change of the log-probabilities, in nats; 0 = not at all.",
};

/** @typedef {keyof typeof TERMS} Term */

/**
 * A word that can be asked what it means.
 *
 * @param {Term} term
 * @param {string} [text]  that stands there; default: the term
 */
export const term = (term, text = term) => el("span", { "data-term": term, tabindex: "0" }, text);

/**
 * The term that an element names, and what it means; null = none.
 *
 * @param {HTMLElement | SVGElement} node
 */
export function meaning(node) {
  const name = node.dataset.term ?? node.textContent ?? "";
  return name in TERMS ? TERMS[/** @type {Term} */ (name)] : null;
}

/**
 * @typedef {Object} Asked  a picture
 * @property {HTMLElement} root
 * @property {(children: Node[], node: Element) => void} explain
 * @property {(name: string) => HTMLElement} part
 */

/**
 * Words and badges of a picture say what they mean.
 *
 * @param {Asked} picture
 */
export function explainTerms(picture) {
  /** @param {Event} event */
  const say = (event) => {
    const node = closest(event, "[data-term], .mx-badge");
    const text = node && meaning(node);
    if (node && text) picture.explain([el("p", {}, text)], node);
  };
  /** @param {Event} event */
  const end = (event) => {
    if (closest(event, "[data-term], .mx-badge")) picture.part("pop").hidden = true;
  };
  for (const type of ["pointerover", "focusin", "click"]) picture.root.addEventListener(type, say);
  for (const type of ["pointerout", "focusout"]) picture.root.addEventListener(type, end);
}
