// What goes to and comes from the picture of one token in one layer, beside what all have (app/shared/messages.py).
// Rendered by `python -m app.wire_types` from app/inside_a_block/messages.py; change it there.

/**
 * The sizes of a block.
 *
 * @typedef {Object} BlockShape
 * @property {number} dim  numbers of the stream
 * @property {number} head_dim  numbers of one head
 * @property {number} hidden_dim  features of the feed-forward part
 * @property {number} norm_eps  what a norm adds under its root
 * @property {number} rope_theta  base of the wavelengths
 */

/**
 * Where the numbers of one box lie in `numbers`.
 *
 * @typedef {Object} BoxHeader
 * @property {number} layer  from 0; -1 = behind the last layer
 * @property {string} box  its name, as in mistral_core/analysis/worked_cell.py
 * @property {number[]} shape  one or two sizes; of what has a key axis, heads x keys that are seen
 * @property {number} at  index of its first number
 */

/**
 * Whose keys the token meets in one layer.
 *
 * @typedef {Object} SeenHeader
 * @property {number} layer  from 0
 * @property {number[]} positions  in the order of the text
 */

/**
 * One number worked out: a sum of terms, and what is done with it.
 *
 * @typedef {Object} WorkedHeader
 * @property {number} layer  from 0
 * @property {string} box  whose number it is
 * @property {number[]} cell  which one: feature, head and feature, head and position of the key, or token id
 * @property {boolean} first  whether it is the one that is looked at first
 * @property {string} left_name  what the first factors are
 * @property {string} right_name  what the second factors are; "" = 1
 * @property {string[]} labels  of the terms; empty = they are counted
 * @property {[string, number][]} steps  after the sum: what is done, and what comes of it
 * @property {number} result  what the inputs make
 * @property {number | null} stored  what the model stored; null = minus infinity
 * @property {number | null} error  how far the two are apart; null = without bound
 * @property {boolean} agrees  whether that is rounding
 * @property {number} at  row of its first term in `terms`
 * @property {number} count  number of terms
 */

/**
 * One attention score taken apart; its numbers are `split_pairs` and `split_layers`.
 *
 * @typedef {Object} SplitHeader
 * @property {number} layer  from 0
 * @property {number} head  from 0
 * @property {number} key  position of the key
 * @property {number | null} score  as stored; null = minus infinity
 * @property {string[]} parts  rows and columns of `split_layers`
 * @property {number | null} error  how far either sum is from the score, at most; null = the score is masked
 */

/**
 * A token that may come next.
 *
 * @typedef {Object} Candidate
 * @property {number} id  in the vocabulary
 * @property {string} label  printable form
 * @property {number} logit  the model's score
 * @property {number[]} probs  after each stage; 0 = cut
 */

/**
 * What is made of the token's last state: the next word.
 *
 * @typedef {Object} EndingHeader
 * @property {string[]} stages  of sampling, the model itself first
 * @property {number[]} choices  tokens left after each stage
 * @property {Candidate[]} top  the likeliest, and the one that follows in the text, if it is none of them
 * @property {number | null} next  id of the token that follows in the text; null = the text ends here
 * @property {boolean} given  whether that one was given, not drawn
 * @property {number | null} drawn  the number from 0 to 1 that drew it; null = none did
 */

/**
 * The answer to a look: the numbers of one token.
 *
 * @typedef {Object} InsideHeader
 * @property {number} n  of the look that it answers
 * @property {number} t  position of the token
 * @property {number} head  from 0, for which the first numbers are
 * @property {"reading" | "done" | "failed" | "recorded"} status  recorded = what the run kept, and no more
 * @property {string} text  how far the reading is, why there is nothing, or what is not there; may be empty
 * @property {BlockShape} shape  sizes of a block
 * @property {string[]} changes  what is knocked out in this network, in words
 * @property {number | null} gap  largest difference to the weights of attention that the run stored; null = none are
 * @property {BoxHeader[]} boxes  of all layers, or of the asked one where those are too many; may be empty
 * @property {SeenHeader[]} seen  of the same layers
 * @property {WorkedHeader[]} worked  one number of each box of the asked layer, and the one that was asked for
 * @property {SplitHeader | null} split  null = none was asked for, or `split_note` says why there is none
 * @property {string} split_note  why the score is not taken apart; may be empty
 * @property {EndingHeader | null} ending  null = not known
 * @property {import("../kit/types.js").Code[]} codes  the functions that make the boxes; with the numbers, else empty
 */

/**
 * A run, and the inside of one of its tokens.
 *
 * @typedef {Object} TokenHeader
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
 * @property {InsideHeader | null} inside  null = nothing new
 * @property {string} box  that an address asks for; "" = none
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Those of the run, and the numbers of one token.
 *
 * @typedef {Object} TokenArrays
 * @property {Float32Array} probability  [tokens] of the token where it was predicted; NaN = not predicted
 * @property {Int32Array} rank  [tokens] of the token among all, from 0; -1 = not predicted
 * @property {Float32Array} entropy  [tokens] bits, of the prediction made at the token; NaN = not recorded
 * @property {Uint16Array} [pattern]  [tokens, n_layers, heads, width] attention weight x 65535, by key offset
 * @property {Float32Array} [numbers]  [numbers] of all boxes, one after the other
 * @property {Float32Array} [terms]  [terms, two] both factors of each term
 * @property {Float32Array} [split_pairs]  [pairs] what each rotary pair adds to the score
 * @property {Float32Array} [split_layers]  [query_parts, key_parts] what each pair of parts adds to the score
 */

/**
 * Sticky. What is looked at has come to rest.
 *
 * @typedef {Object} Look
 * @property {string} run  its name
 * @property {number} t  position of the token
 * @property {number} layer  from 0
 * @property {number} head  from 0; -1 = none is chosen
 * @property {string} box  name of the box
 * @property {number[]} cell  the chosen number; empty = the first one
 * @property {number} key  position of the key whose score is taken apart; -1 = none
 * @property {boolean} numbers  whether the numbers of the boxes are needed too
 * @property {number} n  the browser's clock; what is said later has a larger one
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {import("../kit/types.js").Ack} ack
 * @property {import("../kit/types.js").Need} need
 * @property {import("../kit/types.js").At} at
 * @property {Look} look
 */

export {};
