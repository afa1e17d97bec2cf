// What goes to and comes from the picture of the page shared_heads, beside what all have (`app/shared/messages.py`).
// Rendered by `python -m app.wire_types` from app/shared_heads/messages.py; change it there.

/**
 * What the run did not bring of some layers: head by head weights, keys and values (`more_*`).
 *
 * @typedef {Object} MoreHeader
 * @property {string} key  names it; the browser keeps what it has under the same key
 * @property {number[]} layers  which, from 0, in the order of the arrays
 * @property {boolean} again  whether the text was read again for it, since the run keeps too little
 */

/**
 * Which key/value head is taken away.
 *
 * @typedef {Object} Question
 * @property {number} layer  from 0
 * @property {number} kv_head  from 0
 * @property {"both" | "keys"} takes  what is made 0: keys and values, or the keys alone
 */

/**
 * The measurement is under way.
 *
 * @typedef {Object} TakingAway
 * @property {number} layer  from 0
 * @property {number} kv_head  from 0
 * @property {"both" | "keys"} takes  what is made 0: keys and values, or the keys alone
 * @property {"running"} status  of the measurement
 * @property {number} done  steps
 * @property {number} total  steps in all, 1 or more
 * @property {string} doing  what is done now; may be empty
 */

/**
 * The measurement was cancelled or has failed.
 *
 * @typedef {Object} NotTaken
 * @property {number} layer  from 0
 * @property {number} kv_head  from 0
 * @property {"both" | "keys"} takes  what is made 0: keys and values, or the keys alone
 * @property {"failed"} status  of the measurement
 * @property {string} error  a sentence
 */

/**
 * The text was read without it; the numbers are the arrays `away_*`.
 *
 * @typedef {Object} TakenAway
 * @property {number} layer  from 0
 * @property {number} kv_head  from 0
 * @property {"both" | "keys"} takes  what is made 0: keys and values, or the keys alone
 * @property {"done"} status  of the measurement
 * @property {string} key  names it; the browser keeps what it has under the same key
 * @property {Record<string, string>} labels  printable forms of the tokens in `away_ids`, by id; empty = sent before
 */

/**
 * What there is beside the run itself.
 *
 * @typedef {Object} Beside
 * @property {boolean} kv  whether keys and values of every position are sent with the tokens
 * @property {number} head_dim  numbers of one head
 * @property {boolean} measurable  whether the model that wrote the run is here
 * @property {string} note  what is done for the layer that was asked for, or why it cannot be had; may be empty
 * @property {MoreHeader | null} more  null = nothing was asked for, or it was sent before
 * @property {TakingAway | NotTaken | TakenAway | null} away  null = nothing was asked
 * @property {import("../kit/types.js").Code[]} codes  what stacks the queries of a group; with the first tokens of a run, else empty
 */

/**
 * A run with its keys and values.
 *
 * @typedef {Object} SharedHeadsHeader
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
 * @property {Beside} beside  what there is beside the run itself
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Those of the run, its keys and values, those of some layers, and what changes without a key/value head.
 *
 * @typedef {Object} SharedHeadsArrays
 * @property {Float32Array} probability  [tokens] of the token where it was predicted; NaN = not predicted
 * @property {Int32Array} rank  [tokens] of the token among all, from 0; -1 = not predicted
 * @property {Float32Array} entropy  [tokens] bits, of the prediction made at the token; NaN = not recorded
 * @property {Uint16Array} [pattern]  [tokens, n_layers, heads, width] attention weight x 65535, by key offset
 * @property {Float32Array} [keys]  [tokens, n_layers, n_kv_heads, head_dim] rotated for their position
 * @property {Float32Array} [values]  [tokens, n_layers, n_kv_heads, head_dim] values
 * @property {Float32Array} [more_keys]  [length, some_layers, n_kv_heads, head_dim] rotated
 * @property {Float32Array} [more_values]  [length, some_layers, n_kv_heads, head_dim] values
 * @property {Uint16Array} [more_pattern]  [length, some_layers, n_heads, more_width] weight x 65535, by key offset
 * @property {Float32Array} [away_moved]  [away_length, n_layers, n_heads] relative change of what each head fetches; 0 = the same bit for bit
 * @property {Float32Array} [away_kl]  [away_length] of the next word, nats
 * @property {Int32Array} [away_ids]  [away_length, candidates] likeliest next tokens; the actual one first
 * @property {Float32Array} [away_likely]  [away_length, candidates, two] their probability as it is, and without
 */

/**
 * One-shot. A layer is looked at of which the run brought too little.
 *
 * @typedef {Object} AskLayer
 * @property {string} run  its name
 * @property {number} layer  from 0
 */

/**
 * One-shot. A key/value head is to be taken away.
 *
 * @typedef {Object} TakeAway
 * @property {number} layer  from 0
 * @property {number} kv_head  from 0
 * @property {"both" | "keys"} takes  what is made 0: keys and values, or the keys alone
 * @property {string} run  its name
 */

/**
 * One-shot. The measurement is to end.
 *
 * @typedef {Object} StopTaking
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
 * @property {AskLayer} layer
 * @property {TakeAway} take
 * @property {StopTaking} stop
 */

export {};
