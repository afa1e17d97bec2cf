// The text, coloured by what one token looks at, with arcs from it to the keys that it reads.

import { TextPanel } from "../kit/text.js";
import { blend, inkOn, shade } from "../kit/colour.js";
import { svg } from "../kit/dom.js";

const ARCS = 16;
const FAINT = 0.015;

/** @import AttentionPage from "./page.js" */

/** @extends {TextPanel<AttentionPage>} */
export class WordPanel extends TextPanel {
  /** @param {AttentionPage} player */
  constructor(player) {
    super(player);
    this.arcs = svg("svg", { class: "mx-arcs", "aria-hidden": "true" });
    this.host.append(this.arcs);
  }

  /** Fill = weight of the token's key for the query; underlined = inside the window; grey = masked. */
  draw() {
    const { player } = this;
    const { run, hovered, colour } = player;
    const query = player.values.query();
    this.grow();
    const hits = new Set(this.hits);
    for (const [position, entry] of this.spans) {
      const distance = query - position;
      const inside = player.values.sees(query, distance);
      let look = position < run.meta.n_prompt ? "mx-tok mx-prompt" : "mx-tok";
      if (distance === 0) look += " mx-now";
      else if (inside) look += " mx-in";
      else look += distance < 0 ? " mx-later" : " mx-before";
      if (position === hovered || position === player.aimed?.key) look += " mx-hover";
      if (hits.has(position)) look += " mx-hit";
      const weight = inside && distance ? player.values.value(query, distance) : 0;
      const fill = weight >= FAINT / 3 ? blend(colour.card, colour.attention, shade(weight)) : "";
      const key = `${look}|${fill}`;
      if (entry.look === key) continue;
      entry.look = key;
      entry.node.className = look;
      entry.ink.style.background = fill;
      entry.ink.style.color = fill ? inkOn(fill) : "";
      entry.node.tabIndex = distance === 0 ? 0 : -1;
      if (distance === 0) this.name(entry.node, run, position);
    }
    this.drawArcs(query);
  }

  /** @param {number} query */
  drawArcs(query) {
    const { player } = this;
    const from = this.anchor(query);
    /** @type {[weight: number, key: number][]} */
    const pairs = [];
    for (const offset of from ? player.values.offsets(query).slice(1) : []) {
      const weight = player.values.value(query, offset);
      if (weight >= FAINT) pairs.push([weight, query - offset]);
    }
    pairs.sort((a, b) => b[0] - a[0]);
    const paths = [];
    for (const [weight, key] of pairs.slice(0, ARCS).reverse()) {
      const to = this.anchor(key);
      if (!from || !to) continue;
      const lift = Math.min(28, 8 + Math.abs(from.x - to.x) * 0.12);
      const top = Math.min(from.y, to.y) - lift;
      const path = svg("path", {
        d: `M${from.x} ${from.y} C${from.x} ${top} ${to.x} ${top} ${to.x} ${to.y}`,
        "stroke-width": (0.75 + 3 * weight).toFixed(2),
        "stroke-opacity": (0.3 + 0.7 * shade(weight)).toFixed(2),
        "data-key": key,
      });
      paths.push(path);
    }
    const aimed = player.aimed?.query === query ? this.anchor(player.aimed.key) : null;
    if (aimed && from && player.aimed?.key !== query) {
      const top = Math.min(from.y, aimed.y) - 14;
      paths.push(
        svg("path", {
          class: "mx-arc-chosen",
          d: `M${from.x} ${from.y} C${from.x} ${top} ${aimed.x} ${top} ${aimed.x} ${aimed.y}`,
          "stroke-width": 2,
        }),
      );
    }
    this.arcs.style.height = `${this.flow.offsetHeight}px`;
    this.arcs.replaceChildren(...paths);
  }

  drawBands() {} // hops belong to the player; here the arcs say what is looked at

  /** Top centre of a word, in the coordinates of what is scrolled.
   * @param {number} position */
  anchor(position) {
    const place = this.spans.get(position)?.ink.getClientRects()[0];
    if (!place) return null;
    const frame = this.host.getBoundingClientRect();
    return { x: place.left - frame.left + place.width / 2, y: place.top - frame.top + this.host.scrollTop + 2 };
  }
}
