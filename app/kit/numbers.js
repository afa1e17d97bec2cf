// The numbers behind a picture as a table: for whoever does not see it, for copying, and as a file.

import { csv, save } from "./csv.js";
import { el } from "./dom.js";
import { grouped } from "./format.js";

/** @typedef {import("./csv.js").Cell} Cell */
/**
 * What a picture shows at one moment.
 *
 * @typedef {Object} Numbers
 * @property {string} title  of the table, and the name of its file
 * @property {string[]} names  of the columns, with units
 * @property {Cell[][]} rows
 * @property {string} [note]  what else must be known to read them
 */
/** @typedef {() => Numbers | null} Give  null = nothing is drawn yet */

const MOST_ROWS = 400;
const WAIT = 250; // ms between two looks whether there are numbers now
const SEVERAL = 4; // digits: enough to read, where the file has all

/**
 * Puts a button into the head of each card whose picture has numbers.
 *
 * @param {{ root: HTMLElement, run: unknown }} surface  whose run is null until something has come
 * @param {Record<string, Give>} tables  by a `data-part` in the card
 */
export function offerNumbers(surface, tables) {
  const { root } = surface;
  for (const [part, give] of Object.entries(tables)) {
    const head = root.querySelector(`[data-part="${part}"]`)?.closest(".mx-card")?.querySelector(".mx-head");
    if (!head) throw new Error(`No card of the picture has a data-part="${part}".`);
    const button = el(
      "button",
      {
        type: "button",
        class: "mx-link mx-tabled",
        "data-table": part,
        title: "The numbers of this picture as a table",
        onclick: () => open(root, () => (surface.run ? give() : null)),
      },
      "table",
    );
    const badge = head.querySelector(".mx-badge");
    if (badge) badge.before(button);
    else head.append(button);
  }
}

/**
 * Shows what is drawn when it is opened; while nothing is, it waits for the first numbers.
 *
 * @param {HTMLElement} root
 * @param {Give} give
 */
function open(root, give) {
  const box = el("dialog", { class: "mx-dialog" });
  const fill = () => {
    const numbers = give();
    const some = Boolean(numbers?.rows.length);
    if (some || !box.firstChild) {
      box.setAttribute("aria-label", numbers?.title ?? "No numbers yet");
      box.replaceChildren(
        ...(numbers && some ? filled(numbers) : [el("p", {}, "Nothing is drawn here yet.")]),
        closing(box),
      );
    }
    return some;
  };
  const looks = fill() ? 0 : setInterval(() => fill() && clearInterval(looks), WAIT);
  box.addEventListener("keydown", (event) => event.stopPropagation()); // the page behind it must not step
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });
  box.addEventListener("close", () => {
    clearInterval(looks);
    box.remove();
  });
  root.append(box);
  box.showModal();
}

/** @param {HTMLDialogElement} box */
const closing = (box) =>
  el("button", { type: "button", class: "mx-chip mx-dialog-close", onclick: () => box.close() }, "close");

/** @param {Numbers} numbers */
function filled({ title, names, rows, note }) {
  const first = rows.slice(0, MOST_ROWS);
  const table = el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...first.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, written(cell)))))),
  );
  const said = el("span", { class: "mx-note", role: "status" }, size(rows.length));
  return [
    el("h2", {}, title),
    note ? el("p", { class: "mx-note" }, note) : "",
    el("div", { class: "mx-scroll", tabindex: 0, role: "region", "aria-label": title }, table),
    el(
      "p",
      { class: "mx-dialog-foot" },
      el("button", { type: "button", class: "mx-chip", onclick: () => copy(names, rows, table, said) }, "copy"),
      el(
        "button",
        { type: "button", class: "mx-chip", onclick: () => save(fileName(title), csv(names, rows)) },
        "save as CSV",
      ),
      said,
    ),
  ];
}

/** @param {number} count */
const size = (count) =>
  count > MOST_ROWS
    ? `the first ${grouped(MOST_ROWS)} of ${grouped(count)} rows; a copy and the file have all`
    : `${grouped(count)} rows`;

/**
 * To a spreadsheet; where the page may not reach the clipboard, the table is marked for the visitor's own hand.
 *
 * @param {string[]} names
 * @param {Cell[][]} rows
 * @param {HTMLTableElement} table
 * @param {HTMLElement} said
 */
async function copy(names, rows, table, said) {
  const lines = [names, ...rows].map((cells) => cells.map((cell) => String(cell ?? "").replace(/\s/g, " ")).join("\t"));
  try {
    await navigator.clipboard.writeText(lines.join("\n"));
    said.textContent = "copied";
  } catch {
    getSelection()?.selectAllChildren(table);
    said.textContent = "marked; press Ctrl+C";
  }
}

/**
 * As it stands in the table.
 *
 * @param {Cell} cell
 */
export function written(cell) {
  if (typeof cell === "string") return cell;
  if (cell === null || Number.isNaN(cell)) return "–";
  if (!Number.isFinite(cell)) return cell < 0 ? "−∞" : "∞";
  const text = Number.isInteger(cell) ? grouped(cell) : String(Number(cell.toPrecision(SEVERAL)));
  return text.replaceAll("-", "−");
}

/**
 * Letters and digits of a title.
 *
 * @param {string} title
 */
export const fileName = (title) =>
  `${title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")}.csv`;
