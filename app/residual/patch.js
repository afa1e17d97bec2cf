// Patch by hand: the grid of another text under that of this one, of which a cell is dragged (or put by a key or a
// button) onto the same cell above; and what the next word becomes.

import { Cells } from "./cells.js";
import { el, segmented } from "../kit/dom.js";
import { grouped, percent, plural, quoted, shorten } from "../kit/format.js";
import { shade } from "../kit/colour.js";

/**
 * @typedef {import("./run.js").ResidualRun} ResidualRun
 * @typedef {import("./types.js").Lender} Lender
 */

/** @type {[Lender["way"], string][]} */
const WAYS = [
  ["word", "another word"],
  ["prompt", "another prompt"],
];
const DRAG = 5; // px: a shorter way is a click

export class Patch {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    /** @type {Lender["way"]} */
    this.way = "word";
    this.canvas = page.part("lender", HTMLCanvasElement);
    this.cells = new Cells(page, this.canvas);
    /** @type {{ cell: import("./cells.js").Cell, x: number, y: number } | null} what is under the hand that is down */
    this.down = null;
    this.ghost = page.part("ghost");
    this.canvas.addEventListener("pointerdown", (event) => this.take(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", (event) => this.drop(event));
    this.canvas.addEventListener("pointercancel", () => this.end());
    page.part("lend", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      page.lend({ way: this.way, at: this.way === "word" ? page.t : 0, text: this.field().value });
    });
    this.field().addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      page.part("lend", HTMLFormElement).requestSubmit();
    });
    page.part("put").addEventListener("click", () => page.put({ row: page.row, position: page.t }));
    page.part("back").addEventListener("click", () => page.put(null));
  }

  field() {
    return this.page.part("lend-text", HTMLTextAreaElement);
  }

  /** @param {PointerEvent} event */
  take(event) {
    const cell = this.cells.hit(event);
    if (!cell || !this.lends(cell)) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.down = { cell, x: event.clientX, y: event.clientY };
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { down, page } = this;
    if (!down || (!page.aimed && Math.hypot(event.clientX - down.x, event.clientY - down.y) < DRAG)) return;
    const box = page.root.getBoundingClientRect();
    this.ghost.hidden = false;
    this.ghost.textContent = page.run.label(page.run.cell("patch", "lender_top", down.cell.row, down.cell.position));
    this.ghost.style.transform = `translate(${event.clientX - box.left + 8}px, ${event.clientY - box.top - 12}px)`;
    if (!page.aimed) page.aim(down.cell);
  }

  /** @param {PointerEvent} event */
  drop(event) {
    const { down, page } = this;
    const dragged = page.aimed !== null;
    this.end();
    if (!down) return;
    if (!dragged) {
      page.choose(down.cell.position, down.cell.row);
      return;
    }
    const box = page.part("heat", HTMLCanvasElement).getBoundingClientRect();
    const over =
      event.clientX > box.left && event.clientX < box.right && event.clientY > box.top && event.clientY < box.bottom;
    if (over) page.put(down.cell);
  }

  end() {
    this.down = null;
    this.ghost.hidden = true;
    if (this.page.aimed) this.page.aim(null);
  }

  /** Whether the other text has this cell.
   * @param {import("./cells.js").Cell} cell */
  lends({ row, position }) {
    return !Number.isNaN(this.top("lender_top", row, position));
  }

  /** Of the other text, whose arrays may be shorter.
   * @param {"lender_top" | "lender_probability"} name
   * @param {number} row
   * @param {number} position */
  top(name, row, position) {
    const has = this.page.run.section("patch");
    const values = has?.arrays[name];
    if (!has || !values) return NaN;
    const count = values.length / this.page.run.rows;
    const index = position - has.block.first;
    return index >= 0 && index < count ? values[row * count + index] : NaN;
  }

  /** @param {ResidualRun} run */
  draw(run) {
    const { page } = this;
    segmented(page.part("way"), WAYS, this.way, (way) => {
      this.way = way;
      page.draw();
    });
    const word = run.labels[page.t].trim() || "␣";
    const field = this.field();
    page
      .part("lend-name")
      .replaceChildren(...(this.way === "word" ? [quoted(shorten(word, 12)), " becomes"] : ["it reads"]));
    field.setAttribute("aria-label", this.way === "word" ? "The word in its place" : "The other prompt");
    field.placeholder = this.way === "word" ? "another word" : "a few words";
    const facts = run.section("patch") ? run.meta.patch : null;
    page.part("lender-box").hidden = !facts;
    page.part("put-box").hidden = !facts;
    page.part("patch-badge").textContent = run.meta.can_measure ? "model" : "no model";
    if (!facts) {
      page.part("patch-next").replaceChildren();
      page.part("patch-facts").replaceChildren(this.intro(run));
      return;
    }
    this.cells.draw({
      view: page.view(),
      rows: run.rows,
      look: (row, position) => {
        const top = this.top("lender_top", row, position);
        if (Number.isNaN(top)) return null;
        const share = shade(this.top("lender_probability", row, position));
        return { share, colour: page.colour.attention, label: run.label(top) };
      },
      word: (position) => facts.words[position - facts.first] ?? "",
      at: { row: page.row, position: page.t },
      marked: facts.cell ? [facts.cell] : [],
    });
    page.part("put", HTMLButtonElement).disabled = !this.lends({ row: page.row, position: page.t });
    page.part("back").hidden = !facts.cell;
    this.answer(run, facts);
  }

  /** @param {ResidualRun} run */
  intro(run) {
    const waiting = this.page.lender !== null && run.meta.working;
    return el(
      "p",
      { class: "mx-note" },
      waiting
        ? "Reading the other text …"
        : "Read a second text beside this one, then carry a single state of it over: what does the next word become?",
    );
  }

  /** @param {ResidualRun} run
   * @param {import("./types.js").PatchFacts} facts */
  answer(run, facts) {
    const { page } = this;
    const { cell } = facts;
    if (!cell) {
      page
        .part("patch-facts")
        .replaceChildren(
          el(
            "p",
            { class: "mx-note" },
            "Drag a cell of this grid onto the one above, or choose it and press the button (p).",
          ),
        );
      page.part("patch-next").replaceChildren();
      return;
    }
    const where = cell.row ? `after layer ${cell.row}` : "at the embedding";
    const kl = run.cell("patch", "patched_kl", 0, page.t);
    const all = run.rows * run.count - facts.inside;
    page
      .part("patch-facts")
      .replaceChildren(
        el("p", {}, `The state of position ${cell.position} ${where} is the other text’s. `),
        el(
          "p",
          {},
          "The window lets it reach ",
          el("b", {}, plural(facts.inside, "cell")),
          `; ${grouped(facts.moved)} of them changed. Of the ${grouped(all)} others `,
          el("b", {}, facts.outside ? `${grouped(facts.outside)} changed` : "no bit changed"),
          ".",
        ),
        el(
          "p",
          {},
          kl > 0
            ? `After position ${page.t}: KL ${kl < 0.001 ? kl.toExponential(1) : kl.toFixed(3)} nats.`
            : `After position ${page.t} the prediction is the same, bit for bit.`,
        ),
      );
    this.next(run);
  }

  /** The next word at the chosen position, before and after.
   * @param {ResidualRun} run */
  next(run) {
    const { page } = this;
    const has = run.section("patch");
    const index = run.column("patch", page.t);
    const { choice_tokens: tokens, choice_before: before, choice_after: after } = has?.arrays ?? {};
    if (!has || index < 0 || !tokens || !before || !after) return;
    const each = tokens.length / has.block.count;
    const from = index * each;
    const most = Math.max(...before.subarray(from, from + each), ...after.subarray(from, from + each));
    const bar = (/** @type {string} */ look, /** @type {number} */ share) => {
      const node = el("i", { class: look });
      node.style.width = `${(100 * share) / most}%`;
      return node;
    };
    const rows = Array.from({ length: each }, (_, i) =>
      el(
        "div",
        { class: "mx-row", "data-token": tokens[from + i] },
        el("span", { class: "mx-word" }, run.label(tokens[from + i]).trim() || "␣"),
        el("span", { class: "mx-bar-track" }, bar("mx-fill", after[from + i]), bar("mx-outline", before[from + i])),
        el("span", { class: "mx-num mx-before" }, percent(before[from + i])),
        el("span", { class: "mx-num mx-after" }, percent(after[from + i])),
      ),
    );
    const head = el(
      "div",
      { class: "mx-row mx-columns" },
      el("span", {}, "next word"),
      el("span", {}),
      el("span", { class: "mx-num" }, "▯ as it is"),
      el("span", { class: "mx-num" }, "▮ patched"),
    );
    page.part("patch-next").replaceChildren(head, ...rows);
  }
}
