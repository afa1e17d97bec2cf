// RoPE: each pair of numbers as an arrow that is turned by the position.

import { el, svg } from "../kit/dom.js";
import { boxOf, OF_KEYS, written } from "./boxes.js";

/** @import TokenPage from "./page.js" */

export const ROTARY = new Set(["q", "k", "rot_q", "rot_k"]);
const SIZE = 64;

/**
 * How a pair turns.
 *
 * @param {number} pair  from 0
 * @param {number} dim  numbers of a head
 * @param {number} theta
 * @returns {{ each: number, wavelength: number }} radians a token, and tokens of one turn
 */
export function turning(pair, dim, theta) {
  const each = theta ** (-(2 * pair) / dim);
  return { each, wavelength: (2 * Math.PI) / each };
}

/** Tokens of one turn, for people.
 * @param {number} tokens */
export const tokensOf = (tokens) =>
  tokens < 100
    ? tokens.toFixed(1)
    : tokens < 1e5
      ? Math.round(tokens).toLocaleString("en-US")
      : tokens.toExponential(1);

export class RopePanel {
  /** @param {TokenPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("rope");
  }

  draw() {
    const { player, host } = this;
    const { run, t, layer, box, cell } = player;
    host.hidden = !ROTARY.has(box);
    if (host.hidden) return;
    const which = box.endsWith("k") ? "k" : "q";
    const before = run.numbers(t, layer, which);
    const after = run.numbers(t, layer, `rot_${which}`);
    const shape = player.meta?.shape;
    if (!before || !after || !shape) return host.replaceChildren();
    const head = Math.min(cell?.[0] ?? 0, before.shape[0] - 1);
    const dim = before.shape[1];
    const start = head * dim;
    const chosen = cell ? Math.floor((cell[1] ?? 0) / 2) : -1;
    const arrows = Array.from({ length: dim / 2 }, (_, pair) => {
      const at = start + 2 * pair;
      const [a, b] = [before.data[at], before.data[at + 1]];
      const [c, d] = [after.data[at], after.data[at + 1]];
      return this.arrow(pair, turning(pair, dim, shape.rope_theta), [a, b], [c, d], pair === chosen);
    });
    const whose = OF_KEYS.has(boxOf(box).id) ? `key/value head ${head + 1}` : `head ${head + 1}`;
    return host.replaceChildren(
      el("h3", {}, `Each pair turned for position ${t}, ${whose}`),
      el("div", { class: "inside-arrows" }, ...arrows),
      el(
        "p",
        { class: "mx-note" },
        "thin: before; bold: turned; dashed: where it would point one position later. Below: tokens of one whole " +
          "turn. Pairs that turn fast tell near distances apart; slow ones hardly turn and compare meaning.",
      ),
    );
  }

  /**
   * @param {number} pair
   * @param {{ each: number, wavelength: number }} turn
   * @param {[number, number]} before
   * @param {[number, number]} after
   * @param {boolean} chosen
   */
  arrow(pair, { each, wavelength }, before, after, chosen) {
    const size = Math.hypot(...before) || 1;
    const at = (/** @type {number[]} */ [x, y]) => [SIZE / 2 + (x / size) * 26, SIZE / 2 - (y / size) * 26];
    const [cos, sin] = [Math.cos(each), Math.sin(each)];
    const next = [after[0] * cos - after[1] * sin, after[0] * sin + after[1] * cos];
    const line = (/** @type {number[]} */ to, /** @type {string} */ look) => {
      const [x2, y2] = at(to);
      return svg("line", { x1: SIZE / 2, y1: SIZE / 2, x2, y2, class: look });
    };
    const [tip, top] = at(after);
    const both = [before, after].map(([a, b]) => `(${written(a)}, ${written(b)})`).join(" becomes ");
    const degrees = ((each * 180) / Math.PI).toPrecision(3);
    const words = `pair ${pair + 1}: ${both}; one position further turns it by ${degrees} degrees`;
    const art = svg(
      "svg",
      { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": words },
      svg("title", {}, words),
      svg("circle", { cx: SIZE / 2, cy: SIZE / 2, r: 28, class: "inside-dial" }),
      line(next, "inside-next"),
      line(before, "inside-before"),
      line(after, "inside-after"),
      svg("circle", { cx: tip, cy: top, r: 3.2, class: "inside-tip" }),
    );
    return el(
      "button",
      {
        type: "button",
        class: "inside-arrow",
        "aria-pressed": String(chosen),
        onclick: () => this.player.pickPair(pair),
      },
      art,
      el("span", {}, tokensOf(wavelength)),
    );
  }
}
