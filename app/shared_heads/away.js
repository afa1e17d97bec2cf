// One key/value head is taken away: which heads fetch something else, and what becomes of the next word. The text is
// read with and without it once; every step is then answered here.

import { onCells } from "../kit/cells.js";
import { blend } from "../kit/colour.js";
import { apart, el, legend, segmented } from "../kit/dom.js";
import { grouped, percent, plural, quoted } from "../kit/format.js";
import { labelFont } from "../kit/measure.js";
import { term } from "../kit/terms.js";

/** @import SharedHeadsPage from "./page.js" */
/** @import { TakenAway } from "./types.js" */
/** @typedef {TakenAway["takes"]} Takes */
/** @typedef {{ layer: number, head: number }} Cell */

/** @type {[Takes, string][]} */
const TAKES = [
  ["both", "key and value"],
  ["keys", "its keys alone"],
];

export class AwayPanel {
  /** @param {SharedHeadsPage} player */
  constructor(player) {
    this.player = player;
    /** @type {Takes} */
    this.takes = "both";
    this.canvas = player.part("moved", HTMLCanvasElement);
    /** @type {{ left: number, top: number, wide: number, high: number } | null} */
    this.box = null;
    this.said = "";
    this.legendKey = "";
    /** The question that the choice was last taken from. */
    this.asked = "";
    onCells(this.canvas, {
      at: (event) => this.at(event),
      hover: (event) => this.hover(event),
      leave: () => player.point(null),
      go: ({ layer, head }) => player.pick(layer, head),
    });
  }

  take() {
    const { run, layer, kv } = this.player;
    this.player.trigger("take", { run: run.id, layer, kv_head: kv, takes: this.takes });
  }

  /** What is known of what was asked; null = nothing, or it is still being measured. */
  measured() {
    const { run } = this.player;
    const asked = run.meta.beside.away;
    return run.away && asked?.status === "done" && run.away.facts.key === asked.key ? run.away : null;
  }

  draw() {
    const { player } = this;
    const { run, layer, kv } = player;
    const { measurable, away } = run.meta.beside;
    const asked = away ? `${run.id},${away.layer},${away.kv_head},${away.takes}` : "";
    if (away && asked !== this.asked) this.takes = away.takes; // a link asks too
    this.asked = asked;
    const button = player.part("take-button", HTMLButtonElement);
    segmented(player.part("takes"), TAKES, this.takes, (takes) => {
      this.takes = takes;
      player.draw();
    });
    const same = away?.layer === layer && away.kv_head === kv && away.takes === this.takes && away.status !== "failed";
    button.disabled = !measurable || same || run.meta.status === "running";
    button.textContent = `Take KV head ${kv + 1} of layer ${layer + 1} away`;
    player.part("away-badge").textContent = measurable ? "model" : "no model";
    const known = this.measured();
    player.part("away-map").hidden = !known;
    this.say(known ? this.lines(known) : this.progress());
    this.legend(Boolean(known));
    if (known) this.drawMap(known);
    this.next(known);
  }

  /** @param {(Node | string)[][]} lines */
  say(lines) {
    const text = lines.map((line) => line.map((part) => (typeof part === "string" ? part : part.textContent)).join(""));
    if (text.join(" ") === this.said) return; // what has the focus keeps it
    this.said = text.join(" ");
    this.player.part("away-state").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
  }

  /** @returns {(Node | string)[][]} */
  progress() {
    const { run, kv } = this.player;
    const { measurable, away } = run.meta.beside;
    if (!measurable) return [["The model that wrote this text is not here, so nothing can be taken out of it."]];
    if (away?.status === "failed") return [[away.error]];
    if (away?.status === "running")
      return [
        [`${away.doing || "reading the text"}, ${grouped(away.done)} of ${grouped(away.total)} `],
        [el("button", { type: "button", class: "mx-chip", "data-act": "stop" }, "Stop")],
      ];
    if (away) return [["The numbers are on their way …"]];
    if (run.meta.status === "running") return [["When the text has been written, a head can be taken out of it."]];
    const group = run.group(kv).map((one) => one + 1);
    const who = group.length > 1 ? `heads ${group[0]} to ${group[group.length - 1]}` : `head ${group[0]} alone`;
    return [
      [
        `Which heads will notice? Only ${who} read${group.length > 1 ? "" : "s"} KV head ${kv + 1}. Take it away: ` +
          "the same text is read once more with its numbers 0.",
      ],
    ];
  }

  /** Whether what a head fetches is the same at every position, bit for bit.
   * @param {NonNullable<import("./run.js").SharedRun["away"]>} known @param {number} layer @param {number} head */
  same(known, layer, head) {
    const { n_layers: layers, n_heads: heads } = this.player.run.meta.model;
    for (let t = 0; t < known.count; t++) if (known.moved[(t * layers + layer) * heads + head] !== 0) return false;
    return true;
  }

  /** @param {NonNullable<import("./run.js").SharedRun["away"]>} known
   * @returns {(Node | string)[][]} */
  lines(known) {
    const { player } = this;
    const { run, t } = player;
    const { layer, kv_head: kv, takes } = known.facts;
    const { n_heads: heads } = run.meta.model;
    const group = run.group(kv);
    const others = Array.from({ length: heads }, (_, i) => i).filter((head) => !group.includes(head));
    const still = others.filter((head) => this.same(known, layer, head)).length;
    const changed = group.filter((head) => !this.same(known, layer, head)).length;
    const what = takes === "both" ? "" : "the keys of ";
    const where = `at all ${plural(known.count, "position")}`;
    /** @type {(Node | string)[][]} */
    const lines = [
      [
        `Without ${what}KV head ${kv + 1} of layer ${layer + 1}, in that layer `,
        ...(group.length > 1
          ? [el("b", {}, `${changed} of its ${group.length} heads`), " fetch something else"]
          : [el("b", {}, changed ? "its head" : "not even its head"), " fetches something else"]),
        ...(others.length
          ? [
              "; ",
              el("b", {}, `${still} of the ${plural(others.length, "other")}`),
              ` fetch the same bit for bit, ${where}.`,
            ]
          : [". There are no others: all heads read this one."]),
      ],
    ];
    if (takes === "keys")
      lines.push(["With all keys 0, every score is 0: these heads fetch the plain mean of the values in sight."]);
    if (t >= known.count) lines.push(["The text has grown since; take it away again to see what comes after."]);
    else lines.push(["The prediction after this token: KL ", el("b", {}, `${nats(known.kl[t])} nats`), "."]);
    return lines;
  }

  /** @param {boolean} known */
  legend(known) {
    const { player } = this;
    const now = known ? `${player.root.dataset.theme}` : "";
    if (now === this.legendKey) return;
    this.legendKey = now;
    player
      .part("away-legend")
      .replaceChildren(
        ...(known
          ? apart([
              legend("sh-key-same", "fetches the same, bit for bit"),
              legend("sh-key-moved", term("relative", "changed"), ", fuller = more"),
              legend("sh-key-own", "its group"),
            ])
          : []),
      );
  }

  /** Relative change of what a head fetches at the chosen token; exactly 0 = the same bit for bit.
   * @param {NonNullable<import("./run.js").SharedRun["away"]>} known @param {number} layer @param {number} head */
  moved(known, layer, head) {
    const { n_layers: layers, n_heads: heads } = this.player.run.meta.model;
    const t = Math.min(this.player.t, known.count - 1);
    return known.moved[(t * layers + layer) * heads + head];
  }

  /** @param {NonNullable<import("./run.js").SharedRun["away"]>} known */
  drawMap(known) {
    const { player } = this;
    const pen = player.pen(this.canvas);
    if (!pen) return;
    const { g, width, height } = pen;
    const { run, colour, unit } = player;
    const { n_layers: layers, n_heads: heads } = run.meta.model;
    const [left, bottom] = [2 * unit, 1.3 * unit];
    const wide = (width - left - 2) / heads;
    const high = (height - bottom - 2) / layers;
    this.box = { left, top: 1, wide, high };
    g.clearRect(0, 0, width, height);
    const gap = Math.min(wide, high) > 8 ? 2 : 0.5;
    for (let layer = 0; layer < layers; layer++)
      for (let head = 0; head < heads; head++) {
        const moved = this.moved(known, layer, head);
        const [x, y] = [left + head * wide, 1 + (layers - 1 - layer) * high];
        g.fillStyle = moved
          ? blend(colour.card, colour.influence, 0.18 + 0.82 * Math.min(1, Math.sqrt(moved)))
          : colour.card;
        g.fillRect(x, y, wide - gap, high - gap);
        if (moved) continue;
        g.strokeStyle = colour.line;
        g.lineWidth = 1;
        g.strokeRect(x + 0.5, y + 0.5, wide - gap - 1, high - gap - 1);
      }
    const { layer, kv_head: kv } = known.facts;
    const first = run.group(kv)[0];
    g.strokeStyle = colour.query;
    g.lineWidth = 2.5;
    g.strokeRect(left + first * wide - 1, 1 + (layers - 1 - layer) * high - 1, run.size * wide, high);
    g.fillStyle = colour.soft;
    g.font = labelFont(unit, colour.sans);
    g.textBaseline = "middle";
    g.textAlign = "left";
    const [every, across] = [Math.ceil((1.1 * unit) / high), Math.ceil((1.4 * unit) / wide)];
    for (let one = 0; one < layers; one += every) g.fillText(`L${one + 1}`, 0, 1 + (layers - 1 - one + 0.5) * high);
    g.textAlign = "center";
    g.textBaseline = "bottom";
    for (let one = 0; one < heads; one += across) g.fillText(String(one + 1), left + (one + 0.5) * wide, height);
    this.canvas.setAttribute(
      "aria-label",
      `Layers upward, heads across: what each head fetches at position ${player.t} without KV head ${kv + 1} of ` +
        `layer ${layer + 1}. ${this.said}`,
    );
  }

  /** @param {MouseEvent} event @returns {Cell | null} */
  at(event) {
    const { box, player } = this;
    if (!box || !this.measured()) return null;
    const { n_layers: layers, n_heads: heads } = player.run.meta.model;
    const place = this.canvas.getBoundingClientRect();
    const head = Math.floor((event.clientX - place.left - box.left) / box.wide);
    const layer = layers - 1 - Math.floor((event.clientY - place.top - box.top) / box.high);
    return head >= 0 && head < heads && layer >= 0 && layer < layers ? { layer, head } : null;
  }

  /** @param {MouseEvent} event */
  hover(event) {
    const { player } = this;
    const cell = this.at(event);
    const known = this.measured();
    if (!cell || !known) return player.point(null);
    const { layer, head } = cell;
    const moved = this.moved(known, layer, head);
    const own = layer === known.facts.layer && player.run.kvOf(head) === known.facts.kv_head;
    const why = own
      ? "It reads this key/value head."
      : layer <= known.facts.layer
        ? "Nothing of it comes here."
        : "It works with what the layers below have changed.";
    player.tell(
      `layer ${layer + 1}, head ${head + 1}`,
      [moved ? `What it fetches moves by ${nats(moved)} of its own length.` : "The same, bit for bit.", why],
      null,
      { x: event.clientX, y: event.clientY },
    );
  }

  /** The next word as it is, and without.
   * @param {import("./run.js").SharedRun["away"]} known */
  next(known) {
    const { player } = this;
    const { run, t } = player;
    const host = player.part("next");
    if (!known || t >= known.count) return host.replaceChildren();
    const rows = Array.from({ length: known.candidates }, (_, i) => {
      const at = t * known.candidates + i;
      const id = known.ids[at];
      const actual = t + 1 < run.count && id === run.ids[t + 1];
      return {
        label: known.facts.labels[id] ?? String(id),
        before: known.likely[2 * at],
        after: known.likely[2 * at + 1],
        actual,
      };
    }).sort((a, b) => b.before - a.before);
    const most = Math.max(...rows.map(({ before, after }) => Math.max(before, after)));
    const bar = (/** @type {string} */ look, /** @type {number} */ share) => {
      const node = el("i", { class: look });
      node.style.width = `${(100 * share) / most}%`;
      return node;
    };
    const title = el(
      "div",
      { class: "mx-row sh-columns" },
      el("span", {}, `after ${quoted(run.labels[t].trim() || "␣")}`),
      el("span", {}),
      el("span", { class: "mx-num" }, "▯ as it is"),
      el("span", { class: "mx-num" }, "▮ without"),
    );
    host.replaceChildren(
      title,
      ...rows.map(({ label, before, after, actual }) =>
        el(
          "div",
          { class: `mx-row${actual ? " mx-chosen" : ""}`, "data-word": label },
          el("span", { class: "mx-word" }, label.trim() || "␣"),
          el("span", { class: "mx-bar-track" }, bar("mx-fill", after), bar("mx-outline", before)),
          el("span", { class: "mx-num mx-before" }, percent(before)),
          el("span", { class: "mx-num" }, percent(after)),
        ),
      ),
    );
  }
}

/** A change, two digits; 0 is said as such.
 * @param {number} value */
export function nats(value) {
  if (value === 0) return "exactly 0";
  return Math.abs(value) < 0.001 ? value.toExponential(0).replace("-", "−") : value.toPrecision(2);
}
