// What goes to and comes from the picture of the page reach: a whole text with one reading of it, and questions.
// Rendered by `python -m app.wire_types` from app/reach/messages.py; change it there.

/**
 * The network that reads: the model of the run, perhaps with another window.
 *
 * @typedef {Object} ReachModel
 * @property {string} name  of the model
 * @property {number} n_layers  number of blocks
 * @property {(number | null)[]} windows  by layer, as read here; null = no window
 * @property {(number | null)[]} trained  by layer, as trained, or as imposed on the run; null = no window
 * @property {boolean} imposed  whether the run was written with a window that the model was not trained with
 * @property {number} trained_sinks  first tokens that stay visible beside the windows with which the run was written
 * @property {number[]} options  other windows to choose from
 */

/**
 * A text in which the edge cannot be seen.
 *
 * @typedef {Object} ShortText
 * @property {boolean} leaves  whether anything has left a window in it
 * @property {number} more  tokens to write on; 0 = it cannot be had so
 * @property {number} narrower  a window with which the edge lies inside the text; 0 = there is none
 */

/**
 * What was asked.
 *
 * @typedef {Object} ChoiceHeader
 * @property {"forward" | "backward" | "corridor"} reading  one of three
 * @property {number} source  position of the token that is replaced
 * @property {number} target  position whose prediction is meant
 * @property {number | null} replacement  token id in the place of the source; null = drawn from the text
 * @property {string} cut  "", "wall:POSITION" or "layer:NUMBER" (from 1)
 * @property {number | null} window  of every layer; null = the model's own
 * @property {number} sinks  first tokens that stay visible beside that window
 */

/**
 * How far something is felt, in tokens; all null = nothing was felt.
 *
 * @typedef {Object} Spread
 * @property {number | null} noticed  distance of the farthest value of at least 0.001 nats; null = none is as large
 * @property {number | null} farthest  distance of the farthest value that is not 0
 * @property {number | null} felt  that value, nats
 * @property {number | null} within90  distance that holds 90 % of the sum
 * @property {number | null} within99  distance that holds 99 % of the sum
 * @property {number} room  tokens from the anchor to the end of the text
 * @property {number} [outside]  positions beyond the edge
 * @property {number} [outside_top]  largest value there
 * @property {number} [left]  share that arrives although something is cut
 */

/**
 * Numbers beside the forward reading.
 *
 * @typedef {Object} ForwardFacts
 * @property {number | null} noticed  distance of the farthest value of at least 0.001 nats; null = none is as large
 * @property {number | null} farthest  distance of the farthest value that is not 0
 * @property {number | null} felt  that value, nats
 * @property {number | null} within90  distance that holds 90 % of the sum
 * @property {number | null} within99  distance that holds 99 % of the sum
 * @property {number} room  tokens from the anchor to the end of the text
 * @property {number} [outside]  positions beyond the edge
 * @property {number} [outside_top]  largest value there
 * @property {number} [left]  share that arrives although something is cut
 * @property {number | null} kl_top  largest change of a prediction beyond one window, nats; null = no window, or the text ends before
 * @property {number | null} kl_top_at  its position
 * @property {[number, number]} [surprise]  nats a token: as read here, and with the windows of the training
 */

/**
 * Numbers beside the backward reading.
 *
 * @typedef {Object} BackwardFacts
 * @property {number | null} noticed  distance of the farthest value of at least 0.001 nats; null = none is as large
 * @property {number | null} farthest  distance of the farthest value that is not 0
 * @property {number | null} felt  that value, nats
 * @property {number | null} within90  distance that holds 90 % of the sum
 * @property {number | null} within99  distance that holds 99 % of the sum
 * @property {number} room  tokens from the anchor to the end of the text
 * @property {number} [outside]  positions beyond the edge
 * @property {number} [outside_top]  largest value there
 * @property {number} [left]  share that arrives although something is cut
 * @property {number} probability  of the token that is explained
 */

/**
 * Numbers beside the corridor of a pair.
 *
 * @typedef {Object} CorridorFacts
 * @property {null} within90  not defined for a pair
 * @property {number} kl  change of the whole prediction, nats
 * @property {number} steps  gradient passes; 0 = nothing can pass
 * @property {boolean} [exact]  in float64; absent = nothing can pass
 * @property {number} change  of the explained token's log-probability, nats
 * @property {number | null} before  its probability; null = no token follows
 * @property {number | null} after  its probability after the swap; null = no token follows
 * @property {number} off  by how much a row of the grid misses the change at most, nats
 */

/**
 * Nothing is measured yet.
 *
 * @typedef {Object} NoFacts
 */

/**
 * The whole text so far and one reading of it.
 *
 * @typedef {Object} ReachHeader
 * @property {"reach"} picture  the page whose program draws it
 * @property {string} run  its name
 * @property {number} asked  number of the question that this answers
 * @property {number} total  tokens expected in the end
 * @property {"running" | "done"} status  of the run
 * @property {string} message  one sentence; may be empty
 * @property {number} n_prompt  tokens that were given
 * @property {number | null} layer  row where the visitor was: after which layer; null = not known
 * @property {boolean} can_measure  whether the model that wrote it is here
 * @property {ReachModel} model  the network that reads
 * @property {ShortText | null} short  null = there is room for the edge
 * @property {[number, number, string] | null} doing  of a measurement under way: steps done, in all, what is done
 * @property {boolean} stopped  the visitor ended the measurement
 * @property {[string, string, number][]} tokens  text, printable form and id of every token
 * @property {(number | null)[]} forward_edges  by row, how far on a change can be felt; null = everywhere
 * @property {(number | null)[]} backward_edges  by row, how far back it can come from; null = everywhere
 * @property {number | null} reach  exact reach of the network; null = unbounded
 * @property {ChoiceHeader} choice  what was asked
 * @property {string} replacement  printable form of the token put in; may be empty
 * @property {[number, string][]} options  ids and words that could be put in
 * @property {string} explained  printable form of the token whose prediction is meant; may be empty
 * @property {ForwardFacts | BackwardFacts | CorridorFacts | NoFacts} facts  numbers, by the reading of `choice`
 * @property {number} measured  positions that the grid has; 0 = theory alone
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * Rows: embedding, then after each layer. An exact 0 is an exact 0.
 *
 * @typedef {Object} ReachArrays
 * @property {Uint8Array} allowed  [rows, length] 1 = the reading can touch this state
 * @property {Float32Array} [grid]  [rows, measured] forward: relative change; backward, corridor: nats
 * @property {Float32Array} [kl]  [kl_length] change of each prediction, nats; may be empty
 * @property {Float32Array} [before]  [before_length] probability of the token that follows; may be empty
 * @property {Float32Array} [after]  [before_length] the same after the swap; may be empty
 * @property {Float32Array} [uncut]  [uncut_length] `kl` without the cut; may be empty
 */

/**
 * Sticky. What the visitor wants to see next.
 *
 * @typedef {Object} Ask
 * @property {"forward" | "backward" | "corridor"} reading  one of three
 * @property {number} source  position of the token that is replaced
 * @property {number} target  position whose prediction is meant
 * @property {number | null} replacement  token id in the place of the source; null = drawn from the text
 * @property {string} cut  "", "wall:POSITION" or "layer:NUMBER" (from 1)
 * @property {number | null} window  of every layer; null = the model's own
 * @property {number} sinks  first tokens that stay visible beside that window
 * @property {string} run  its name
 * @property {number} n  number of the question; the answer carries it
 * @property {number} layer  row that the visitor looks at
 * @property {string} [word]  a word of his own to put in; it wins over `replacement`
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
 * Sticky. A button: have more written, stop measuring, measure after all.
 *
 * @typedef {Object} Act
 * @property {string} run  its name
 * @property {"write" | "stop" | "again"} what  the button
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
