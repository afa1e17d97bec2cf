// What goes to and comes from the picture of the page start: that of next_word, and the story of one word.
// Rendered by `python -m app.wire_types` from app/start/messages.py; change it there.

/**
 * What ordinary words do where the word of the story does most; from `python -m mistral_core influence-example`.
 *
 * @typedef {Object} Typical
 * @property {string} rule  how the words were chosen
 * @property {number} seed  of the texts
 * @property {number} distance  tokens between a word and the prediction
 * @property {number} sources  words that were replaced
 * @property {number} kl_mean  mean change of the prediction, nats
 * @property {number} kl_median  median, nats
 * @property {number} kl_max  largest, nats
 */

/**
 * One word of the recorded text, its swap, and how the change gets through.
 *
 * @typedef {Object} Story
 * @property {string} word  that stands in the text
 * @property {string} swap  that was put in its place
 * @property {string[]} answers  continuation that each word makes likely
 * @property {number} position  of the word
 * @property {number} target  position whose prediction is asked about
 * @property {number} kl  change of the whole prediction, nats
 * @property {number[]} first  probability of each answer after the word
 * @property {number[]} swapped  probability of each answer after the swap
 * @property {number} candidates  examples that were tried; this is the strongest
 * @property {Typical} typical  ordinary words at the same distance
 * @property {number[][]} through  nats through each state: rows = embedding, then after each layer
 * @property {number} leaves  position at which the word has left every ring
 * @property {number} change  of the first answer's log-probability, nats; what each row adds up to
 * @property {string} command  that measured all this
 */

/**
 * The recorded run, and what is asked about it.
 *
 * @typedef {Object} StartHeader
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
 * @property {import("../next_word/types.js").Sliders | null} sampling  where the sliders stand; null = there are none for this run
 * @property {import("../next_word/types.js").BranchEntry[]} branches  all runs of the session, oldest first
 * @property {string} current  name of the run that is shown
 * @property {number} follow  grows when the playhead should jump to the end and follow
 * @property {number | null} answered  `n` of the branch that was asked for last
 * @property {import("../next_word/types.js").StageRange | null} stages  null = no alternatives are contained
 * @property {Record<string, string>} labels  printable form of every token in `alt_ids`, by its id
 * @property {Story | null} story  null = the example belongs to another recording
 * @property {Record<string, import("../kit/types.js").ArraySpec>} arrays  where each array lies
 */

/**
 * One-shot. The visitor wants to go on, on another page.
 *
 * @typedef {Object} Go
 * @property {"ring" | "reach"} to  the page
 * @property {number} n  another number at every press
 */

/**
 * What the picture says, by name.
 *
 * @typedef {Object} Events
 * @property {Go} go
 */

export {};
