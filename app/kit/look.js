// What a picture looks like, fetched once: its markup with the pieces that it includes, and its style.

/** Of every picture, in this order; the picture's own comes last. */
const STYLES = ["kit/theme.css", "kit/kit.css", "kit/layout.css", "kit/text.css", "kit/timeline.css", "kit/panels.css"];
const INCLUDE = /<!-- include (\S+) -->/g;

/** @type {Map<string, Promise<string>>} */
const texts = new Map();

/**
 * Texts that need not be fetched any more: Python sends them with the page's first element, since each request costs a
 * visitor more than its few hundred bytes.
 *
 * @param {Record<string, string>} files by name below app/
 */
export function given(files) {
  for (const [name, source] of Object.entries(files)) texts.set(name, Promise.resolve(source));
}

/** @param {string} name below app/ */
async function read(name) {
  const answer = await fetch(new URL(`../${name}`, import.meta.url));
  if (!answer.ok) throw new Error(`${name} cannot be had: ${answer.status}`);
  return answer.text();
}

/** @param {string} name */
function text(name) {
  const known = texts.get(name) ?? read(name);
  texts.set(name, known);
  return known;
}

/** The markup of a file, each `<!-- include FILE -->` in it replaced by that file.
 * @param {string} name
 * @returns {Promise<string>} */
async function markup(name) {
  const source = await text(name);
  const names = [...source.matchAll(INCLUDE)].map((match) => match[1]);
  const pieces = new Map(
    await Promise.all(names.map(async (piece) => /** @type {const} */ ([piece, await markup(piece)]))),
  );
  return source.replace(INCLUDE, (_, piece) => pieces.get(piece)?.trim() ?? "");
}

/** @param {string} picture its folder
 * @returns {Promise<{ markup: string, style: string }>} */
export async function lookOf(picture) {
  const [html, ...styles] = await Promise.all([
    markup(`${picture}/picture.html`),
    ...[...STYLES, `${picture}/picture.css`].map(text),
  ]);
  return { markup: html, style: styles.join("\n") };
}
