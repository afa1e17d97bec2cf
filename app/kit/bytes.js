// A character that is no piece of the vocabulary is written byte by byte, each a token; on screen they belong together.

const BYTE = /^<0x[0-9A-F]{2}>$/;

/** Stands in a text for a byte whose character is not complete yet. */
export const BYTE_MARK = "▪";

/** @param {string} piece */
export const isByte = (piece) => BYTE.test(piece);

/**
 * Names the bytes of one character after it: "ä 1/2" and "ä 2/2" in place of "<0xC3>" and "ä".
 *
 * @param {string[]} texts  what each token adds to the text: all but the last byte of a character add nothing
 * @param {string[]} pieces  of the vocabulary, that the tokens are
 * @param {string[]} labels  by which they are called on screen; changed
 * @param {number} from  the first that is new
 */
export function nameBytes(texts, pieces, labels, from) {
  let first = from;
  while (first > 0 && isByte(pieces[first - 1]) && !texts[first - 1]) first--;
  for (let end = first; end < texts.length; end++) {
    if (!isByte(pieces[end])) first = end + 1;
    else if (texts[end]) {
      const many = end - first + 1;
      for (let i = first; many > 1 && i <= end; i++) labels[i] = `${texts[end].trim()} ${i - first + 1}/${many}`;
      first = end + 1;
    }
  }
}

const NAMED = /^(.+) (\d)\/(\d)$/su;

/**
 * What a token that is one byte of a character is; "" = it is none.
 *
 * @param {string | undefined} label  as `nameBytes` left it
 */
export function byteNote(label) {
  const named = NAMED.exec(label ?? "");
  if (!named) return "";
  const [, character, one, many] = named;
  return (
    `“${character}” is no piece of the vocabulary: it is written as ${many} bytes, each a token of its own. ` +
    `This is byte ${one}; the character stands where the last one is.`
  );
}

/** Of a text's first token, where that is no word. */
export const BEGIN =
  "The mark of the begin, which the tokenizer puts before every text: no word, and nothing came before it.";

/**
 * What has to be said of a token that is no piece of a text: the mark of the begin, or one byte; "" = nothing.
 *
 * @param {{ labels: string[], texts: string[] }} run
 * @param {number} position
 */
export function tokenNote({ labels, texts }, position) {
  return position === 0 && !texts[0] ? BEGIN : byteNote(labels[position]);
}
