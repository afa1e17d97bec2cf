// The ring of one layer as two rails: the order of the text above, or left, of the order of the slots (position mod W).
// A slot holds a key and a value *made at* a position. The write pointer is orange; what it overwrote is struck.

import { onCells } from "./cells.js";
import { blend, inkOn, shade } from "./colour.js";
import { closest, el, svg } from "./dom.js";
import { term } from "./terms.js";
import { clamp, percent, quoted, shorten } from "./format.js";
import { fit, fitSmaller, labelFont } from "./measure.js";
import { calm } from "./timing.js";

/** @typedef {import("./playhead.js").Playhead} Player */
/** @typedef {{ slot: number, position: number, lost: number }} Slot  where made, what it lost; -1 = none */
/** @typedef {{ word: number, start: number, end: number, box: number, high: number }} Geometry  across the rail, px */
/** @typedef {{ x: number, y: number, width: number, height: number }} Box */

const RING_MAX = 64;
const NEAR_POINTER = 8;

/** @template {Player} [P=Player] */
export class RingPanel {
  /** @param {P} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("ring");
    /** Position that was drawn last. */
    this.last = -Infinity;
    onCells(this.host, {
      at: (event) => closest(event, "[data-p]")?.dataset.p ?? null,
      hover: (event) => {
        const slot = closest(event, "[data-p]");
        player.point(slot ? Number(slot.dataset.p) : null, slot);
      },
      leave: () => player.point(null),
      go: (position) => player.go(Number(position), { by: "hand" }),
    });
  }

  draw() {
    const { player } = this;
    const { run, t, layer } = player;
    const window = run.slotsOf(layer);
    const ring = Number.isFinite(window);
    player
      .part("ring-title")
      .replaceChildren(
        ...(ring
          ? [`The ring in layer ${layer + 1}: `, term("slot", run.slotRule(run.windows[layer]))]
          : [`Keys and values in layer ${layer + 1}: no window, nothing is overwritten`]),
      );
    const size = ring ? window : Math.max(16, t + 1);
    const slots = this.slotsOnScreen(t, window, ring && window <= RING_MAX ? window : Math.min(16, size));
    const vertical = this.player.size(this.host).width < 26 * player.unit;
    const moved = t === this.last + 1 && !calm();
    this.last = t;
    if (window > RING_MAX || !ring) this.drawLong(slots, window, vertical, moved);
    else this.host.replaceChildren(this.rails(slots, vertical, moved));
    this.legend(window, vertical);
  }

  /** Marks the hovered token without drawing the rails again. */
  mark() {
    for (const group of /** @type {NodeListOf<SVGElement>} */ (this.host.querySelectorAll("[data-p]"))) {
      group.classList.toggle("mx-hover", Number(group.dataset.p) === this.player.hovered);
    }
  }

  /**
   * What each slot on screen holds.
   *
   * @param {number} t
   * @param {number} window  slots of the layer; Infinity = no window
   * @param {number} slots  how many there is room for
   */
  slotsOnScreen(t, window, slots) {
    /** @type {Slot[]} */
    const list = [];
    if (!Number.isFinite(window)) {
      for (let p = Math.max(0, t - slots + 1); p <= t; p++) list.push({ slot: p, position: p, lost: -1 });
      return list;
    }
    const { run, layer } = this.player;
    const pointer = run.slot(t, window);
    const all = window <= RING_MAX;
    const from = all ? 0 : pointer - NEAR_POINTER / 2;
    for (let i = 0; i < (all ? slots : NEAR_POINTER); i++) {
      const slot = (((from + i) % window) + window) % window;
      const position = run.held(slot, t, window);
      list.push({ slot, position, lost: slot === pointer ? run.overwrites(t, layer) : -1 });
    }
    return list;
  }

  /**
   * The two rails and what connects them.
   *
   * @param {Slot[]} slots
   * @param {boolean} flip  top to bottom, for narrow screens
   * @param {boolean} moved  one step on since the last drawing
   */
  rails(slots, flip, moved) {
    const { player } = this;
    const { t, unit } = player;
    const n = slots.length;
    const length = flip ? n * 1.9 * unit : Math.max(this.player.size(this.host).width, 20 * unit);
    const depth = flip ? this.player.size(this.host).width : 11.2 * unit;
    const pitch = length / n;
    const inText = slots.filter((slot) => slot.position >= 0).sort((a, b) => a.position - b.position);
    /** @type {(slot: Slot) => number} */
    const inOrder = (slot) => (inText.indexOf(slot) + n - inText.length + 0.5) * pitch;
    const art = svg(
      "svg",
      flip
        ? { width: depth, height: length, viewBox: `0 0 ${depth} ${length}`, role: "img" }
        : { width: length, height: depth, viewBox: `0 0 ${length} ${depth}`, role: "img" },
    );
    art.setAttribute("aria-label", this.sentence());
    const geometry = flip
      ? { word: depth * 0.3, start: depth * 0.32, end: depth * 0.5, box: depth * 0.5, high: depth * 0.23 }
      : { word: 0.95 * unit, start: 2.4 * unit, end: 5.1 * unit, box: 5.1 * unit, high: 2.7 * unit };
    slots.forEach((slot, i) => {
      const along = (i + 0.5) * pitch;
      const group = svg("g", { class: slot.position === t ? "mx-slot mx-write" : "mx-slot" });
      if (slot.position >= 0) {
        group.dataset.p = String(slot.position);
        if (slot.position === player.hovered) group.classList.add("mx-hover");
        group.append(this.line(inOrder(slot), along, geometry, flip));
        group.append(...this.word(slot, inOrder(slot), geometry, pitch, flip));
      }
      group.append(...this.box(slot, along, geometry, pitch, flip, moved));
      art.append(group);
    });
    return art;
  }

  /**
   * @param {number} from  along the order of the text
   * @param {number} to  along the order of the slots
   * @param {Geometry} geometry
   * @param {boolean} flip
   */
  line(from, to, geometry, flip) {
    const { start, end } = geometry;
    const half = (start + end) / 2;
    const d = flip
      ? `M${start} ${from}C${half} ${from} ${half} ${to} ${end} ${to}`
      : `M${from} ${start}C${from} ${half} ${to} ${half} ${to} ${end}`;
    return svg("path", { class: "mx-wire", d });
  }

  /**
   * @param {Slot} slot
   * @param {number} at  along the order of the text
   * @param {Geometry} geometry
   * @param {number} pitch
   * @param {boolean} flip
   */
  word(slot, at, geometry, pitch, flip) {
    const { run, unit } = this.player;
    const dense = !flip && pitch < 2.2 * unit;
    const named = !dense || slot.position === this.player.t || slot.position % 4 === 0;
    const now = slot.position === this.player.t;
    const [word, size] = fitSmaller(
      run.labels[slot.position],
      flip ? geometry.word - 2.2 * unit : pitch,
      [0.93 * unit, Math.max(12, 0.86 * unit)],
      (size) => `${now ? "700 " : ""}${size}px ${this.player.colour.serif}`,
    );
    if (flip) {
      return [
        svg(
          "text",
          { class: "mx-rail-word", x: geometry.word - 2.2 * unit, y: at + 0.3 * unit, "text-anchor": "end" },
          word,
        ),
        svg(
          "text",
          { class: "mx-rail-num", x: geometry.word, y: at + 0.28 * unit, "text-anchor": "end" },
          String(slot.position),
        ),
      ];
    }
    if (!named) return [];
    return [
      svg(
        "text",
        { class: "mx-rail-word", x: at, y: geometry.word, "text-anchor": "middle", style: `font-size: ${size}px` },
        dense ? "" : word,
      ),
      svg(
        "text",
        { class: "mx-rail-num", x: at, y: geometry.word + 0.95 * unit, "text-anchor": "middle" },
        String(slot.position),
      ),
    ];
  }

  /**
   * @param {Slot} slot
   * @param {number} along  the order of the slots
   * @param {Geometry} geometry
   * @param {number} pitch
   * @param {boolean} flip
   * @param {boolean} moved
   */
  box(slot, along, geometry, pitch, flip, moved) {
    const { run, t, layer, head, unit, colour } = this.player;
    const empty = slot.position < 0;
    const weight = empty ? 0 : run.weight(t, layer, head, t - slot.position);
    const level = Number.isFinite(weight) ? shade(weight) : 0;
    const thick = Math.min(pitch - 0.2 * unit, flip ? 1.6 * unit : 4 * unit);
    const rect = flip
      ? { x: geometry.box, y: along - thick / 2, width: geometry.high, height: thick }
      : { x: along - thick / 2, y: geometry.box, width: thick, height: geometry.high };
    const box = svg("rect", { class: empty ? "mx-box mx-empty" : "mx-box", rx: 0.25 * unit, ...rect });
    const fill = blend(colour.card, colour.attention, level);
    if (!empty) box.style.fill = fill;
    const middle = { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 };
    /** @type {SVGElement[]} */
    const parts = [box];
    if (!empty) {
      const tip = svg(
        "title",
        {},
        `slot ${slot.slot}: K, V made at ${quoted(run.labels[slot.position])}, ` +
          `position ${slot.position}; attention ${percent(weight)}`,
      );
      parts.push(tip);
      const place = `@${slot.position}`;
      const small = thick < Math.max(2, 0.55 * place.length) * unit;
      /** @type {(dx: number, dy: number, text: string) => SVGElement} */
      const label = (dx, dy, text) =>
        svg(
          "text",
          {
            class: "mx-kv",
            style: `fill: ${inkOn(fill)}`,
            x: middle.x + dx,
            y: middle.y + dy,
            "text-anchor": "middle",
          },
          text,
        );
      if (flip) parts.push(label(0, 0.27 * unit, `K,V ${place}`));
      else if (thick > 1.6 * unit)
        parts.push(
          label(0, -0.2 * unit, small ? "KV" : "K,V"),
          label(0, 0.85 * unit, small ? String(slot.position) : place),
        );
    }
    parts.push(
      flip
        ? svg(
            "text",
            { class: "mx-rail-num", x: rect.x + rect.width + 1.3 * unit, y: along + 0.28 * unit, "text-anchor": "end" },
            String(slot.slot),
          )
        : svg(
            "text",
            { class: "mx-rail-num", x: along, y: geometry.box + geometry.high + 0.95 * unit, "text-anchor": "middle" },
            thick > 1.6 * unit || slot.slot % 4 === 0 || slot.position === t ? String(slot.slot) : "",
          ),
    );
    if (slot.lost >= 0) parts.push(this.lost(slot, along, rect, flip, moved));
    if (slot.position === t && moved) box.classList.add("mx-hop");
    return parts;
  }

  /**
   * The word whose key and value have just been overwritten leaves below its slot.
   *
   * @param {Slot} slot
   * @param {number} along  the order of the slots
   * @param {Box} rect
   * @param {boolean} flip
   * @param {boolean} moved
   */
  lost(slot, along, rect, flip, moved) {
    const { run, unit, colour } = this.player;
    const width = this.player.size(this.host).width;
    const attributes = flip
      ? { x: rect.x + rect.width + 1.7 * unit, y: along + 0.28 * unit, "text-anchor": "start" }
      : { x: clamp(along, 3 * unit, width - 3 * unit), y: rect.y + rect.height + 2.1 * unit, "text-anchor": "middle" };
    const text = svg("text", { class: moved ? "mx-lost mx-leave" : "mx-lost", ...attributes });
    const place = ` @${slot.lost}`;
    const font = labelFont(unit, colour.serif);
    const room = flip ? width - attributes.x - 0.55 * unit * place.length : 6 * unit;
    text.append(svg("tspan", { class: "mx-struck" }, fit(run.labels[slot.lost], room, font)), place);
    return text;
  }

  /**
   * A window too long for single slots: a barcode of all of it, and the slots around the pointer enlarged.
   *
   * @param {Slot[]} slots
   * @param {number} window
   * @param {boolean} vertical
   * @param {boolean} moved
   */
  drawLong(slots, window, vertical, moved) {
    const art = this.rails(slots, vertical, moved);
    const bar = el("canvas", {
      class: "mx-barcode",
      role: "img",
      "aria-label": "All slots; shade is attention weight",
    });
    this.host.replaceChildren(bar, art);
    const pen = this.player.pen(bar);
    if (!pen) return;
    const { run, t, layer, head, colour } = this.player;
    const size = Number.isFinite(window) ? window : Math.max(16, t + 1);
    const bins = new Float64Array(Math.ceil(pen.width));
    for (const offset of run.offsets(t, run.windows[layer])) {
      const at = Math.floor((run.slot(t - offset, size) / size) * bins.length);
      const weight = run.weight(t, layer, head, offset);
      if (weight > bins[at]) bins[at] = weight;
    }
    pen.g.fillStyle = colour.cell;
    pen.g.fillRect(0, 0, (Math.min(size, t + 1) / size) * pen.width, pen.height);
    bins.forEach((weight, i) => {
      if (!weight) return;
      pen.g.fillStyle = blend(colour.card, colour.attention, shade(weight));
      pen.g.fillRect(i, 0, Math.max(1, pen.width / size), pen.height);
    });
    pen.g.fillStyle = colour.query;
    pen.g.fillRect(Math.min((run.slot(t, size) / size) * pen.width, pen.width - 3), 0, 3, pen.height);
  }

  sentence() {
    const { run, t, layer } = this.player;
    const window = run.slotsOf(layer);
    if (!Number.isFinite(window)) return `Layer ${layer + 1} keeps all ${t + 1} keys and values.`;
    const held = Math.min(t + 1, window);
    const gone = run.overwrites(t, layer);
    const lost = gone >= 0 ? ` It overwrote the key and value made at ${run.labels[gone]}, position ${gone}.` : "";
    const use = `${held} of ${window} slots in use`;
    return `Layer ${layer + 1}, ${use}; position ${t} was written into slot ${run.slot(t, window)}.${lost}`;
  }

  /**
   * @param {number} window  of the layer; Infinity = none
   * @param {boolean} vertical  whether the rails stand upright
   */
  legend(window, vertical) {
    const { player } = this;
    const { run, t, layer } = player;
    const asker = quoted(shorten(run.labels[t], 14));
    const what = run.pattern ? `blue: attention from ${asker}, ${player.headName()}` : run.meta.note;
    const [text, slots] = vertical ? ["left", "right"] : ["above", "below"];
    const order = Number.isFinite(window) ? `${text}: order of the text · ${slots}: order of the slots · ` : "";
    const made = layer ? `made from the states after layer ${layer}` : "made from the token embeddings";
    player.part("ring-legend").replaceChildren(order, term("K,V"), " ", term("states", made), ` · ${what}`);
  }
}
