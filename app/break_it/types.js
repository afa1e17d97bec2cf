// What goes to and comes from the picture of the page break_it: a whole text, what parts do to it, and questions.
// Rendered by `python -m app.wire_types` from app/break_it/messages.py; change it there.

/**
 * What was asked.
 *
 * @typedef {Object} ChoiceHeader
 * @property {number} target  position whose prediction is meant
 * @property {"zero" | "mean"} level  what parts are knocked out to
 * @property {string[] | null} changes  head:5:3, hide:17, ..., as `spelling.py` has them; null = nothing was chosen yet
 * @property {"greedy" | "seeded"} writing  how the text is gone on with
 */

/**
 * A possible next token.
 *
 * @typedef {Object} Candidate
 * @property {string} label  printable form
 * @property {number} before  its probability as it is
 * @property {number} after  its probability with the changes
 * @property {boolean} actual  whether it is the one that is meant
 */

/**
 * What the changes do.
 *
 * @typedef {Object} ChangedFacts
 * @property {number} kl  of the prediction that is meant, nats
 * @property {number} before  log-probability of its token, nats
 * @property {number} after  the same with the changes
 * @property {number | null} lending  the same in the one other text that lends something; null = none does, or several
 * @property {[number, number]} surprise  mean -ln p of all tokens that follow, as it is and changed, nats
 * @property {number} untouched  first tokens whose predictions are the same bit for bit
 * @property {number} allowed  first tokens that the changes cannot reach, by theory
 * @property {Candidate[]} candidates  the likeliest of both, most probable first
 * @property {[string[], string[]]} written  texts of the tokens that are written, as it is and changed
 * @property {number} same  how many of them are the same from the beginning
 */

/**
 * The whole text, which parts matter to one prediction, and what some changes do.
 *
 * @typedef {Object} BreakHeader
 * @property {"break_it"} picture  the page whose program draws it
 * @property {string} run  its name
 * @property {number} asked  number of the question that this answers
 * @property {"running" | "done"} status  of the run
 * @property {string} message  one sentence; may be empty
 * @property {number} n_prompt  tokens that were given
 * @property {import("../kit/types.js").ModelShape} model  the network
 * @property {boolean} can_measure  whether the model that wrote it is here
 * @property {[string, string, number][]} tokens  text, printable form and id of every token
 * @property {ChoiceHeader} choice  what was asked
 * @property {boolean} chosen_for  whether the change was not chosen by the visitor: it is the head that matters most
 * @property {string} explained  printable form of the token whose probability is meant; may be empty
 * @property {boolean} follows  whether it is the one that follows in the text, and not the likeliest
 * @property {number | null} log_prob  of it as it is, nats; null = not measured yet
 * @property {[number, number, string] | null} mapping  of the map under way: parts done, in all, what is done
 * @property {[number, number, string] | null} changing  of the changed run under way
 * @property {boolean} stopped  the visitor ended the measurement
 * @property {ChangedFacts | null} changed  null = nothing is changed, or not measured yet
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Changes of the log-probability of the token that is meant, and KL of its prediction, nats.
 *
 * @typedef {Object} BreakArrays
 * @property {Float32Array} [heads]  [n_layers, n_heads] without this head
 * @property {Float32Array} [heads_kl]  [n_layers, n_heads] KL without it
 * @property {Float32Array} [groups]  [n_layers, n_kv_heads] without this KV group
 * @property {Float32Array} [groups_kl]  [n_layers, n_kv_heads] KL without it
 * @property {Float32Array} [mlps]  [n_layers, one] without this MLP
 * @property {Float32Array} [mlps_kl]  [n_layers, one] KL without it
 * @property {Float32Array} [kl]  [length] of every prediction of the changed run, nats
 * @property {Float32Array} [moved]  [length] change of the actual next token's log-probability; last NaN
 */

/**
 * Sticky. What the visitor wants to see next.
 *
 * @typedef {Object} Ask
 * @property {number} target  position whose prediction is meant
 * @property {"zero" | "mean"} level  what parts are knocked out to
 * @property {string[] | null} changes  head:5:3, hide:17, ..., as `spelling.py` has them; null = nothing was chosen yet
 * @property {"greedy" | "seeded"} writing  how the text is gone on with
 * @property {string} run  its name
 * @property {number} n  number of the question; the answer carries it
 */

/**
 * Sticky. Where the hand was on the page before, too late for Python to hear it there.
 *
 * @typedef {Object} AskFrom
 * @property {string} run  its name
 * @property {number} n  number of the question
 * @property {import("../kit/types.js").Place} at  where it was
 */

/**
 * Sticky. A button: stop measuring, measure after all.
 *
 * @typedef {Object} Act
 * @property {string} run  its name
 * @property {"stop" | "again"} what  the button
 * @property {number} n  another number at every press
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {Ask | AskFrom} ask
 * @property {Act} act
 */

export {};
