// What goes to and comes from every picture that steps through a run: fields, arrays and events, with their meaning.
// Rendered by `python -m app.wire_types` from app/shared/messages.py; change it there.

/**
 * Where the playhead is in a run.
 *
 * @typedef {Object} Place
 * @property {number} t  position of the token
 * @property {number} layer  from 0
 * @property {number} head  from 0; -1 = the mean of the heads
 */

/**
 * The model that wrote a run, as far as pictures need it.
 *
 * @typedef {Object} ModelShape
 * @property {string} name  of the model
 * @property {number} n_layers  number of blocks
 * @property {number} n_heads  query heads
 * @property {number} n_kv_heads  key/value heads
 * @property {(number | null)[]} windows  keys that a query sees, itself included, by layer; null = all
 * @property {number} sinks  first positions that layers with a window keep in sight besides
 * @property {number} vocab  number of tokens that it knows
 */

/**
 * How the array `pattern` is to be read.
 *
 * @typedef {Object} PatternShape
 * @property {number} heads  heads in a row: those of the model, or 1 for their mean
 * @property {number} width  columns in a row: o is the key at q - o; behind a layer's window W, W + p is the kept position p
 * @property {boolean} mean  whether heads were averaged because all of them would be too much to send
 * @property {number[]} missing  layers, from 0, whose attention was not kept; their rows are 0
 */

/**
 * Positions `[from, to)` of a run.
 *
 * @typedef {Object} TokenRange
 * @property {number} from  position of the first token contained
 * @property {number} to  position after the last token contained; equal to `from` if there is none
 */

/**
 * Where a run is.
 *
 * @typedef {Object} Growth
 * @property {number} total  tokens expected in the end
 * @property {"running" | "paused" | "done" | "failed" | "recorded"} status  of the run
 * @property {string} message  one sentence for the status; may be empty
 * @property {"model" | "recorded"} provenance  model = written now, recorded = a stored run
 * @property {number | null} tokens_per_second  how fast it is written; null = not known
 */

/**
 * The tokens `[from, to)` of one run, and what surrounds them. They overlap; the browser appends what is new.
 *
 * @typedef {Object} RunHeader
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
 * @property {ModelShape} model  the model that wrote it
 * @property {Record<string, any>} settings  with which the run was made: sampling, seed, chunk_size, ...
 * @property {Place | null} at  where the playhead starts if the run is new to the browser
 * @property {PatternShape | null} pattern  null = no attention is sent; `note` says why
 * @property {string} note  one sentence on what was not sent or not recorded; may be empty
 * @property {[string, string, number][]} tokens  text, printable form and id of each token contained
 * @property {Record<string, ArraySpec>} arrays  where each array lies
 */

/**
 * A function of this program as it is written, for the panel that shows it beside a picture.
 *
 * @typedef {Object} Code
 * @property {string} name  of the function, with its class
 * @property {string} file  from the root of the repository
 * @property {number} line  where it begins in that file, from 1
 * @property {string} text  its source
 * @property {Record<string, number[]>} marks  by what a step names, the lines of `text`, from 0, that do it
 * @property {string} inference  what does the same in mistral-inference; may be empty
 * @property {string} transformers  what does the same in Hugging Face's transformers; may be empty
 */

/**
 * One row for each token of the payload, in the order of the text.
 *
 * @typedef {Object} RunArrays
 * @property {Float32Array} probability  [tokens] of the token where it was predicted; NaN = not predicted
 * @property {Int32Array} rank  [tokens] of the token among all, from 0; -1 = not predicted
 * @property {Float32Array} entropy  [tokens] bits, of the prediction made at the token; NaN = not recorded
 * @property {Uint16Array} [pattern]  [tokens, n_layers, heads, width] attention weight x 65535, by key offset
 */

/**
 * Sticky. What the browser holds of a run; said after every payload that contained something.
 *
 * @typedef {Object} Ack
 * @property {string} run  its name
 * @property {number} to  tokens without a gap, from 0
 * @property {Record<string, [string | null, number]>} parts  what else it holds, by name: its key and how much of it
 * @property {number} n  the browser's clock; what is said later has a larger one
 */

/**
 * Sticky. Tokens are missing, and are asked for again.
 *
 * @typedef {Object} Need
 * @property {number} from  the first position that is missing
 * @property {string} run  its name
 * @property {number} n  the browser's clock; what is said later has a larger one
 */

/**
 * Sticky. The playhead has come to rest.
 *
 * @typedef {Object} At
 * @property {number} t  position of the token
 * @property {number} layer  from 0
 * @property {number} head  from 0; -1 = the mean of the heads
 * @property {string} run  its name
 */

/**
 * One-shot. A button about a run.
 *
 * @typedef {Object} OfRun
 * @property {string} run  its name
 * @property {number} n  another number at every press
 */

/**
 * One-shot. A button about a run, and where the visitor was in it.
 *
 * @typedef {Object} OfRunHere
 * @property {string} run  its name
 * @property {number} n  another number at every press
 * @property {number} t  position of the token
 * @property {number} layer  from 0
 * @property {number} head  from 0; -1 = the mean of the heads
 */

/**
 * Where an array lies in a payload.
 *
 * @typedef {Object} ArraySpec
 * @property {string} dtype  as numpy writes it: <f4, <u2, <i4 or |u1
 * @property {number[]} shape
 * @property {number} offset  bytes from the end of the header
 */

export {};
