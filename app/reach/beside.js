// Two readings beside each other: the same question is asked of both runs, and what comes of it is compared.

import { clamp } from "../kit/format.js";
import { companion, say } from "../kit/together.js";
import { tiny } from "./decades.js";

/** @typedef {import("./page.js").default} Page */

/** Without an answer, before a question is asked once more. */
const PATIENCE_MS = 2500;

/**
 * How a run is looked at and what it is asked.
 *
 * @param {Page} page
 */
export function sharedOf({ reading, row, zoom, stripBy, scaleName, end }) {
  return {
    choice: reading?.choice ?? null,
    model: reading?.run.meta.model.name ?? "",
    row,
    zoom,
    stripBy,
    scaleName,
    end,
  };
}

/** The weights behind a model's name, whatever window is imposed on it and whatever is broken in it.
 * @param {string} name */
const weightsOf = (name) => name.split(/[@~]/)[0];

/**
 * Asks a run what the one beside is asked, as far as it has such a place; another model's words are its own.
 *
 * @param {Page} page
 * @param {ReturnType<typeof sharedOf>} shared
 */
export function followed(page, { choice, model, row, ...looks }) {
  const { reading } = page;
  if (!reading || !choice) return;
  Object.assign(page, looks);
  page.row = clamp(row, 0, reading.network.layers);
  if (page.zoom === "hops" && (!reading.network.large || reading.network.sinks)) page.zoom = "all";
  const last = reading.run.count - 1;
  const asked = { ...choice, source: Math.min(choice.source, last), target: Math.min(choice.target, last) };
  if (weightsOf(model) !== weightsOf(reading.run.meta.model.name)) asked.replacement = null;
  if (JSON.stringify(asked) === JSON.stringify({ ...reading.choice })) page.draw();
  else page.askAlone(asked);
}

/**
 * How much all later predictions change together, nats; NaN = not measured, or not asked.
 *
 * @param {import("./reading.js").Reading | null} reading
 */
export function feltInAll(reading) {
  const kl = reading?.fresh && reading.choice.reading === "forward" ? reading.arrays.kl : undefined;
  if (!reading || !kl) return Number.NaN;
  let sum = 0;
  for (let position = reading.choice.source + 1; position < kl.length; position++) sum += kl[position];
  return sum;
}

/**
 * Says on a picture what differs between its run and the one beside it.
 *
 * @param {Page} page
 */
export function tellReadingsApart(page) {
  say(page, (other) => {
    const alike = page.run?.count === other.run.count && page.reading?.choice.source === other.reading?.choice.source;
    const [mine, theirs] = [page, other].map(({ reading }) => (alike ? feltInAll(reading) : Number.NaN));
    return Number.isNaN(mine) || Number.isNaN(theirs)
      ? "the same question, asked of both runs"
      : `all later predictions together change by ${tiny(mine)} nats, there by ${tiny(theirs)}`;
  });
}

/**
 * Of two pictures that ask at the same moment Streamlit may answer one alone: a question that was not heard is asked
 * once more.
 *
 * @param {Page} page
 * @param {{ word?: string }} extra
 */
export function askOnceMore(page, extra) {
  clearTimeout(page.waiting);
  if (!companion(page)) return;
  page.waiting = setTimeout(() => {
    if (!page.root.isConnected || page.answered >= page.asked) return;
    page.asked += 1;
    page.question(extra);
  }, PATIENCE_MS);
}
