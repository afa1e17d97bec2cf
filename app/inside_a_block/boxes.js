// The boxes of the diagram, in the order of the data: where each stands, what it is called, how it is made. Their names
// are those of mistral_core/analysis/worked_cell.py.

/** @typedef {import("./types.js").BlockShape} BlockShape */
/**
 * @typedef {Object} Box
 * @property {string} id
 * @property {string} title  in the diagram
 * @property {string} hook  the name of its tensor in the code
 * @property {string} place  its area in the diagram: row / column / row / column
 * @property {string} formula
 * @property {string} say  one plain sentence
 * @property {string} from  what went into it
 * @property {string} [holds]  the box whose numbers it has too
 */

/** @type {Box[]} */
export const BOXES = [
  {
    id: "resid_pre",
    title: "stream in",
    hook: "hook_resid_pre",
    place: "2 / 1 / 5 / 2",
    formula: "x = embedding + everything that the layers before have added",
    say: "What the model knows at this word so far: a list of numbers that every layer adds to.",
    from: "the embedding of the word and what each layer before has added",
  },
  {
    id: "attention_norm",
    title: "norm",
    hook: "attention_norm.hook_normalized",
    place: "2 / 2 / 5 / 3",
    formula: "xᵢ / √(mean(x²) + ε)",
    say: "The same list brought to one length, so that no word is louder than another. Then each has its own gain.",
    from: "all numbers of the stream",
  },
  {
    id: "q",
    title: "q  query",
    hook: "attention.hook_q",
    place: "2 / 3 / 3 / 4",
    formula: "q = Wq · (norm × gain)",
    say: "What this word looks for, one list for each head.",
    from: "a row of Wq and the normalised stream",
  },
  {
    id: "k",
    title: "k  key",
    hook: "attention.hook_k",
    place: "3 / 3 / 4 / 4",
    formula: "k = Wk · (norm × gain)",
    say: "By what later words will find this one. Several query heads share one key.",
    from: "a row of Wk and the normalised stream",
  },
  {
    id: "v",
    title: "v  value",
    hook: "attention.hook_v",
    place: "4 / 3 / 5 / 4",
    formula: "v = Wv · (norm × gain)",
    say: "What is fetched from this word by those who find it.",
    from: "a row of Wv and the normalised stream",
  },
  {
    id: "rot_q",
    title: "RoPE: q turned",
    hook: "attention.hook_rot_q",
    place: "2 / 4 / 3 / 5",
    formula: "(a, b) → (a cos φ − b sin φ, a sin φ + b cos φ),  φ = position · θ^(−2i/d)",
    say: "Pairs are turned by an angle that grows with the position: so a score knows how far apart two words are.",
    from: "two numbers of q, and the position",
  },
  {
    id: "rot_k",
    title: "RoPE: k turned",
    hook: "attention.hook_rot_k",
    place: "3 / 4 / 4 / 5",
    formula: "(a, b) → (a cos φ − b sin φ, a sin φ + b cos φ),  φ = position · θ^(−2i/d)",
    say: "The key is turned for its own position, and stays so in the ring.",
    from: "two numbers of k, and the position",
  },
  {
    id: "ring",
    title: "ring write",
    hook: "attention.hook_rot_k, hook_v",
    place: "3 / 5 / 5 / 6",
    formula: "slot = position mod W",
    say: "The turned key and the value go into this word’s slot of the ring, where later words will read them.",
    from: "the turned key, as it is",
    holds: "rot_k",
  },
  {
    id: "scores",
    title: "scores q · k",
    hook: "attention.hook_attn_scores",
    place: "2 / 6 / 5 / 7",
    formula: "s = q · k / √d, for every key that is seen",
    say: "How well each earlier word’s key fits the query: one number for each head and key.",
    from: "the turned query and a turned key of the ring",
  },
  {
    id: "mask",
    title: "mask",
    hook: "attention.hook_attn_scores",
    place: "2 / 7 / 5 / 8",
    formula: "seen if  key ≤ query  and  query − key < W",
    say: "Which words may be looked at: those in the window. All others get a score of minus infinity.",
    from: "the positions alone",
    holds: "scores",
  },
  {
    id: "pattern",
    title: "softmax",
    hook: "attention.hook_pattern",
    place: "2 / 8 / 5 / 9",
    formula: "a = e^s / Σ e^s",
    say: "Scores become weights that sum to 1 in each head.",
    from: "the scores of all keys that are seen",
  },
  {
    id: "z",
    title: "z  fetched",
    hook: "attention.hook_z",
    place: "2 / 9 / 5 / 10",
    formula: "z = Σ a · v, over the keys that are seen",
    say: "What each head has fetched: the values of the words it looked at, mixed by its weights.",
    from: "the weights and the values of the ring",
  },
  {
    id: "attn_out",
    title: "wo",
    hook: "hook_attn_out",
    place: "2 / 10 / 5 / 11",
    formula: "Wo · z, all heads together",
    say: "What the heads have fetched, brought back to the size of the stream.",
    from: "a row of Wo and the z of all heads",
  },
  {
    id: "resid_mid",
    title: "+ stream",
    hook: "hook_resid_mid",
    place: "2 / 11 / 5 / 12",
    formula: "stream in + what attention added",
    say: "Attention has added its part; nothing was thrown away.",
    from: "the stream and what attention adds",
  },
  {
    id: "ffn_norm",
    title: "norm",
    hook: "ffn_norm.hook_normalized",
    place: "7 / 1 / 9 / 2",
    formula: "xᵢ / √(mean(x²) + ε)",
    say: "Brought to one length again, for the second half of the block.",
    from: "all numbers of the stream after attention",
  },
  {
    id: "pre",
    title: "w1  gate",
    hook: "feed_forward.hook_pre",
    place: "7 / 2 / 8 / 3",
    formula: "W1 · (norm × gain)",
    say: "How far each feature is opened.",
    from: "a row of W1 and the normalised stream",
  },
  {
    id: "pre_linear",
    title: "w3  value",
    hook: "feed_forward.hook_pre_linear",
    place: "8 / 2 / 9 / 3",
    formula: "W3 · (norm × gain)",
    say: "What each feature would say.",
    from: "a row of W3 and the normalised stream",
  },
  {
    id: "post",
    title: "SiLU(w1) × w3",
    hook: "feed_forward.hook_post",
    place: "7 / 3 / 9 / 4",
    formula: "SiLU(gate) × value,  SiLU(x) = x / (1 + e^(−x))",
    say: "A gate below 0 nearly shuts its feature; above 0 it lets it through.",
    from: "one number of w1 and one of w3",
  },
  {
    id: "mlp_out",
    title: "w2",
    hook: "hook_mlp_out",
    place: "7 / 4 / 9 / 5",
    formula: "W2 · gated features",
    say: "The features write what they know back into the size of the stream.",
    from: "a row of W2 and all gated features",
  },
  {
    id: "resid_post",
    title: "+ stream out",
    hook: "hook_resid_post",
    place: "7 / 5 / 9 / 6",
    formula: "stream after attention + what the MLP added",
    say: "What goes on to the next layer: the same list, with two corrections.",
    from: "the stream and what the MLP adds",
  },
  {
    id: "final_norm",
    title: "final norm",
    hook: "norm.hook_normalized",
    place: "7 / 7 / 9 / 8",
    formula: "xᵢ / √(mean(x²) + ε)",
    say: "Behind the last layer the stream is brought to one length once more.",
    from: "all numbers of the last layer’s stream",
  },
  {
    id: "logits",
    title: "logits → next word",
    hook: "hook_logits",
    place: "7 / 8 / 9 / 12",
    formula: "logit = output row · (norm × gain);  p = e^logit / Σ e^logit;  then the stages of sampling",
    say: "A score for every word of the vocabulary, made into probabilities; sampling cuts some, and one is drawn.",
    from: "a row of the output matrix and the normalised stream",
  },
];

/** Boxes with a column for each key that is seen. */
export const BY_KEY = new Set(["scores", "mask", "pattern"]);
/** Boxes behind the last layer. */
export const BEHIND = new Set(["final_norm", "logits"]);
/** Boxes with one row for each key/value head. */
export const OF_KEYS = new Set(["k", "v", "rot_k", "ring"]);

/** @param {string} id */
export const boxOf = (id) => BOXES.find((box) => box.id === id) ?? BOXES[0];

/**
 * Its shape in words.
 *
 * @param {string} id
 * @param {number[]} shape
 */
export function inWords(id, shape) {
  if (shape.length === 1) return `${shape[0].toLocaleString("en-US")} numbers`;
  const [rows, columns] = shape;
  const heads = OF_KEYS.has(id) ? (rows === 1 ? "key/value head" : "key/value heads") : rows === 1 ? "head" : "heads";
  const of = BY_KEY.has(id) ? `${columns} ${columns === 1 ? "key" : "keys"}` : columns;
  return `${(rows * columns).toLocaleString("en-US")} numbers, ${rows} ${heads} of ${of}`;
}

/**
 * A number for people: four digits, and a true minus.
 *
 * @param {number | null} value  null = minus infinity
 */
export function written(value) {
  if (value === null || value === -Infinity) return "−∞";
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const digits = size === 0 ? 0 : size >= 100 ? 2 : size >= 0.001 ? 4 : -1;
  const text = digits < 0 ? value.toExponential(2) : value.toFixed(digits);
  return text.replaceAll("-", "−");
}
