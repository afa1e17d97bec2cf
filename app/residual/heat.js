// The main picture: what every layer would say at every position, one number a cell in colour and its word.

import { Cells } from "./cells.js";
import { el, legend, segmented } from "../kit/dom.js";
import { grouped, percent, quoted, rowName } from "../kit/format.js";
import { shade } from "../kit/colour.js";

/**
 * @typedef {import("./run.js").ResidualRun} ResidualRun
 * @typedef {import("./cells.js").Cell} Cell
 * @typedef {"probability" | "rank" | "entropy" | "kl" | "change"} Measure
 */

/** @type {[Measure, string, string?][]} */
const MEASURES = [
  ["probability", "p of the final word", "final word"],
  ["rank", "its rank", "rank"],
  ["entropy", "entropy", "bits"],
  ["kl", "KL to the end", "KL to the end"],
];
/** @type {[Measure, string, string?]} */
const CHANGE = ["change", "change by the patch", "patch"];
/** @type {["near" | "all", string][]} */
const ZOOMS = [
  ["near", "near, with words"],
  ["all", "all"],
];
const WIDEST = 4; // nats of KL that are fully coloured

export class Heat {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.canvas = page.part("heat", HTMLCanvasElement);
    this.cells = new Cells(page, this.canvas);
    this.canvas.addEventListener("click", (event) => {
      const cell = this.cells.hit(event);
      if (cell) page.choose(cell.position, cell.row);
    });
    this.canvas.addEventListener("pointermove", (event) => this.tell(this.cells.hit(event), event));
    this.canvas.addEventListener("pointerleave", () => this.tell(null, null));
  }

  /** @param {ResidualRun} run */
  draw(run) {
    const { page } = this;
    const measure = page.measure;
    this.cells.draw({
      view: page.view(),
      rows: run.rows,
      look: (row, position) => this.look(run, measure, row, position),
      word: (position) => run.labels[position],
      at: { row: page.row, position: page.t },
      marked: page.aimed ? [page.aimed] : page.patched ? [page.patched] : [],
    });
    segmented(page.part("measure"), page.patched ? [...MEASURES, CHANGE] : MEASURES, measure, (chosen) => {
      page.manner.measure = chosen;
      page.draw();
    });
    segmented(page.part("zoom"), ZOOMS, page.manner.zoom, (chosen) => {
      page.manner.zoom = chosen;
      page.draw();
    });
    this.words(run, measure);
  }

  /** @param {ResidualRun} run
   * @param {Measure} measure
   * @param {number} row
   * @param {number} position
   * @returns {import("./cells.js").Look | null} */
  look(run, measure, row, position) {
    const { colour } = this.page;
    if (measure === "change") {
      const change = run.cell("patch", "change", row, position);
      if (Number.isNaN(change)) return null;
      const hatched = !run.cell("patch", "cone", row, position);
      const label = run.label(run.cell("patch", "patched_top", row, position));
      return { share: shade(Math.min(1, change)), colour: colour.influence, label: change ? label : "=", hatched };
    }
    const top = run.cell("lens", "top", row, position);
    if (Number.isNaN(top)) return null;
    return { share: strength(run, measure, row, position), colour: hue(colour, measure), label: run.label(top) };
  }

  /** What is bright, and what is known by now.
   * @param {ResidualRun} run
   * @param {Measure} measure */
  words(run, measure) {
    const { page } = this;
    const block = run.section("lens")?.block;
    const all = block && block.count === run.count;
    const said = {
      probability: ["mx-key-attention", "bluer = the layer gives the final word more probability (by square root)"],
      rank: ["mx-key-attention", "bluer = the final word stands higher in its list: full = 1st, by logarithm"],
      entropy: ["mx-key-entropy", "darker = more undecided, 0 to log2 of the vocabulary"],
      kl: ["mx-key-kl", `darker = further from what is said at the end; full from ${WIDEST} nats on`],
      change: ["mx-key-change", "greener = changed more, relative to the state (by square root)"],
    }[measure];
    page
      .part("heat-legend")
      .replaceChildren(
        legend(said[0], said[1]),
        " ",
        measure === "change"
          ? legend("mx-key-out", "the patch cannot come here, and no bit has changed")
          : el("span", {}, "word in a cell = likeliest there"),
        block && !all ? el("span", {}, ` positions ${block.first} to ${block.first + block.count - 1} are read`) : "",
      );
    this.canvas.setAttribute("aria-label", this.spoken(run));
  }

  /** @param {ResidualRun} run */
  spoken(run) {
    const { row, t } = this.page;
    const top = run.cell("lens", "top", row, t);
    if (Number.isNaN(top)) return "What every layer would say at every position; not read yet";
    const p = percent(run.cell("lens", "probability", row, t));
    const where = row ? `after layer ${row}` : "at the embedding";
    return `${where}, position ${t}: likeliest is ${quoted(run.label(top).trim())} with ${p}`;
  }

  /** @param {Cell | null} cell
   * @param {PointerEvent | null} event */
  tell(cell, event) {
    const { page } = this;
    const { run } = page;
    if (!cell || !event || !run || page.aimed || Number.isNaN(run.cell("lens", "top", cell.row, cell.position))) {
      page.part("pop").hidden = true;
      return;
    }
    page.explain(facts(run, cell), null, { x: event.clientX, y: event.clientY });
  }
}

/** How strong the colour of a cell is, 0 to 1.
 * @param {ResidualRun} run
 * @param {Measure} measure
 * @param {number} row
 * @param {number} position */
export function strength(run, measure, row, position) {
  const final = run.followed(position)[0];
  if (measure === "probability") return shade(Math.exp(run.of("log_prob", row, position, final)));
  const wide = Math.log(run.meta.model.vocab);
  if (measure === "rank") return 1 - Math.log1p(run.of("rank", row, position, final)) / wide;
  if (measure === "entropy") return (run.cell("lens", "entropy", row, position) * Math.LN2) / wide;
  return Math.sqrt(Math.min(1, run.cell("lens", "kl", row, position) / WIDEST));
}

/** @param {import("../kit/surface.js").Colours} colour
 * @param {Measure} measure */
const hue = (colour, measure) =>
  measure === "entropy" ? colour.surprise : measure === "kl" ? colour.error : colour.attention;

/** What is known of one cell.
 * @param {ResidualRun} run
 * @param {Cell} cell */
function facts(run, { row, position }) {
  const final = run.followed(position)[0];
  const number = (/** @type {keyof import("./types.js").ResidualArrays} */ name) =>
    run.cell("lens", name, row, position);
  const bold = (/** @type {string} */ text) => el("b", { class: "mx-serif" }, quoted(text.trim() || "␣"));
  const lines = [
    el(
      "p",
      { class: "mx-pop-title" },
      el("b", { class: "mx-serif" }, run.labels[position].trim() || "␣"),
      `position ${position}, ${rowName(row)}`,
    ),
    el("p", {}, "would say ", bold(run.label(number("top"))), ` with ${percent(number("probability"))}`),
    el(
      "p",
      {},
      "final word ",
      bold(run.label(final)),
      `: ${percent(Math.exp(run.of("log_prob", row, position, final)))}, `,
      `rank ${grouped(run.of("rank", row, position, final) + 1)}`,
    ),
    el("p", {}, `entropy ${number("entropy").toFixed(2)} bits, KL to the end ${number("kl").toFixed(2)} nats`),
  ];
  const change = run.cell("patch", "change", row, position);
  if (!Number.isNaN(change))
    lines.push(
      el("p", {}, change ? `the patch changes it by ${change.toPrecision(2)} of itself` : "the same, bit for bit"),
    );
  return lines;
}
