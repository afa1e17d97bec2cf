// What goes to and comes from the picture of the page attention, beside what all have (`app/shared/messages.py`).
// Rendered by `python -m app.wire_types` from app/attention/messages.py; change it there.

/**
 * What is derived from the whole of a run at one length; the arrays beside those of the run belong to it.
 *
 * @typedef {Object} ExtrasHeader
 * @property {string} key  names run, length and what is contained; what has the same key is the same
 * @property {string[]} notes  one sentence for each thing that was left out
 * @property {string[]} measures  what the rows of the array `measures` are; empty = none could be computed
 * @property {Record<string, number[]>} queries  by measure, how many queries of each layer it is a mean of
 */

/**
 * One key of one query, and what it does.
 *
 * @typedef {Object} EdgeOfFinding
 * @property {"watched" | "decisive"} kind  much looked at, or looked at less and yet it matters
 * @property {number} query  position
 * @property {number} key  position
 * @property {number} attention  mean weight over all layers and heads
 * @property {number} kl  change of the prediction when no layer sees the key, nats
 */

/**
 * There is no search, none is possible here, or it failed.
 *
 * @typedef {Object} FindingSaid
 * @property {"idle" | "impossible" | "failed"} state  of the search
 * @property {string} text  a sentence; may be empty
 */

/**
 * The search is under way.
 *
 * @typedef {Object} FindingRunning
 * @property {"running"} state  of the search
 * @property {number} done  steps
 * @property {number} total  steps in all
 * @property {string} doing  what is done now; may be empty
 */

/**
 * What the search gave.
 *
 * @typedef {Object} FindingDone
 * @property {"done"} state  of the search
 * @property {EdgeOfFinding[]} edges  the watched one, then the decisive one; empty = there is no disagreement
 * @property {string} text  a sentence on the result
 * @property {number} length  tokens that the run had when it was searched
 * @property {boolean} more  whether the run has grown since
 * @property {boolean} reach  whether there is a page that follows the change
 */

/**
 * A run, the state of the search in it, and what is derived from it if the browser lacks that.
 *
 * @typedef {Object} AttentionHeader
 * @property {number} from  position of the first token contained
 * @property {number} to  position after the last token contained; equal to `from` if there is none
 * @property {number} total  tokens expected in the end
 * @property {"running" | "paused" | "done" | "failed" | "recorded"} status  of the run
 * @property {string} message  one sentence for the status; may be empty
 * @property {"model" | "recorded"} provenance  model = written now, recorded = a stored run
 * @property {number | null} tokens_per_second  how fast it is written; null = not known
 * @property {"start" | "next_word" | "attention" | "window" | "ring" | "reach" | "shared_heads" | "inside_a_block" | "residual" | "break_it" | "museum"} picture  the page whose program draws it
 * @property {string} run  names the run; a branch has another name
 * @property {"start" | "desk"} mode  the text and its bracket, or everything
 * @property {number} prefix  hash of the tokens before `from`, by which the browser notices that it holds other ones
 * @property {number} n_prompt  tokens that were given
 * @property {import("../kit/types.js").ModelShape} model  the model that wrote it
 * @property {Record<string, any>} settings  with which the run was made: sampling, seed, chunk_size, ...
 * @property {import("../kit/types.js").Place | null} at  where the playhead starts if the run is new to the browser
 * @property {import("../kit/types.js").PatternShape | null} pattern  null = no attention is sent; `note` says why
 * @property {string} note  one sentence on what was not sent or not recorded; may be empty
 * @property {[string, string, number][]} tokens  text, printable form and id of each token contained
 * @property {FindingSaid | FindingRunning | FindingDone} finding  of the search for a disagreement
 * @property {ExtrasHeader | null} extras  null = the browser has them, or they are not ready
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Those of the run, and those of the extras; shares are value x 65535.
 *
 * @typedef {Object} AttentionArrays
 * @property {Float32Array} probability  [tokens] of the token where it was predicted; NaN = not predicted
 * @property {Int32Array} rank  [tokens] of the token among all, from 0; -1 = not predicted
 * @property {Float32Array} entropy  [tokens] bits, of the prediction made at the token; NaN = not recorded
 * @property {Uint16Array} [pattern]  [tokens, n_layers, heads, width] attention weight x 65535, by key offset
 * @property {Float32Array} [measures]  [kinds, n_layers, n_heads] numbers of the heads; NaN = not defined here
 * @property {Uint16Array} [mean]  [length, offsets] mean weight, by key offset
 * @property {Uint16Array} [max]  [length, offsets] largest weight, by key offset
 * @property {Uint16Array} [rollout]  [length, reach_offsets] rollout, by key offset
 * @property {Uint16Array} [without_first]  [queries, n_layers, n_heads, offsets] weights scaled anew without position 0, of the queries that see it
 * @property {Float32Array} [scores]  [length, n_layers, n_heads, offsets] before the softmax; minus infinity = masked
 */

/**
 * One-shot. The search for a disagreement is to begin (`find`) or to end (`cancel`).
 *
 * @typedef {Object} Find
 * @property {string} run  its name
 * @property {number} n  another number at every press
 */

/**
 * One-shot. The text is to be read again for its scores.
 *
 * @typedef {Object} ReadScores
 * @property {string} run  its name
 * @property {number} n  another number at every press
 */

/**
 * One-shot. The page that follows a change is to be opened.
 *
 * @typedef {Object} FollowChange
 * @property {string} run  its name
 * @property {number} n  another number at every press
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {import("../kit/types.js").Ack} ack
 * @property {import("../kit/types.js").Need} need
 * @property {import("../kit/types.js").At} at
 * @property {Find} find
 * @property {Find} cancel
 * @property {ReadScores} scores
 * @property {FollowChange} reach
 */

export {};
