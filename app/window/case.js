// The case that can be counted: a few tokens, two layers, arrows as wide as the attention of a tiny model.

import { el, svg } from "../kit/dom.js";
import { percent } from "../kit/format.js";

/** @typedef {{ layers: number, heads: number, tokens: number }} Shape */
/** @typedef {{ layer: number, query: number, key: number, weight: number }} Arrow */

/** Of the picture: its height, the room under its lowest row, between two rows, and of a place; in units of 14 px. */
const [HIGH, BELOW, BETWEEN, RADIUS] = [12, 2.4, 4, 0.65];
const SIDE = 5.5;
const ROOM = 1.8; // for a number with two digits

/**
 * The arrows that lead to the last state: of the layers from the top, the keys that each state there may see.
 *
 * @param {Float32Array} pattern  [layer, head, query, key] of one case
 * @param {Shape} shape
 * @param {number} window
 * @returns {Arrow[]}
 */
export function arrowsTo(pattern, { layers, heads, tokens }, window) {
  /** @type {Arrow[]} */
  const arrows = [];
  let queries = [tokens - 1];
  for (let layer = layers - 1; layer >= 0; layer--) {
    const keys = new Set();
    for (const query of queries)
      for (let key = Math.max(0, query - window + 1); key <= query; key++) {
        let weight = 0;
        for (let head = 0; head < heads; head++)
          weight += pattern[((layer * heads + head) * tokens + query) * tokens + key] / heads;
        arrows.push({ layer, query, key, weight });
        keys.add(key);
      }
    queries = [...keys].sort((a, b) => a - b);
  }
  return arrows;
}

/**
 * The case of W keys, or of one more.
 *
 * @param {import("./run.js").WindowRun} run
 * @param {boolean} plus
 */
export function caseOf(run, plus) {
  const which = plus ? 1 : 0;
  const [cases, layers, heads, tokens] = run.meta.arrays.case_pattern.shape;
  const size = run.arrays.case_pattern.length / cases;
  const pattern = run.arrays.case_pattern.subarray(which * size, (which + 1) * size);
  const felt = run.arrays.case_felt.subarray(which * tokens, (which + 1) * tokens);
  const shape = { layers, heads, tokens };
  const { window, reach, paper } = run.meta.cases[which];
  return { shape, window, reach, paper, felt, arrows: arrowsTo(pattern, shape, window) };
}

export class Case {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.drawn = "";
  }

  /** @param {import("./run.js").WindowRun} run */
  draw(run) {
    const { page } = this;
    const { plus } = page.choice;
    const { width } = page.size(page.part("case"));
    const state = `${plus} ${width} ${page.unit}`;
    if (this.drawn === state) return;
    this.drawn = state;
    const { shape, window, reach, paper, felt, arrows } = caseOf(run, plus);
    const { layers } = shape;
    page.part("case").replaceChildren(this.picture(arrows, felt, shape));
    page.part("case-title").textContent = `Count it: ${layers} layers, W = ${window}`;
    const seen = reach + 1;
    page
      .part("case-words")
      .replaceChildren(
        ...(plus
          ? [
              el("b", {}, `${reach} back, ${seen} tokens.`),
              ` Were a token to see W + 1 = ${window} keys, W back a layer, the paper’s 2 × 3 = 6 would be right. `,
              "Its cache holds W, so it is not: choose W keys again.",
            ]
          : [
              el("b", {}, `${reach} back, ${seen} tokens.`),
              ` W counts the token itself, so a layer carries something W − 1 = ${window - 1} back, `,
              `and ${layers} layers ${reach}: ${seen} with itself. The paper says ${layers} × W = ${paper} back: `,
              "its words i − W to i are W + 1 keys, its cache holds W. Try W + 1 above.",
            ]),
      );
  }

  /** @param {Arrow[]} arrows @param {Float32Array} felt @param {Shape} shape */
  picture(arrows, felt, { layers, tokens }) {
    const { unit } = this.page;
    const { width } = this.page.size(this.page.part("case"));
    const wide = (width - SIDE * unit) / tokens;
    const [high, radius] = [HIGH * unit, Math.min(RADIUS * unit, wide / 2.4)];
    /** @param {number} position */
    const x = (position) => SIDE * unit + wide * (position + 0.5);
    /** @param {number} row 0 = the tokens */
    const y = (row) => high - (BELOW + BETWEEN * row) * unit;
    const lines = arrows.map(({ layer, query, key, weight }) =>
      svg(
        "line",
        {
          x1: x(key),
          y1: y(layer) - radius,
          x2: x(query),
          y2: y(layer + 1) + radius,
          class: "win-arrow",
          "stroke-width": (1 + 7 * weight).toFixed(2),
        },
        svg(
          "title",
          {},
          `layer ${layer + 1}: position ${query} looks at ${key} with ${percent(weight)}, mean of the heads`,
        ),
      ),
    );
    const lit = new Set([`${layers} ${tokens - 1}`, ...arrows.map(({ layer, key }) => `${layer} ${key}`)]);
    const nodes = [];
    for (let row = 0; row <= layers; row++) {
      nodes.push(svg("text", { x: 0, y: y(row) + 4, class: "win-side" }, row ? `after layer ${row}` : "token"));
      for (let position = 0; position < tokens; position++) {
        const on = lit.has(`${row} ${position}`);
        const last = row === layers && position === tokens - 1;
        nodes.push(
          svg("circle", {
            cx: x(position),
            cy: y(row),
            r: radius,
            class: last ? "win-node win-query" : on ? "win-node win-on" : "win-node",
          }),
        );
        if (!row)
          nodes.push(
            svg("text", { x: x(position), y: y(0) + 4, class: on ? "win-num win-lit" : "win-num" }, String(position)),
          );
      }
    }
    const changes = [...felt].map((value, position) =>
      svg(
        "text",
        { x: x(position), y: high - 4, class: "win-felt" },
        value === 0 ? "0" : wide < ROOM * unit ? "≠0" : value.toPrecision(value < 0.1 ? 1 : 2),
      ),
    );
    return svg(
      "svg",
      {
        width,
        height: high,
        role: "img",
        "aria-label": `${layers} layers of a tiny model; the last state depends on ${reached(felt)} tokens`,
      },
      ...lines,
      ...nodes,
      svg("text", { x: 0, y: high - 4, class: "win-side" }, "felt"),
      ...changes,
    );
  }
}

/** @param {Float32Array} felt */
const reached = (felt) => felt.filter((value) => value > 0).length;
