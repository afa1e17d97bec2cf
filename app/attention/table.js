// The numbers of the heads: a table to sort and to filter. Everything in it comes from Python.

import { el } from "../kit/dom.js";
import { percent } from "../kit/format.js";
import { term } from "../kit/terms.js";

/** @import AttentionPage from "./page.js" */
/** @import { Term } from "../kit/terms.js" */
/** @import { AttentionRun } from "./run.js" */
/** @typedef {keyof typeof MEASURES} Measure */

/** Name, unit, and the term that explains it.
 * @type {Record<"distance" | "entropy" | "oldest" | "first" | "previous" | "induction", [string, string, Term]>} */
const MEASURES = {
  distance: ["mean distance", "tokens", "distance"],
  entropy: ["entropy", "bits", "entropy"],
  oldest: ["on oldest key", "", "oldest"],
  first: ["on position 0, of the queries that see it", "", "sink"],
  previous: ["on previous", "", "previous"],
  induction: ["induction", "", "induction"],
};

const NAMES = /** @type {Measure[]} */ (Object.keys(MEASURES));

export class TablePanel {
  /** @param {AttentionPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("numbers");
    /** @type {{ by: Measure | "head", down: boolean }} */
    this.sort = { by: "head", down: false };
    /** Rows are of this layer and this key/value head; -1 = of all. */
    this.only = { layer: -1, group: -1 };
    this.look = "";
    this.body = el("tbody", {});
  }

  /** NaN = not defined in this run, or not there yet.
   * @param {Measure} name @param {number} layer @param {number} head */
  number(name, layer, head) {
    const { extras, run } = this.player;
    const at = extras?.measures?.indexOf(name) ?? -1;
    if (at < 0 || !extras?.numbers) return NaN;
    const heads = run.meta.model.n_heads;
    return extras.numbers[(at * run.layers + layer) * heads + head];
  }

  /** All heads with all measures, as numbers. */
  all() {
    const { run } = this.player;
    const heads = Array.from({ length: run.layers * run.meta.model.n_heads }, (_, i) => i);
    const names = NAMES.map((name) => MEASURES[name].slice(0, 2).filter(Boolean).join(", "));
    return {
      names: ["layer", "head", "K/V head", ...names],
      rows: heads.map((i) => {
        const [layer, head] = [Math.floor(i / run.meta.model.n_heads), i % run.meta.model.n_heads];
        return [layer + 1, head + 1, this.group(head) + 1, ...NAMES.map((name) => this.number(name, layer, head))];
      }),
    };
  }

  /** @param {Measure} name @param {number} value */
  write(name, value) {
    if (!Number.isFinite(value)) return "–";
    return name === "distance" || name === "entropy" ? value.toFixed(2) : percent(value);
  }

  /** Its key/value head, from 0.
   * @param {number} head */
  group(head) {
    const { n_heads: heads, n_kv_heads: shared } = this.player.run.meta.model;
    return Math.floor(head / (heads / shared));
  }

  /** @param {number} layer @param {number} head */
  lines(layer, head) {
    const all = NAMES.map((name) => {
      const [label, unit] = MEASURES[name];
      return `${label} ${this.write(name, this.number(name, layer, head))} ${unit}`.trim();
    });
    return [
      `shares K/V head ${this.group(head) + 1}`,
      ...(this.player.extras?.measures
        ? [all.slice(0, 2).join(" · "), all.slice(2, 4).join(" · "), all.slice(4).join(" · ")]
        : []),
    ];
  }

  /** The numbers of a head, each behind a word that can be asked.
   * @param {number} layer @param {number} head @returns {(Node | string)[]} */
  explained(layer, head) {
    if (!this.player.extras?.measures) return [];
    return NAMES.flatMap((name) => {
      const [label, unit, asked] = MEASURES[name];
      return [" · ", term(asked, label), ` ${this.write(name, this.number(name, layer, head))} ${unit}`.trimEnd()];
    });
  }

  rows() {
    const { run } = this.player;
    const rows = [];
    for (let layer = 0; layer < run.layers; layer++) {
      for (let head = 0; head < run.meta.model.n_heads; head++) {
        if (this.only.layer >= 0 && layer !== this.only.layer) continue;
        if (this.only.group >= 0 && this.group(head) !== this.only.group) continue;
        rows.push({ layer, head });
      }
    }
    const { by, down } = this.sort;
    if (by === "head") return down ? rows.reverse() : rows;
    /** @param {{ layer: number, head: number }} row */
    const rank = (row) => {
      const value = this.number(by, row.layer, row.head);
      return Number.isFinite(value) ? value : -Infinity;
    };
    return rows.sort((a, b) => (down ? rank(b) - rank(a) : rank(a) - rank(b)) || a.layer - b.layer || a.head - b.head);
  }

  draw() {
    const { player } = this;
    if (this.host.hidden) return;
    const look = JSON.stringify([player.run.id, player.extras?.key, this.sort, this.only]);
    if (look !== this.look) this.build(look);
    for (const row of this.body.rows) {
      const selected = Number(row.dataset.layer) === player.layer && Number(row.dataset.head) === player.head;
      row.setAttribute("aria-selected", String(selected));
    }
  }

  /** @param {string} look */
  build(look) {
    this.look = look;
    const { player } = this;
    const { run } = player;
    if (!player.extras?.measures) {
      this.body = el("tbody", {});
      return this.host.replaceChildren(
        el("p", { class: "mx-note" }, player.extras?.notes?.[0] ?? "The numbers come when the text has ended."),
      );
    }
    this.body = el("tbody", {}, ...this.rows().map(({ layer, head }) => this.row(layer, head)));
    const table = el("table", {}, this.headings(), this.body);
    const scroll = el(
      "div",
      { class: "mx-scroll", tabindex: 0, role: "group", "aria-label": "Numbers of the heads" },
      table,
    );
    const before = this.host.querySelector(".mx-scroll")?.scrollTop ?? 0;
    this.host.replaceChildren(this.filters(run), scroll);
    scroll.scrollTop = before;
  }

  /** @param {number} layer @param {number} head */
  row(layer, head) {
    const { player } = this;
    const row = el(
      "tr",
      { "data-layer": layer, "data-head": head, tabindex: 0, onclick: () => player.pick(layer, head) },
      el("td", {}, `L${layer + 1} H${head + 1}`),
      el("td", {}, String(this.group(head) + 1)),
      ...NAMES.map((name) => el("td", {}, this.write(name, this.number(name, layer, head)))),
    );
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter") player.pick(layer, head);
    });
    return row;
  }

  headings() {
    return el(
      "thead",
      {},
      el(
        "tr",
        {},
        this.heading("head", "head", "head"),
        el("th", { scope: "col" }, "K/V"),
        ...NAMES.map((name) => {
          const [label, unit, term] = MEASURES[name];
          return this.heading(name, label + (unit ? `, ${unit}` : ""), term);
        }),
      ),
    );
  }

  /** @param {Measure | "head"} by @param {string} label @param {Term} term */
  heading(by, label, term) {
    const on = this.sort.by === by;
    return el(
      "th",
      { scope: "col", "aria-sort": on ? (this.sort.down ? "descending" : "ascending") : null },
      el(
        "button",
        { type: "button", "data-term": term, "data-sort": by, onclick: () => this.sortBy(by) },
        label,
        on ? (this.sort.down ? " ▼" : " ▲") : "",
      ),
    );
  }

  /** @param {AttentionRun} run */
  filters(run) {
    /** @param {"layer" | "group"} name @param {string} label @param {number} count */
    const pick = (name, label, count) => {
      const box = el(
        "select",
        {
          "aria-label": `Only this ${label}`,
          "data-filter": name,
          onchange: () => this.filter(name, Number(box.value)),
        },
        el("option", { value: -1 }, "all"),
        ...Array.from({ length: count }, (_, i) => el("option", { value: i }, `${i + 1}`)),
      );
      box.value = String(this.only[name]);
      return el("label", {}, `${label} `, box);
    };
    return el(
      "div",
      { class: "mx-filters" },
      pick("layer", "layer", run.layers),
      pick("group", "K/V head", run.meta.model.n_kv_heads),
    );
  }

  /** @param {"layer" | "group"} name @param {number} value -1 = all */
  filter(name, value) {
    this.only[name] = value;
    this.draw();
    /** @type {HTMLElement | null} */ (this.host.querySelector(`[data-filter=${name}]`))?.focus();
  }

  /** @param {Measure | "head"} by */
  sortBy(by) {
    this.sort = { by, down: this.sort.by === by ? !this.sort.down : by !== "head" };
    this.draw();
    /** @type {HTMLElement | null} */ (this.host.querySelector(`[data-sort=${by}]`))?.focus();
  }
}
