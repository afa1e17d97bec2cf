// What goes to and comes from the picture of the residual stream: a whole text, its lens, and questions.
// Rendered by `python -m app.wire_types` from app/residual/messages.py; change it there.

/**
 * Another text, of which a cell is taken.
 *
 * @typedef {Object} Lender
 * @property {"word" | "prompt"} way  word = this text with another word in it, prompt = a text of its own
 * @property {number} at  position of the word that is replaced; of a prompt 0
 * @property {string} text  the word, or the prompt
 */

/**
 * A place in the grid.
 *
 * @typedef {Object} Cell
 * @property {number} row  0 = embedding, l = after l layers
 * @property {number} position  of the token
 */

/**
 * Positions that arrays are about.
 *
 * @typedef {Object} Block
 * @property {string} key  another one where anything in them is another
 * @property {number} first  position of the first
 * @property {number} count  how many
 */

/**
 * What the arrays of the lens say together.
 *
 * @typedef {Object} LensFacts
 * @property {string} key  another one where anything in them is another
 * @property {number} first  position of the first
 * @property {number} count  how many
 * @property {number} error  by how much contributions miss a logit at most, as a share of the largest logit
 * @property {number} heads_error  the same for heads and their attention
 */

/**
 * A cell of another text in the place of this one's.
 *
 * @typedef {Object} PatchFacts
 * @property {string} key  another one where anything in them is another
 * @property {number} first  position of the first
 * @property {number} count  how many
 * @property {Lender} lender  the other text
 * @property {Cell | null} cell  which; null = none yet, the other text's lens alone is sent
 * @property {number} outside  cells outside the cone in which a bit changed
 * @property {number} inside  cells of the cone
 * @property {number} moved  cells of the cone in which a bit changed
 * @property {string[]} words  printable form of the other text's tokens, from the first position on
 */

/**
 * The whole text and what is known of its stream. What the browser has is named and not sent again.
 *
 * @typedef {Object} ResidualHeader
 * @property {"residual"} picture  the page whose program draws it
 * @property {string} run  its name
 * @property {number} asked  number of the question that this answers
 * @property {"running" | "done"} status  of the run
 * @property {string} message  one sentence; may be empty
 * @property {number} n_prompt  tokens that were given
 * @property {import("../kit/types.js").ModelShape} model  the network
 * @property {boolean} can_measure  whether the model that wrote it is here
 * @property {[string, string, number][]} tokens  text, printable form and id of every token
 * @property {import("../kit/types.js").Place} at  where the playhead is
 * @property {number[]} pins  tokens that stay in sight
 * @property {Record<string, string>} labels  printable form of the ids in the arrays that are sent
 * @property {LensFacts | null} lens  null = not read yet
 * @property {Block | null} words  null = not known yet
 * @property {Block | null} pinned  null = nothing is pinned, or not followed yet
 * @property {PatchFacts | null} patch  null = no other text, or not read yet
 * @property {[number, number, string] | null} working  of the work under way: steps done, in all, and what is done
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Ranks count from 0, the likeliest; log-probabilities and KL are nats, entropy bits, contributions logits.
 *
 * @typedef {Object} ResidualArrays
 * @property {Int32Array} [top]  [rows, count] likeliest token of each cell
 * @property {Float32Array} [probability]  [rows, count] of that token
 * @property {Float32Array} [entropy]  [rows, count] of what the cell would say
 * @property {Float32Array} [kl]  [rows, count] KL(last row || cell)
 * @property {Int32Array} [tokens]  [count, followed] ids; the first is the final token
 * @property {Float32Array} [log_prob]  [rows, count, followed] of these
 * @property {Int32Array} [rank]  [rows, count, followed] of these
 * @property {Float32Array} [logits]  [count, followed] the model's own
 * @property {Float32Array} [parts]  [count, followed, parts] embedding, then attention and MLP by layer
 * @property {Float32Array} [heads]  [count, followed, n_layers, n_heads] each head's
 * @property {Float32Array} [pin_log_prob]  [rows, pin_count, pins] of the pinned tokens
 * @property {Int32Array} [pin_rank]  [rows, pin_count, pins] of them
 * @property {Float32Array} [pin_logits]  [pin_count, pins] the model's own
 * @property {Float32Array} [pin_parts]  [pin_count, pins, parts] what parts add to them
 * @property {Float32Array} [pin_heads]  [pin_count, pins, n_layers, n_heads] what heads add to them
 * @property {Int32Array} [word_tokens]  [word_count, sublayers, words] promoted, strongest first; then suppressed
 * @property {Float32Array} [word_added]  [word_count, sublayers, words] to the logit
 * @property {Int32Array} [word_before]  [word_count, sublayers, words] rank before
 * @property {Int32Array} [word_after]  [word_count, sublayers, words] rank after
 * @property {Int32Array} [lender_top]  [rows, lent] the other text's likeliest tokens
 * @property {Float32Array} [lender_probability]  [rows, lent] of these
 * @property {Uint8Array} [cone]  [rows, patch_count] 1 = can change, by theory
 * @property {Float32Array} [change]  [rows, patch_count] relative change; 0 = the same bit for bit
 * @property {Int32Array} [patched_top]  [rows, patch_count] likeliest token, changed
 * @property {Float32Array} [patched_probability]  [rows, patch_count] of that token
 * @property {Float32Array} [patched_kl]  [patch_count] KL(as it is || changed)
 * @property {Int32Array} [choice_tokens]  [patch_count, choices] likeliest next tokens of both
 * @property {Float32Array} [choice_before]  [patch_count, choices] probability as it is
 * @property {Float32Array} [choice_after]  [patch_count, choices] probability, changed
 */

/**
 * Sticky. What the visitor wants besides the lens.
 *
 * @typedef {Object} Ask
 * @property {string} run  its name
 * @property {number} n  number of the question; the answer carries it
 * @property {number[]} pins  tokens that stay in sight
 * @property {Lender | null} lender  another text, or none
 * @property {Cell | null} cell  which of its cells is put into this text; null = none
 */

/**
 * Sticky. What the browser has, by key; "" = nothing.
 *
 * @typedef {Object} Held
 * @property {string} run  its name
 * @property {string} lens  key of the lens
 * @property {string} words  key of the promoted words
 * @property {string} pinned  key of the pinned tokens
 * @property {string} patch  key of the patch
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {import("../kit/types.js").At} at
 * @property {Ask} ask
 * @property {Held} held
 */

export {};
