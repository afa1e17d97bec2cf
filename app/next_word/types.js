// What goes to and comes from the picture of the page next_word, beside what all have (`app/shared/messages.py`).
// Rendered by `python -m app.wire_types` from app/next_word/messages.py; change it there.

/**
 * The steps `[from, to)` whose alternatives are contained.
 *
 * @typedef {Object} StageRange
 * @property {number} from  position of the first token contained
 * @property {number} to  position after the last token contained; equal to `from` if there is none
 * @property {string} key  names the settings that were applied; a new key replaces the old alternatives
 * @property {string[]} names  of the sampling stages; the first is the model itself
 */

/**
 * The sampling settings that can be moved. As an event (`sampling`) sticky: the sliders were moved.
 *
 * @typedef {Object} Sliders
 * @property {number} temperature  0 = greedy
 * @property {number} top_k  0 = off
 * @property {number} top_p  1 = off
 */

/**
 * A run of the session, in the list of branches.
 *
 * @typedef {Object} BranchEntry
 * @property {string} run  its name
 * @property {string} label  how the list calls it
 * @property {number | null} at  position at which it left its parent
 * @property {string} token  printable form of the token put there; may be empty
 * @property {string | null} parent  name of the run that it branched from
 */

/**
 * A run with its alternatives.
 *
 * @typedef {Object} NextWordHeader
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
 * @property {Sliders | null} sampling  where the sliders stand; null = there are none for this run
 * @property {BranchEntry[]} branches  all runs of the session, oldest first
 * @property {string} current  name of the run that is shown
 * @property {number} follow  grows when the playhead should jump to the end and follow
 * @property {number | null} answered  `n` of the branch that was asked for last
 * @property {StageRange | null} stages  null = no alternatives are contained
 * @property {Record<string, string>} labels  printable form of every token in `alt_ids`, by its id
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Those of the run, and the alternatives of the steps in `stages`.
 *
 * @typedef {Object} NextWordArrays
 * @property {Float32Array} probability  [tokens] of the token where it was predicted; NaN = not predicted
 * @property {Int32Array} rank  [tokens] of the token among all, from 0; -1 = not predicted
 * @property {Float32Array} entropy  [tokens] bits, of the prediction made at the token; NaN = not recorded
 * @property {Uint16Array} [pattern]  [tokens, n_layers, heads, width] attention weight x 65535, by key offset
 * @property {Int32Array} [alt_ids]  [steps, alternatives] token ids, likeliest first
 * @property {Float32Array} [stage_probs]  [steps, stages, alternatives] probability after each stage; 0 = cut
 * @property {Int32Array} [stage_kept]  [steps, stages] how many of all tokens are left
 */

/**
 * One-shot. Another token is to stand at a position.
 *
 * @typedef {Object} Branch
 * @property {string} run  in which it was chosen
 * @property {number} position  where it is to stand
 * @property {number} token_id  of the other token
 * @property {number} n  the browser's clock; what is asked for later has a larger one
 */

/**
 * One-shot. Another run of the session is to be shown.
 *
 * @typedef {Object} Open
 * @property {string} run  its name
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {import("../kit/types.js").Ack} ack
 * @property {import("../kit/types.js").Need} need
 * @property {import("../kit/types.js").At} at
 * @property {Sliders} sampling
 * @property {Branch} branch
 * @property {Open} open
 */

export {};
