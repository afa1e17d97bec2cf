// The heads of one group over the keys that they share: the stored keys drawn once, and above them what each head makes
// of them. Of one token as a table, of the tokens before it too as pictures beside each other.

import { onCells } from "../kit/cells.js";
import { blend, inkOn, shade } from "../kit/colour.js";
import { closest, el, legend, penOf } from "../kit/dom.js";
import { clamp, percent, plural, quoted, shorten } from "../kit/format.js";
import { term } from "../kit/terms.js";

/** @import SharedHeadsPage from "./page.js" */
/** @import { Kind } from "./run.js" */
/** @typedef {{ head: number, query: number, key: number }} MapCell */
/** @typedef {NonNullable<ReturnType<import("./run.js").SharedRun["agreement"]>>} Agreement */

const COLUMN = 2; // least width of a key's column, in the picture's unit
const NAMES = 6; // of the column in front
const ROWS = 40; // queries of a picture
/** @type {[Kind, string][]} */
const KINDS = [
  ["keys", "key"],
  ["values", "value"],
];

/** How much of their weight two heads put on the same keys.
 * @param {Agreement} agreement @returns {(Node | string)[]} */
function agreeing({ mean, most, least }) {
  const pair = (/** @type {Agreement["most"]} */ { one, other }) => `heads ${one + 1} and ${other + 1}`;
  const how = "(derived: sum of the smaller weight of each key).";
  if (most === least)
    return [`Here ${pair(most)} put `, el("b", {}, percent(mean)), ` of their weight on the same keys ${how}`];
  return [
    `On the same keys lies, here, most weight of ${pair(most)}: `,
    el("b", {}, percent(most.share)),
    `; least of ${pair(least)}: `,
    el("b", {}, percent(least.share)),
    `; mean of all pairs: ${percent(mean)} ${how}`,
  ];
}

export class GroupPanel {
  /** @param {SharedHeadsPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("group");
    this.host.addEventListener("pointerover", (event) => this.hover(event));
    this.host.addEventListener("pointerleave", () => player.point(null));
    this.host.addEventListener("focusin", (event) => this.hover(event));
    this.host.addEventListener("click", (event) => {
      const head = closest(event, "[data-of-head]");
      if (head) player.pickHead(Number(head.dataset.ofHead));
    });
    player.watch.observe(this.host);
  }

  /** Positions that stand in the table, and how many before them do not. */
  columns() {
    const { player } = this;
    const seen = player.run.inSight(player.t, player.layer);
    const { width } = player.size(this.host);
    const room = Math.max(4, Math.floor((width - NAMES * player.unit) / (COLUMN * player.unit)));
    const keys = seen.length > room ? seen.slice(-(room - 1)) : seen;
    return { keys, before: seen.slice(0, seen.length - keys.length) };
  }

  /** The keys that a head gives most, with their weights.
   * @param {number} head @returns {[number, number][]} */
  strongest(head) {
    const { run, t, layer } = this.player;
    return run
      .inSight(t, layer)
      .map((key) => /** @type {[number, number]} */ ([run.weight(t, layer, head, t - key), key]))
      .filter(([weight]) => Number.isFinite(weight))
      .sort(([a], [b]) => b - a);
  }

  draw() {
    const { player } = this;
    const { run, kv, layer, view } = player;
    const heads = run.group(kv);
    const [first, last] = [heads[0] + 1, heads[heads.length - 1] + 1];
    player.part("group-title").textContent =
      heads.length > 1
        ? `Heads ${first} to ${last}: the same keys, ${heads.length} different questions`
        : `Head ${first}: keys of its own`;
    const has = run.byHead(layer);
    if (!has) this.host.replaceChildren(el("p", { class: "mx-note" }, this.waiting()));
    else if (view === "maps") this.drawMaps(heads);
    else this.drawTable(heads);
    this.note(has);
    this.mark();
  }

  waiting() {
    const { run } = this.player;
    return run.meta.beside.note || run.meta.note || "What each head looks at is on its way …";
  }

  /** @param {boolean} has  whether weights are there */
  note(has) {
    const { player } = this;
    const { run, t, layer, kv } = player;
    const alike = has ? run.agreement(t, layer, kv) : null;
    /** @type {(Node | string)[]} */
    const words = [];
    if (alike && Number.isFinite(alike.mean)) words.push(...agreeing(alike));
    else if (has) words.push("This head shares its keys with no other one: nothing is saved, and nothing is lost.");
    const more = run.apart(layer, "more_keys");
    if (!run.hasKv(layer)) words.push(` ${run.meta.beside.note || "The stored numbers are on their way …"}`);
    else if (more?.again) words.push(" The text was read again for the stored numbers, which this run does not keep.");
    player.part("group-note").replaceChildren(...words);
    player
      .part("group-legend")
      .replaceChildren(
        legend("mx-key-attention", "weight, ", term("square root", "darker by its square root")),
        ...(player.view === "row" && run.hasKv(layer)
          ? [
              legend("sh-key-plus", "number above 0"),
              legend("sh-key-minus", "below 0; stronger = larger, within the strip"),
            ]
          : []),
        ...(player.view === "maps"
          ? [el("span", {}, "down: the token that asks, now last; across: keys back, 0 left")]
          : []),
      );
  }

  /** @param {number[]} heads */
  drawTable(heads) {
    const { player } = this;
    const { run, t, layer, kv } = player;
    const { keys, before } = this.columns();
    const early = before.length ? [`${before.length} before`] : [];
    const words = keys.map((key) =>
      el(
        "th",
        { scope: "col", "data-key": key, class: key === t ? "sh-now" : null },
        el("span", { class: "sh-word mx-serif" }, shorten(run.labels[key].trim() || "␣", 9)),
        el("small", {}, String(key)),
      ),
    );
    const head = el(
      "tr",
      {},
      el("td", { class: "sh-corner" }, "token, position"),
      ...early.map((text) => el("th", { scope: "col", class: "sh-early" }, el("small", {}, text))),
      ...words,
    );
    const rows = heads.map((one) => this.row(one, keys, before));
    const stored = run.hasKv(layer) ? KINDS.map(([kind, name]) => this.strip(kind, name, keys, before.length > 0)) : [];
    const caption = el(
      "caption",
      { class: "mx-sr" },
      `Weights in per cent of the heads that read KV head ${kv + 1} of layer ${layer + 1}, at position ${t}`,
    );
    const table = el(
      "table",
      { class: "sh-table" },
      caption,
      el("thead", {}, head),
      el("tbody", {}, ...rows, ...stored),
    );
    this.host.replaceChildren(table);
    this.paint(keys);
  }

  /** @param {number} head @param {number[]} keys @param {number[]} before */
  row(head, keys, before) {
    const { player } = this;
    const { run, t, layer, colour } = player;
    /** @param {number} weight @param {number | null} key */
    const cell = (weight, key) => {
      const fill = blend(colour.card, colour.attention, shade(weight));
      const hundred = Math.round(weight * 100);
      return el(
        "td",
        {
          "data-key": key,
          "data-head": head,
          "data-weight": weight.toFixed(5),
          style: `background: ${fill}; color: ${inkOn(fill)}`,
        },
        hundred >= 1 ? String(hundred) : "",
      );
    };
    const weights = keys.map((key) => run.weight(t, layer, head, t - key));
    const rest = before.reduce((sum, key) => sum + run.weight(t, layer, head, t - key), 0);
    const name = el(
      "th",
      { scope: "row" },
      el(
        "button",
        { type: "button", class: "sh-name-button", "data-of-head": head, "aria-pressed": String(head === player.head) },
        `head ${head + 1}`,
      ),
    );
    return el(
      "tr",
      { class: head === player.head ? "sh-chosen" : null },
      name,
      ...(before.length ? [cell(rest, null)] : []),
      ...weights.map((weight, i) => cell(weight, keys[i])),
    );
  }

  /** The keys, or the values, that are stored once for all heads of the group.
   * @param {Kind} kind @param {string} name @param {number[]} keys @param {boolean} early */
  strip(kind, name, keys, early) {
    const { kv } = this.player;
    const canvas = el("canvas", {
      class: "sh-strip",
      "data-kind": kind,
      role: "img",
      "aria-label": `The ${name} of each of these tokens in KV head ${kv + 1}, stored once`,
    });
    canvas.addEventListener("pointermove", (event) => this.hoverStrip(event, kind, keys));
    canvas.addEventListener("pointerleave", () => this.player.point(null));
    return el(
      "tr",
      { class: "sh-stored-row" },
      el("th", { scope: "row" }, `${name}, once`),
      ...(early ? [el("td", { class: "sh-early" })] : []),
      el("td", { colspan: keys.length }, canvas),
    );
  }

  /** @param {number[]} keys */
  paint(keys) {
    const { player } = this;
    const { run, layer, kv, colour } = player;
    const dim = run.meta.beside.head_dim;
    for (const canvas of this.host.querySelectorAll("canvas")) {
      const kind = /** @type {Kind} */ (canvas.dataset.kind);
      const vectors = keys.map((key) => run.vector(kind, key, layer, kv));
      let most = 0;
      for (const vector of vectors) for (const value of vector ?? []) most = Math.max(most, Math.abs(value));
      canvas.width = keys.length * 8; // of which one stays empty, so that keys are apart
      canvas.height = dim;
      canvas.dataset.most = most.toFixed(3);
      const g = penOf(canvas);
      vectors.forEach((vector, column) => {
        for (let i = 0; vector && i < dim; i++) {
          const share = most ? vector[i] / most : 0;
          g.fillStyle = blend(colour.card, share < 0 ? colour.negative : colour.positive, Math.abs(share));
          g.fillRect(column * 8, i, 7, 1);
        }
      });
    }
  }

  /** Every head's weights of the last queries: rows end with the chosen token.
   * @param {number[]} heads */
  drawMaps(heads) {
    const { player } = this;
    const { run, t, layer, colour } = player;
    const from = Math.max(0, t - ROWS + 1);
    const width = Math.min(run.windows[layer], ROWS, t + 1);
    const maps = heads.map((head) => {
      const canvas = el("canvas", {
        class: "sh-head-map",
        role: "img",
        width: width * 4,
        height: (t + 1 - from) * 4,
        "data-map": head,
        "aria-label": `Weights of head ${head + 1} from positions ${from} to ${t}, by keys back`,
      });
      const g = penOf(canvas);
      for (let query = from; query <= t; query++)
        for (let offset = 0; offset < width; offset++) {
          const sees = run.sees(layer, query, query - offset);
          g.fillStyle = sees
            ? blend(colour.card, colour.attention, shade(run.weight(query, layer, head, offset)))
            : colour.hatch;
          g.fillRect(offset * 4, (query - from) * 4, 4, 4);
        }
      /** @type {(event: PointerEvent) => MapCell | null} */
      const at = (event) => {
        const box = canvas.getBoundingClientRect();
        const query = from + clamp(Math.floor(((event.clientY - box.top) / box.height) * (t + 1 - from)), 0, t - from);
        const offset = clamp(Math.floor(((event.clientX - box.left) / box.width) * width), 0, width - 1);
        return run.sees(layer, query, query - offset) ? { head, query, key: query - offset } : null;
      };
      onCells(canvas, {
        at,
        hover: (event) => this.hoverMap(at(event), event),
        leave: () => player.point(null),
        go: ({ query }) => player.go(query, { by: "hand" }),
      });
      const name = el(
        "button",
        { type: "button", class: "sh-name-button", "data-of-head": head, "aria-pressed": String(head === player.head) },
        `head ${head + 1}`,
      );
      return el("figure", { class: "sh-figure" }, canvas, el("figcaption", {}, name));
    });
    this.host.replaceChildren(el("div", { class: "sh-maps" }, ...maps));
  }

  /** @param {MapCell | null} cell @param {PointerEvent} event */
  hoverMap(cell, event) {
    const { player } = this;
    if (!cell) return player.point(null);
    const { run, layer } = player;
    const weight = run.weight(cell.query, layer, cell.head, cell.query - cell.key);
    player.hovered = cell.key;
    player.tell(
      `head ${cell.head + 1}`,
      [
        `From ${quoted(run.labels[cell.query])} (${cell.query}) to ${quoted(run.labels[cell.key])} (${cell.key}): ` +
          `${percent(weight)}.`,
      ],
      null,
      { x: event.clientX, y: event.clientY },
    );
    player.again();
  }

  /** @param {Event} event */
  hover(event) {
    const { player } = this;
    const node = closest(event, "[data-key]");
    if (!node || !player.run) {
      if (!closest(event, "canvas")) player.point(null);
      return;
    }
    const key = Number(node.dataset.key);
    player.hovered = key;
    player.tell(`${quoted(player.run.labels[key])}, position ${key}`, this.readers(key), node);
    player.again();
  }

  /** Who reads the key of a token in this layer, with which weight.
   * @param {number} key */
  readers(key) {
    const { run, t, layer, kv } = this.player;
    const weights = run.group(kv).map((head) => `head ${head + 1} ${percent(run.weight(t, layer, head, t - key))}`);
    const lines = [`Its key in KV head ${kv + 1} is read now by ${weights.join(", ")}.`];
    const others = run.meta.model.n_kv_heads - 1;
    if (others)
      lines.push(
        `${plural(others, "other KV head keeps", "other KV heads keep")} a key of it too, for the other heads.`,
      );
    return lines;
  }

  /** @param {PointerEvent} event @param {Kind} kind @param {number[]} keys */
  hoverStrip(event, kind, keys) {
    const { player } = this;
    const { run, layer, kv } = player;
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    const column = clamp(Math.floor(((event.clientX - box.left) / box.width) * keys.length), 0, keys.length - 1);
    const key = keys[column];
    const vector = run.vector(kind, key, layer, kv);
    if (!vector) return;
    const i = clamp(Math.floor(((event.clientY - box.top) / box.height) * vector.length), 0, vector.length - 1);
    player.hovered = key;
    const name = kind === "keys" ? "Key" : "Value";
    player.tell(
      `${name} of ${quoted(run.labels[key])} (${key}), KV head ${kv + 1}`,
      [
        `number ${i} of ${vector.length}: ${number(vector[i])}`,
        ...(kind === "keys"
          ? this.readers(key).slice(0, 1)
          : ["Every head of the group fetches it, by its own weight."]),
      ],
      null,
      { x: event.clientX, y: event.clientY },
    );
    player.again();
  }

  /** The column of the token under the pointer. */
  mark() {
    const { hovered } = this.player;
    for (const node of this.host.querySelectorAll("[data-key]"))
      node.toggleAttribute("data-pointed", hovered !== null && node.getAttribute("data-key") === String(hovered));
  }
}

/** @param {number} value */
const number = (value) => (value < 0 ? `−${(-value).toFixed(4)}` : value.toFixed(4));
