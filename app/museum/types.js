// What goes to and comes from the museum of mistakes: a text read both ways, what is read wrongly, and questions.
// Rendered by `python -m app.wire_types` from app/museum/messages.py; change it there.

/**
 * A historical mistake.
 *
 * @typedef {Object} Story
 * @property {string} name  as URLs have it
 * @property {string} title  in words
 * @property {string} story  what was done
 * @property {string} lesson  what one learns from it
 * @property {string[]} seen  where it was seen
 * @property {string} problem  why it cannot be shown with this model and text; may be empty
 */

/**
 * What the mistake does to the text.
 *
 * @typedef {Object} ReadBothWays
 * @property {number | null} errs_from  first position with another bit in its logits; null = none
 * @property {number | null} expected  where the story says that it begins; null = nowhere, but by rounding
 * @property {number} largest  largest absolute logit of the right reading
 * @property {[string, string]} written  what is written on, right and wrong
 * @property {number} same  how many characters of them are the same from the beginning
 */

/**
 * A line of the table of verify, of the copy with the mistake.
 *
 * @typedef {Object} Line
 * @property {string} check  its name
 * @property {string} compared  what with what
 * @property {number | null} error  largest absolute difference; null = not measured
 * @property {number | null} bound  what is allowed
 * @property {"caught" | "passes" | "does not apply" | "fails anyway"} verdict  of this mistake
 */

/**
 * What verify says of the copy with the mistake.
 *
 * @typedef {Object} Checked
 * @property {string[]} by  checks that caught it
 * @property {boolean} others_alone  whether only numbers of another program tell
 * @property {Line[]} lines  the table
 */

/**
 * The stories, and what was measured of the open one.
 *
 * @typedef {Object} MuseumHeader
 * @property {"museum"} picture  whose program draws it
 * @property {string} run  name of the run whose text is read
 * @property {number} asked  number of the question that this answers
 * @property {"running" | "done"} status  of the run
 * @property {string} message  one sentence; may be empty
 * @property {number} n_prompt  tokens that were given
 * @property {import("../kit/types.js").ModelShape} model  the network
 * @property {boolean} can_measure  whether the model that wrote it is here
 * @property {[string, string, number][]} tokens  text, printable form and id of every token that is read
 * @property {number} unread  tokens behind them that are not read: more would take too long
 * @property {number | null} at  position where the hand was on the page before
 * @property {number | null} window  the smallest window of a layer, of which the pictures are; null = no layer has one
 * @property {Story[]} stories  all mistakes
 * @property {string} mistake  name of the open one
 * @property {ReadBothWays | null} measured  null = not yet, or it cannot be shown
 * @property {[number, number, string] | null} reading  of the measurement under way: steps done, in all, what is done
 * @property {boolean} stopped  the visitor ended it
 * @property {"reads" | "order" | "distance" | "dials" | "heads" | null} drawing  which picture the arrays make
 * @property {Checked | null} checked  null = not asked, not yet, or it cannot be asked
 * @property {[number, number, string] | null} checking  of verify under way
 * @property {string} checkable  why verify cannot be asked; empty = it can
 * @property {import("../kit/types.js").Code[]} codes  the right function and the wrong one
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * What was measured along the text, and what is drawn, right and wrong.
 *
 * @typedef {Object} MuseumArrays
 * @property {Float32Array} [error]  [length] largest absolute difference of a logit
 * @property {Float32Array} [kl]  [length] KL of the next token's distribution, nats
 * @property {Uint16Array} [read_right]  [length, length] share x 65535 of each position in what each query reads
 * @property {Uint16Array} [read_wrong]  [length, length] the same with the mistake
 * @property {Int32Array} [order_right]  [keys] positions in the order in which they are met
 * @property {Int32Array} [order_wrong]  [keys] the same with the mistake
 * @property {Float32Array} [turned_right]  [length] position by which each key is turned
 * @property {Float32Array} [turned_wrong]  [length] the same with the mistake
 * @property {Int32Array} [pairs_right]  [pairs, two] features that are turned together
 * @property {Int32Array} [pairs_wrong]  [pairs, two] the same with the mistake
 * @property {Float32Array} [angle_right]  [pairs] radians a position
 * @property {Float32Array} [angle_wrong]  [pairs] the same with the mistake
 * @property {Int32Array} [reader_right]  [heads] key head that each head reads, from 0
 * @property {Int32Array} [reader_wrong]  [heads] the same with the mistake
 */

/**
 * Sticky. The mistake that the visitor opens.
 *
 * @typedef {Object} Ask
 * @property {string} run  name of the run
 * @property {number} n  number of the question; the answer carries it
 * @property {string} mistake  its name
 */

/**
 * Sticky. A button: stop reading, read after all; ask verify, stop it.
 *
 * @typedef {Object} Act
 * @property {string} run  name of the run
 * @property {"stop" | "again" | "verify" | "stop_verify"} what  the button
 * @property {number} n  another number at every press
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {Ask} ask
 * @property {Act} act
 */

export {};
