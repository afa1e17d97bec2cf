// What this tab remembers of a visit. All else lies on the server, and is gone when that is started again or when the
// page is loaded anew: what the browser can keep is offered again, the rest is said.

import { el } from "./dom.js";
import { shorten } from "./format.js";
import { openHere } from "./opening.js";

/** @typedef {{ session: string, runs: Record<string, string>, typed: string, files: string[] }} Visit  the session that
 * the server named; texts by their address; what stands in the field of next_word; files that were opened */
/** @typedef {{ getItem: (key: string) => string | null, setItem: (key: string, value: string) => void }} Drawer */

const KEY = "mistral-explorer-visit";
/** What an address says of a run, as the server spells it (one typed by hand may leave out a part); the rest says where
 * in it one was. */
const ALWAYS = ["model", "text", "seed", "n"];
const OF_RUN = [...ALWAYS, "temp", "topk", "topp", "minp", "rep", "forced", "chat"];
/** As many texts as a session keeps. */
const MOST = 8;

/** @returns {Visit} */
const nothing = () => ({ session: "", runs: {}, typed: "", files: [] });

/** @param {Drawer} drawer @returns {Visit} */
export function recalled(drawer) {
  try {
    return { ...nothing(), ...JSON.parse(drawer.getItem(KEY) ?? "{}") };
  } catch {
    return nothing(); // no room, or not ours: as if nothing had been kept
  }
}

/** @param {Drawer} drawer @param {Visit} visit */
function keep(drawer, visit) {
  try {
    drawer.setItem(KEY, JSON.stringify(visit));
  } catch {
    // a browser that keeps nothing: then nothing is offered
  }
}

/** The run that an address names, and its text; null where it names none.
 * @param {string} search */
export function runOf(search) {
  const asked = new URLSearchParams(search);
  const text = asked.get("text");
  if (!text || ALWAYS.some((name) => !asked.has(name))) return null;
  const query = new URLSearchParams(OF_RUN.flatMap((name) => asked.getAll(name).map((value) => [name, value])));
  return { query: query.toString(), text };
}

/** A run's address without its length: a text that was lengthened is one text.
 * @param {string} query */
function but(query) {
  const asked = new URLSearchParams(query);
  asked.delete("n");
  return asked.toString();
}

/** @param {Drawer} drawer @param {string} search  the address that is shown now */
export function noteAddress(drawer, search) {
  const run = runOf(search);
  const visit = recalled(drawer);
  if (!run || Object.keys(visit.runs).at(-1) === run.query) return;
  for (const query of Object.keys(visit.runs)) if (but(query) === but(run.query)) delete visit.runs[query];
  visit.runs[run.query] = run.text;
  visit.runs = Object.fromEntries(Object.entries(visit.runs).slice(-MOST));
  keep(drawer, visit);
}

/** @param {Drawer} drawer @param {Partial<Pick<Visit, "typed" | "files">>} said */
export function note(drawer, said) {
  keep(drawer, { ...recalled(drawer), ...said });
}

/** What the session that now serves this tab does not have of the one before; null while it is the same one.
 * @param {Drawer} drawer @param {string} session @param {string} search */
export function lost(drawer, session, search) {
  const visit = recalled(drawer);
  if (visit.session === session) return null;
  keep(drawer, { ...visit, session, files: [] });
  if (!visit.session) return null;
  const now = runOf(search);
  const runs = Object.entries(visit.runs).filter(([query]) => query !== now?.query);
  const written = [now?.text, ...Object.values(visit.runs)].map((text) => text?.trim());
  const typed = written.includes(visit.typed.trim()) ? "" : visit.typed;
  return { runs, typed, files: visit.files };
}

/** @type {ReturnType<typeof lost>} what is to be said until it is closed */
let pending = null;
/** @type {HTMLElement | null} where the page has room for it */
let place = null;
/** Whether the session ended under the open page: said even where nothing is gone, since a text begins once more. */
let anew = false;

/** Says what is gone, with what can be had again, until it is closed; on each page that is opened meanwhile too.
 * @param {HTMLElement} room @param {string} session  as the server names it */
export function visited(room, session) {
  const before = place;
  if (!before) listen();
  place = room;
  const gone = lost(sessionStorage, session, location.search);
  anew ||= Boolean(before && gone);
  pending = gone ?? pending;
  show();
}

/** What is typed and what is opened, from now on. */
function listen() {
  document.addEventListener("input", ({ target }) => {
    if (target instanceof HTMLTextAreaElement && target.closest("[class*='st-key-prompt']"))
      note(sessionStorage, { typed: target.value });
  });
  /** @param {FileList | null | undefined} files */
  const opened = (files) => {
    const names = Array.from(files ?? [], (file) => file.name);
    if (names.length) note(sessionStorage, { files: [...new Set([...recalled(sessionStorage).files, ...names])] });
  };
  /** @param {EventTarget | null} target */
  const isUpload = (target) => target instanceof Element && target.closest(".st-key-upload");
  document.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement && isUpload(target)) opened(target.files);
  });
  document.addEventListener("drop", (event) => isUpload(event.target) && opened(event.dataTransfer?.files), true);
}

function show() {
  const { runs, typed, files } = pending ?? { runs: [], typed: "", files: [] };
  if (!place) return;
  place.replaceChildren();
  const offers = runs.length || typed || files.length;
  if (!offers && !anew) return;
  const gone = offers ? "What was written before is not here." : "The text that the address names is written again.";
  const close = () => {
    pending = null;
    anew = false;
    show();
  };
  place.append(
    el(
      "details",
      {},
      el("summary", {}, el("b", {}, "This visit began anew."), ` ${gone}`),
      el(
        "p",
        {},
        "The page was loaded again, or the server was started again or was out of reach, and forgot what you had " +
          "written, measured and opened. What the address names is written again; this browser remembers the rest.",
      ),
    ),
    ...(typed ? [el("p", {}, "Typed, not written yet: ", el("q", {}, shorten(typed, 160)), " ", copying(typed))] : []),
    ...(runs.length
      ? [el("p", {}, "Write again: ", ...runs.flatMap(([query, text], i) => [i ? " · " : "", again(query, text)]))]
      : []),
    ...(files.length ? [el("p", {}, `To be opened again, from your disk: ${files.join(", ")}.`)] : []),
    el("button", { type: "button", onclick: close }, "close"),
  );
}

/** Opens a text in the visit that is under way: as if one came back to its address.
 * @param {string} query @param {string} text */
function again(query, text) {
  const href = `${location.pathname}?${query}`;
  const title = `${shorten(text, 60)} · seed ${new URLSearchParams(query).get("seed") ?? "0"}`;
  /** @param {Event} event */
  const onclick = (event) => {
    event.preventDefault();
    openHere(href);
    pending = pending && { ...pending, runs: pending.runs.filter(([other]) => other !== query) };
    show();
  };
  return el("a", { href, onclick }, title);
}

/** @param {string} text */
function copying(text) {
  /** @param {Event} event */
  const onclick = async ({ target }) => {
    await navigator.clipboard.writeText(text);
    if (target instanceof HTMLElement) target.textContent = "copied";
  };
  return el("button", { type: "button", onclick }, "copy");
}
