// What goes to and comes from the picture of the page ring, beside what all have (`app/shared/messages.py`).
// Rendered by `python -m app.wire_types` from app/ring/messages.py; change it there.

/**
 * How a key or value of one position and layer is laid out.
 *
 * @typedef {Object} KVShape
 * @property {number} n_kv_heads  key/value heads
 * @property {number} head_dim  numbers of one head
 */

/**
 * The slot that was asked for last; its numbers are `slot_keys` and `slot_values` if they are there.
 *
 * @typedef {Object} SlotHeader
 * @property {number} layer  from 0
 * @property {number} position  of the token whose key and value it holds
 * @property {string} text  where the numbers are from, or why they are not there; may be empty
 */

/**
 * The measurement is under way.
 *
 * @typedef {Object} MeasuringForgotten
 * @property {"running"} status  of the measurement
 * @property {number} position  of the word that is replaced
 * @property {number} step  position whose prediction is compared
 * @property {number} done  steps
 * @property {number} total  steps in all, 1 or more
 * @property {string} doing  what is done now; may be empty
 */

/**
 * The measurement was cancelled or has failed.
 *
 * @typedef {Object} FailedForgotten
 * @property {"failed"} status  of the measurement
 * @property {number} position  of the word that was to be replaced
 * @property {number} step  position whose prediction was to be compared
 * @property {string} error  a sentence
 */

/**
 * What a word that has left every ring still does.
 *
 * @typedef {Object} Forgotten
 * @property {"done"} status  of the measurement
 * @property {number} position  of the word that was replaced
 * @property {number} step  position whose prediction was compared
 * @property {string} original  printable form of the word
 * @property {string} replacement  printable form of what was put in its place
 * @property {boolean} chosen  by the visitor; else drawn from the text
 * @property {number} distance  tokens between both
 * @property {number} kl  change of the prediction, nats
 * @property {string} kl_text  the same in words
 * @property {string} verdict  a sentence
 * @property {string} next  printable form of the token that follows; "" = the text ends here
 * @property {number | null} before  probability of that token; null = the text ends here
 * @property {number | null} after  its probability after the replacement; null = the text ends here
 */

/**
 * What there is beside the run itself.
 *
 * @typedef {Object} Beside
 * @property {boolean} kv  whether keys and values of every position are sent
 * @property {KVShape} kv_shape  how they are laid out
 * @property {boolean} single  whether the numbers of one slot can be had on request
 * @property {string} kv_note  why keys and values are not sent; may be empty
 * @property {number | null} kv_bytes  bytes of keys and values that the run keeps of one position; null = none
 * @property {string} kv_dtype  of those numbers; empty = none
 * @property {boolean} live  whether the run can be written again, for what a recording lacks
 * @property {boolean} measurable  whether the model that wrote it is here
 * @property {number | null} chunk_size  tokens of a chunk of the prompt; null = not recorded, or all at once
 * @property {number | null} ask  position of the word that the address asks about; null = none
 * @property {string} put  what the address would put in its place; may be empty
 * @property {MeasuringForgotten | FailedForgotten | Forgotten | null} forgotten  null = nothing was asked
 * @property {SlotHeader | null} slot  null = none was asked for
 * @property {import("../kit/types.js").Code[]} codes  what writes and reads the ring; with the first tokens of a run, else empty
 */

/**
 * A run with its keys and values.
 *
 * @typedef {Object} RingHeader
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
 * Those of the run, its keys and values, and those of one slot.
 *
 * @typedef {Object} RingArrays
 * @property {Float32Array} probability  [tokens] of the token where it was predicted; NaN = not predicted
 * @property {Int32Array} rank  [tokens] of the token among all, from 0; -1 = not predicted
 * @property {Float32Array} entropy  [tokens] bits, of the prediction made at the token; NaN = not recorded
 * @property {Uint16Array} [pattern]  [tokens, n_layers, heads, width] attention weight x 65535, by key offset
 * @property {Float32Array} [keys]  [tokens, n_layers, n_kv_heads, head_dim] rotated for their position
 * @property {Float32Array} [values]  [tokens, n_layers, n_kv_heads, head_dim] values
 * @property {Float32Array} [slot_keys]  [n_kv_heads, head_dim] of the slot asked for
 * @property {Float32Array} [slot_values]  [n_kv_heads, head_dim] of the slot asked for
 */

/**
 * One-shot. Whether the word at a position is forgotten at a step.
 *
 * @typedef {Object} Measure
 * @property {string} run  its name
 * @property {number} position  of the word
 * @property {number} step  position whose prediction is compared
 * @property {string} word  what is put in its place; "" = drawn from the text
 */

/**
 * One-shot. Somebody looks at a slot whose numbers were not sent.
 *
 * @typedef {Object} AskSlot
 * @property {string} run  its name
 * @property {number} layer  from 0
 * @property {number} position  of the token whose key and value it holds
 */

/**
 * One-shot. The measurement is to end.
 *
 * @typedef {Object} CancelMeasure
 * @property {string} run  its name
 * @property {number} n  another number at every press
 */

/**
 * One-shot. The recorded run is to be written again, and the visitor stays where he is in it.
 *
 * @typedef {Object} WriteLive
 * @property {string} run  its name
 * @property {number} n  another number at every press
 * @property {number} t  position of the token
 * @property {number} layer  from 0
 * @property {number} head  from 0; -1 = the mean of the heads
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {import("../kit/types.js").Ack} ack
 * @property {import("../kit/types.js").Need} need
 * @property {import("../kit/types.js").At} at
 * @property {Measure} measure
 * @property {CancelMeasure} cancel
 * @property {WriteLive} live
 * @property {AskSlot} slot
 */

export {};
