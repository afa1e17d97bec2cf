// The mask around the chosen query: a row for each query, a column for each key, colour what the pair is worth.

import { blend, shade } from "../kit/colour.js";
import { clamp, percent, quoted } from "../kit/format.js";
import { el, legend, apart, segmented } from "../kit/dom.js";
import { fit, labelFont } from "../kit/measure.js";
import { onCells } from "../kit/cells.js";
import { weights, why } from "./run.js";
import { WHY } from "./row.js";

/** @typedef {{ query: number, key: number }} Pair */

const LEAST_CELL = 15; // px: a label has room beside it
const MOST = 48;
const AFTER = 3; // rows below the chosen one

export class Mask {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.canvas = page.part("mask", HTMLCanvasElement);
    /** What is on screen: the first position, how many, and where the cells begin, px. */
    this.view = { first: 0, count: 1, left: 0, top: 0, cell: 1 };
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.tell(this.at(event), event),
      leave: () => {
        page.part("pop").hidden = true;
      },
      go: (pair) => page.go({ t: pair.query }),
    });
    for (const name of /** @type {const} */ (["layer", "head"])) {
      const select = page.part(name, HTMLSelectElement);
      select.addEventListener("change", () => page.go({ [name]: Number(select.value) }));
    }
  }

  /** @param {MouseEvent} event
   * @returns {Pair | null} */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { first, count, left, top, cell } = this.view;
    const key = Math.floor((event.clientX - box.left - left) / cell);
    const query = Math.floor((event.clientY - box.top - top) / cell);
    return key < 0 || query < 0 || key >= count || query >= count ? null : { query: first + query, key: first + key };
  }

  /** @param {Pair | null} pair @param {MouseEvent} event */
  tell(pair, event) {
    const { page } = this;
    if (!pair) {
      page.part("pop").hidden = true;
      return;
    }
    const { run } = page;
    const { query, key } = pair;
    const seen = why(query, key, page.window, run.own.sinks);
    const made = page.weights(query);
    const words = [
      el(
        "p",
        { class: "mx-pop-title" },
        el("b", { class: "mx-serif" }, run.labels[query]),
        `${query} looks at `,
        el("b", { class: "mx-serif" }, run.labels[key]),
        String(key),
      ),
      el("p", {}, `${WHY[seen]}${seen === "future" ? "" : `: ${query - key} back`}`),
    ];
    if (made) {
      const weight = seen === "future" || seen === "older" ? "0: it is masked" : percent(made.weights[key]);
      words.push(el("p", {}, `score ${made.scores[key].toFixed(2)}, weight ${weight}`));
    }
    page.explain(words, this.canvas, { x: event.clientX, y: event.clientY });
  }

  /** @param {import("./run.js").WindowRun} run */
  pickers(run) {
    const { page } = this;
    /** @type {[("layer" | "head"), number][]} */
    const both = [
      ["layer", run.layers],
      ["head", run.meta.model.n_heads],
    ];
    for (const [name, count] of both) {
      const select = page.part(name, HTMLSelectElement);
      if (select.options.length !== count)
        select.replaceChildren(...Array.from({ length: count }, (_, i) => el("option", { value: i }, String(i + 1))));
      select.value = String(page[name]);
    }
    segmented(
      page.part("what"),
      [
        ["weight", "weights"],
        ["score", "raw scores"],
      ],
      page.what,
      (value) => {
        page.what = value;
        page.draw();
      },
    );
  }

  /** @param {import("./run.js").WindowRun} run */
  draw(run) {
    const { page, canvas } = this;
    this.pickers(run);
    this.words(run);
    const pen = page.pen(canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    const { colour, unit, t } = page;
    g.clearRect(0, 0, width, height);
    const side = Math.min(6 * unit, 0.24 * width);
    const below = 1.5 * unit;
    const room = Math.min(width - side, height - below);
    const count = Math.min(clamp(Math.floor(room / LEAST_CELL), 4, MOST), run.count);
    const cell = Math.min(room / count, 3 * unit);
    const first = clamp(t + AFTER - count + 1, 0, run.count - count);
    const left = side + Math.max(0, (width - side - cell * count) / 2);
    this.view = { first, count, left, top: 0, cell };
    this.cells(run, g);
    g.font = labelFont(unit, colour.sans);
    g.textBaseline = "middle";
    g.textAlign = "right";
    for (let i = 0; i < count; i++) {
      const position = first + i;
      g.fillStyle = position === t ? colour.query : colour.soft;
      g.font = labelFont(unit, colour.serif, position === t ? 700 : 400);
      g.fillText(fit(run.labels[position].trim() || "·", side - 8, g.font), left - 6, (i + 0.5) * cell);
    }
    g.font = labelFont(unit, colour.sans);
    g.fillStyle = colour.soft;
    g.textBaseline = "top";
    g.textAlign = "left";
    g.fillText(`key ${first}`, left, count * cell + 4);
    g.textAlign = "right";
    g.fillText(`key ${first + count - 1}`, left + count * cell, count * cell + 4);
    g.strokeStyle = colour.query;
    g.lineWidth = 2;
    g.strokeRect(left, (t - first) * cell, count * cell, cell);
  }

  /** @param {import("./run.js").WindowRun} run @param {CanvasRenderingContext2D} g */
  cells(run, g) {
    const { page } = this;
    const { colour, layer, head, window } = page;
    const { first, count, left, cell } = this.view;
    const { sinks } = run.own;
    const rows = [];
    let top = 1e-9;
    for (let query = first; query < first + count; query++) {
      const scores = page.fresh ? run.scores(layer, head, query) : null;
      rows.push(scores);
      if (scores) for (let key = first; key < first + count; key++) top = Math.max(top, Math.abs(scores[key]));
    }
    for (const [i, scores] of rows.entries()) {
      const query = first + i;
      const made = scores && page.what === "weight" ? weights(scores, query, window, sinks) : null;
      for (let j = 0; j < count; j++) {
        const seen = why(query, first + j, window, sinks);
        const hidden = seen === "future" || seen === "older";
        const [x, y, size] = [left + j * cell, i * cell, cell - (cell > 6 ? 1 : 0)];
        g.fillStyle = hidden ? colour.card : colour.cell;
        if (made && !hidden) g.fillStyle = blend(colour.cell, colour.attention, shade(made[first + j]));
        if (scores && !made) {
          const score = scores[first + j];
          g.fillStyle = blend(colour.card, score < 0 ? colour.negative : colour.positive, Math.abs(score) / top);
        }
        g.fillRect(x, y, size, size);
        if (hidden) {
          g.fillStyle = colour.hatching;
          g.fillRect(x, y, size, size);
        }
      }
    }
    edges(g, this.view, window, colour.ink);
  }

  /** @param {import("./run.js").WindowRun} run */
  words(run) {
    const { page } = this;
    const size = Number.isFinite(page.window) ? `${page.window} keys` : "all earlier keys";
    page.part("mask-title").replaceChildren("The mask: ", el("b", {}, size), " in sight");
    this.canvas.setAttribute(
      "aria-label",
      `Mask of layer ${page.layer + 1}, head ${page.head + 1}: a row for each query, a column for each key; ` +
        `${quoted(run.labels[page.t])} at ${page.t} is chosen`,
    );
    const entries = [
      page.what === "weight"
        ? legend("mx-key-attention", "weight 0 to 1 (square root)")
        : el(
            "span",
            { class: "mx-entry" },
            el("i", { class: "mx-key win-plus" }),
            "score above 0",
            el("i", { class: "mx-key win-minus" }),
            "below, before the mask",
          ),
      legend("mx-key-out", "masked: later, or older than W"),
      legend("mx-key-edge", "edge of the window"),
    ];
    page.part("mask-legend").replaceChildren(...apart(entries));
    const { error } = run.meta;
    const equal = error
      ? `differ from the model’s own by at most ${error.toExponential(0)}`
      : "are the model’s own, bit for bit";
    page.part("mask-note").textContent = page.fresh
      ? `score = q · k / √d of the model’s own queries and keys; the weights that follow ${equal}.`
      : run.meta.can_measure
        ? "the text is read with this window …"
        : "";
  }
}

/** The staircase along which the window ends.
 * @param {CanvasRenderingContext2D} g
 * @param {Mask["view"]} view
 * @param {number} window
 * @param {string} ink */
function edges(g, { first, count, left, cell }, window, ink) {
  g.strokeStyle = ink;
  g.lineWidth = 1.5;
  g.beginPath();
  /** @param {number} shift of the first column that is seen, from the query's own */
  const stair = (shift) => {
    for (let i = 0; i < count; i++) {
      const column = i - shift;
      if (column < 0 || column > count) continue;
      const x = left + column * cell;
      g.moveTo(x, i * cell);
      g.lineTo(x, (i + 1) * cell);
      if (column < count && i + 1 < count) g.lineTo(x + cell, (i + 1) * cell);
    }
  };
  stair(-1);
  if (Number.isFinite(window) && first + count > window) stair(window - 1);
  g.stroke();
}
