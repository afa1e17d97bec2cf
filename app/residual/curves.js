// Chosen tokens on their way through the layers, at the chosen position: probability or rank, one line a token.

import { clamp, grouped, percent, quoted, shorten } from "../kit/format.js";
import { el, segmented, svg } from "../kit/dom.js";

/**
 * @typedef {import("./run.js").ResidualRun} ResidualRun
 * @typedef {"probability" | "rank"} Scale
 * @typedef {{ stroke: string, "stroke-dasharray": string }} Look  of a line
 */

/** @type {[Scale, string, string?][]} */
const SCALES = [
  ["probability", "probability"],
  ["rank", "rank", "rank"],
];
const LINES = 7;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
/** Room for names, in letters of the page: enlarged, they need more. */
const [LEFT, BOTTOM] = [3, 1.6];
const TOP = 8;

export class Curves {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.host = page.part("curves", SVGSVGElement);
    /** @type {Map<number, Look>} */
    this.looks = new Map();
    this.host.addEventListener("click", (event) => {
      const box = this.host.getBoundingClientRect();
      const { run } = page;
      if (!run) return;
      const share = (event.clientX - box.left - this.left) / (this.room(box.width) || 1);
      page.choose(page.t, clamp(Math.round(share * run.layers), 0, run.layers));
    });
    page.part("curve-words").addEventListener("click", (event) => {
      const node = event.target instanceof Element ? event.target.closest("[data-token]") : null;
      if (!(node instanceof HTMLElement)) return;
      const token = Number(node.dataset.token);
      if (node.dataset.does === "pin") page.pin(token);
      else page.token(token);
    });
  }

  get left() {
    return LEFT * this.page.unit;
  }

  get bottom() {
    return BOTTOM * this.page.unit;
  }

  /** @param {number} width */
  room(width) {
    return width - this.left - 10;
  }

  /** @param {ResidualRun} run */
  draw(run) {
    const { page } = this;
    const scale = page.manner.scale;
    segmented(page.part("scale"), SCALES, scale, (chosen) => {
      page.manner.scale = chosen;
      page.draw();
    });
    const word = run.labels[page.t].trim() || "␣";
    page
      .part("curves-title")
      .replaceChildren("On the way: after ", el("b", { class: "mx-q mx-serif" }, quoted(shorten(word, 14))));
    const tokens = this.tokens(run);
    this.looks = looks(tokens, page.colour.groups);
    this.lines(run, tokens, scale);
    page.part("curve-words").replaceChildren(...tokens.map((token) => this.chip(run, token)));
  }

  /** Pinned ones, the chosen one, the final one, the one that comes, and those that a layer finds likeliest.
   * @param {ResidualRun} run */
  tokens(run) {
    const { page } = this;
    const known = [...run.meta.pins, page.chosen, ...run.followed(page.t)];
    const all = known.filter((token) => token !== null && run.where(page.t, token));
    return /** @type {number[]} */ ([...new Set(all)]).slice(0, Math.max(LINES, run.meta.pins.length + 2));
  }

  /** @param {ResidualRun} run
   * @param {number[]} tokens
   * @param {Scale} scale */
  lines(run, tokens, scale) {
    const { page } = this;
    const { width, height } = page.size(this.host);
    if (!width) return;
    this.host.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const { left, bottom } = this;
    const x = (/** @type {number} */ row) => left + (row / Math.max(1, run.layers)) * this.room(width);
    const deep = Math.log(run.meta.model.vocab);
    const y = (/** @type {number} */ share) => TOP + (1 - share) * (height - TOP - bottom);
    const high = (/** @type {number} */ row, /** @type {number} */ token) =>
      scale === "rank"
        ? 1 - Math.log1p(run.of("rank", row, page.t, token)) / deep
        : Math.exp(run.of("log_prob", row, page.t, token));
    const marks = scale === "rank" ? ranksOf(run.meta.model.vocab) : [0, 0.25, 0.5, 0.75, 1];
    /** @type {SVGElement[]} */
    /** @type {SVGElement[]} */
    const nodes = marks.flatMap((mark) => {
      const at = y(scale === "rank" ? 1 - Math.log(mark) / deep : mark);
      const text = scale === "rank" ? grouped(mark) : percent(mark).replace(" ", "");
      return [
        svg("line", { x1: left, x2: width - 10, y1: at, y2: at, class: "mx-rule" }),
        svg("text", { x: left - 6, y: at + 4, "text-anchor": "end", class: "mx-tick" }, text),
      ];
    });
    const every = Math.ceil(run.rows / Math.max(2, Math.floor(this.room(width) / 26)));
    for (let row = 0; row <= run.layers; row += every)
      nodes.push(
        svg("text", { x: x(row), y: height - 6, "text-anchor": "middle", class: "mx-tick" }, row ? String(row) : "emb"),
      );
    nodes.push(svg("line", { x1: x(page.row), x2: x(page.row), y1: TOP, y2: height - bottom, class: "mx-here" }));
    for (const token of [...tokens].reverse()) {
      const points = Array.from({ length: run.rows }, (_, row) => `${x(row)},${y(high(row, token))}`).join(" ");
      const chosen = token === page.chosen;
      const look = { ...this.looks.get(token), "stroke-width": chosen ? 3 : 1.75 };
      nodes.push(svg("polyline", { points, fill: "none", ...look, "data-line": token }));
      nodes.push(
        svg("circle", { cx: x(page.row), cy: y(high(page.row, token)), r: chosen ? 4 : 3, fill: look.stroke ?? "" }),
      );
    }
    this.host.replaceChildren(...nodes);
  }

  /** @param {ResidualRun} run
   * @param {number} token */
  chip(run, token) {
    const { page } = this;
    const { row, t } = page;
    const pinned = run.meta.pins.includes(token) || page.pins.includes(token);
    const look = this.looks.get(token) ?? {};
    const line = svg("svg", { width: 22, height: 8, "aria-hidden": "true" });
    line.append(svg("line", { x1: 0, x2: 22, y1: 4, y2: 4, "stroke-width": 3, ...look }));
    const what = token === run.followed(t)[0] ? "final" : token === run.next(t) ? "comes next" : "";
    const p = percent(Math.exp(run.of("log_prob", row, t, token)));
    const rank = grouped(run.of("rank", row, t, token) + 1);
    return el(
      "div",
      { class: "mx-curve-word" },
      el(
        "button",
        {
          type: "button",
          class: "mx-curve-pick",
          "data-token": token,
          "data-does": "choose",
          "aria-pressed": String(token === page.chosen),
        },
        line,
        el("span", { class: "mx-word" }, run.label(token).trim() || "␣"),
        el("span", { class: "mx-soft" }, what),
        el("span", { class: "mx-num" }, p),
        el("span", { class: "mx-num" }, `#${rank}`),
      ),
      el(
        "button",
        {
          type: "button",
          class: "mx-curve-pin",
          "data-token": token,
          "data-does": "pin",
          "aria-pressed": String(pinned),
          "aria-label": `${pinned ? "let go of" : "keep in sight"} ${run.label(token).trim()}`,
        },
        pinned ? "unpin" : "pin",
      ),
    );
  }
}

/** How lines look: a token has the same colour everywhere, and of one colour no two lines have the same dashes.
 * @param {number[]} tokens
 * @param {string[]} colours
 * @returns {Map<number, Look>} */
export function looks(tokens, colours) {
  /** @type {Map<number, Look>} */
  const all = new Map();
  /** @type {Record<string, number>} */
  const used = {};
  for (const token of tokens) {
    const stroke = colours[token % colours.length];
    used[stroke] = (used[stroke] ?? -1) + 1;
    all.set(token, { stroke, "stroke-dasharray": DASHES[used[stroke] % DASHES.length] });
  }
  return all;
}

/** Ranks that are named on the axis.
 * @param {number} vocab */
export function ranksOf(vocab) {
  const ranks = [];
  for (let rank = 1; rank < vocab; rank *= 10) ranks.push(rank);
  return ranks;
}
