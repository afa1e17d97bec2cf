// What goes to and comes from the picture of the page window: a text with queries and keys, read with some window.
// Rendered by `python -m app.wire_types` from app/window/messages.py; change it there.

/**
 * What was asked.
 *
 * @typedef {Object} WindowChoice
 * @property {number | null} window  W of every layer; null = as the model is
 * @property {boolean} plus  whether every window has one key more: W + 1
 */

/**
 * The case that can be counted by hand, with a window; its numbers are in `case_pattern` and `case_felt`.
 *
 * @typedef {Object} CaseHeader
 * @property {number} window  W
 * @property {number} reach  tokens back that the last state can depend on
 * @property {number} paper  what the paper counts: layers times W
 */

/**
 * The text, and what one reading of it gave.
 *
 * @typedef {Object} WindowHeader
 * @property {"window"} picture  the page whose program draws it
 * @property {string} run  its name
 * @property {number} asked  number of the question that this answers
 * @property {"running" | "done"} status  of the run
 * @property {string} message  one sentence; may be empty
 * @property {number} n_prompt  tokens that were given
 * @property {number} total  tokens of the text; more than are read here if it is long
 * @property {import("../kit/types.js").ModelShape} model  the network, with its own windows
 * @property {number} widest  the largest window that can be chosen
 * @property {boolean} can_measure  whether the model that wrote it is here
 * @property {[string, string, number][]} tokens  text, printable form and id of every token that is read
 * @property {import("../kit/types.js").Place | null} at  where the visitor is; null = nowhere yet
 * @property {WindowChoice} choice  what was asked
 * @property {(number | null)[]} windows  of the layers in the reading that came; empty = none came
 * @property {number[]} layers  layers, from 0, whose queries and keys came
 * @property {number | null} error  largest difference of derived weights to the model's own; null = nothing came
 * @property {"" | "trained" | "W"} against  which reading the change is measured against; empty = none
 * @property {[number, number, string] | null} reading  of a reading under way: steps done, in all, what is done
 * @property {CaseHeader[]} cases  the countable case with W and with W + 1
 * @property {import("../kit/types.js").Code[]} codes  the functions that say what may be seen, and what is stored
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Queries and keys as the scores use them: rotated; and the change of the predictions.
 *
 * @typedef {Object} WindowArrays
 * @property {Float32Array} [queries]  [kept, length, n_heads, head_dim] of the kept layers
 * @property {Float32Array} [keys]  [kept, length, n_kv_heads, head_dim] of the same
 * @property {Float32Array} [largest]  [length] largest change of a logit, after each token
 * @property {Float32Array} [kl]  [length] KL of each prediction, nats
 * @property {Float32Array} case_pattern  [cases, case_layers, case_heads, case_queries, case_keys] weights
 * @property {Float32Array} case_felt  [cases, case_keys] change of the last logits if that token is another one
 */

/**
 * Sticky. Another window, or another layer whose numbers have not come.
 *
 * @typedef {Object} Ask
 * @property {number | null} window  W of every layer; null = as the model is
 * @property {boolean} plus  whether every window has one key more: W + 1
 * @property {string} run  its name
 * @property {number} n  number of the question; the answer carries it
 * @property {number} layer  from 0
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {Ask} ask
 * @property {import("../kit/types.js").At} at
 */

export {};
