// Words of the field, each in a line, where they stand: under the pointer, on a tap, or in focus.

import { closest, el } from "./dom.js";

/** By the word that carries it in `data-term`, or that stands on a badge. */
export const TERMS = {
  theory: "Follows from the model’s shape alone: its window, its layers, its heads. No weight is used.",
  model: "Computed by the running model, from its weights.",
  recorded: "Computed by the model when this text was recorded; nothing runs now.",
  derived: "Computed from the model’s numbers by a formula that stands beside it.",
  published: "From a paper, a configuration or a public thread, whose name stands beside it.",
  "no model": "The model that wrote this text is not here.",
  head:
    "Each layer has several heads. A head is one way of looking back: it spreads a weight of 1 over the " +
    "tokens that it can see and fetches from them accordingly.",
  KV:
    "Of each token a layer keeps a key, by which it is found, and a value, what is fetched from it: two " +
    "lists of numbers. Several heads share one pair of them: that is grouped-query attention.",
  window: "How many tokens a layer can look at, the newest included. What is older has been overwritten.",
  slot:
    "A slot is a place of the ring that is used again and again. Its number is what is left when the position is " +
    "divided by the window (mod): with 16, position 35 goes to slot 3.",
  "K,V": "Key and value; @16 = made when the token at position 16 was read.",
  sideways: "From one token to another: only attention does that; the rest of a layer works on each token alone.",
  states:
    "What the model knows at a position: a list of numbers that each layer changes. A layer makes its keys " +
    "and values from the states that the layer before has left.",
  row:
    "A row of the state grid: 0 = the embeddings, 1 = what the first layer has left, and so on. The next layer works " +
    "with what stands in it.",
  edge:
    "Farther than this nothing can come from: a layer sees its window, which counts the token itself, so it hands on " +
    "by one token less.",
  relays: "No layer sees it from here, but tokens in between do, and what they took up can be handed on.",
  nats: "A change of a probability on a logarithmic scale: 0.01 nats is about 1 % of it, 0.7 nats half or double.",
  "ln p": "The natural logarithm of a probability: it falls by 0.7 when the probability is halved.",
  entropy:
    "How spread the weights are, in bits: 0 = all on one token, 1 = as on two alike, 4 = as on sixteen alike. " +
    "Its highest value is log2 of the window.",
  sink:
    "Heads that need nothing put their weight on the first token, with most models a mark of the begin that means " +
    "nothing. Of a layer with a window only the first W tokens can see it.",
  oldest: "Weight on the last token that the window still holds.",
  previous: "Weight on the token just before.",
  distance: "How far back a head looks: the mean distance, by weight.",
  induction:
    "The same token came before, and this head looks at what followed it then: the way in which models repeat what " +
    "they have read.",
  rollout:
    "The weights of all layers multiplied: each layer counts half for what it looks at and half for what was there. " +
    "An estimate of where something came from; Reach measures it.",
  mean: "The average over all layers and heads.",
  max: "The largest weight that any layer and head gives.",
  "square root":
    "The colour follows the square root of the weight, so that small weights can be seen: 4 % is a fifth of full blue.",
  query: "The token that looks back. What it asks for is compared with the key of each token in its window.",
  masked: "Out of the window or still to come: it is taken out before the weights are made.",
  chunk:
    "A prompt need not be read word by word: it is cut into chunks, and all tokens of a chunk are read at once. " +
    "Inside, each still looks back only.",
  relative:
    "A state is a list of numbers. How far the swap moves it, compared with how long it is: 1 = by as much as " +
    "itself, 0.001 = by a thousandth. What becomes of the next word stands below.",
  rank: "1 = the word that the model thought likeliest, 2 = the next one, and so on through its whole vocabulary.",
  bits: "How undecided the model is: 0 = certain, 1 = between two words, 2 = four, 3 = eight, if equally likely.",
  embedding: "The first state of a token: a list of numbers, looked up by its id, before any layer.",
  kept: "The first tokens of the text stay visible to every later one, beside the window: attention sinks.",
  hops:
    "A hop is one layer handing something on, from the farthest token of its window at most. In the text, |2 stands " +
    "where what two layers can hand on begins.",
  band: "Each row is a token that looks back; across stands how far. All rows begin at the token itself.",
  triangle: "Each row is a token that looks back; across stands at which token it looks. Half is empty: the future.",
  passing:
    "How much of the change of the next word’s log-probability comes through this place; each row adds up to it.",
  probability: "Bluer = the model thought this word likelier before it came.",
  corridor: "What gets from one word to one prediction, and through which places.",
  forward: "One word is swapped: which later states and predictions change?",
  backward: "One prediction is chosen: how much does each earlier word matter to it?",
  cut: "Attention from one place is taken away, to see what still arrives.",
  temperature: "Below 1 the likely words become likelier, above 1 all become more alike; 0 = always the likeliest.",
  "top-k": "Only the k likeliest words may be drawn.",
  "top-p": "Only the likeliest words that together reach this probability may be drawn.",
  "min-p": "Words below this share of the likeliest one’s probability may not be drawn.",
  repetition: "Words that stood in the text before are made less likely.",
  unsaid: "Words of a short list are never completed here: see Models.",
  stream:
    "The residual stream: one list of numbers for each word, to which every layer adds. What the model knows of a " +
    "word on its way is in it.",
  turned:
    "RoPE: pairs of a key’s numbers are turned by an angle that grows with the position, so that a " +
    "comparison knows how far apart two tokens are.",
  parts: "Each cell’s share of the change of the next word; the frame is round the largest of its row.",
  "knocked out": "A part that is silent adds nothing to what the model knows (zero), or the same everywhere: its mean.",
  MLP: "The feed-forward part of a layer: it works on each token alone, with what attention has brought.",
  "distance limit":
    "In every layer, keys further back than this are taken away, and the weights that are left sum to 1 again: " +
    "as if the window were smaller.",
  influence:
    "By how much the logarithm of the next word’s probability would move if this place were changed by as much as " +
    "it is large, going by the slope here: 0.001 = too little to notice, 1 = it is another prediction.",
  lens:
    "The logit lens: the state is read as if it were the last one, by the final norm and the output matrix. No layer " +
    "but the last was trained for that: a word that is likely here shows where the state points already.",
  "final word": "The word that the model finds likeliest at the end, after the last layer, at the same position.",
  "KL to the end":
    "How far what this layer would say is from what is said at the end, in nats: 0 = the same, 1 = quite another.",
  logit:
    "A score for a word: e to its power, divided by the sum of all, is its probability. It is a sum of what the " +
    "embedding and every layer’s attention and MLP have added; of two words only the difference counts.",
  promoted: "Words whose score this part raises most. # is the word’s rank in the state before and after the part.",
  suppressed: "Words whose score this part lowers most. # is the word’s rank in the state before and after the part.",
  patch:
    "A single state, the one of a token after a layer, is replaced by that of another text. What is above it and " +
    "sees it is computed anew; the windows say how far that can go.",
  KL: "How much a whole prediction has changed, in nats: 0 = not at all, 0.01 = hardly, 1 = it is another one.",
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
    // a mouse has seen it already, and what the button shows should not be covered; a finger has not
    if (
      event.type === "click" &&
      node?.matches("button") &&
      /** @type {PointerEvent} */ (event).pointerType === "mouse"
    ) {
      picture.part("pop").hidden = true;
      return;
    }
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
