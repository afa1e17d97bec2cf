// Two scenes computed from positions alone: the prompt read chunk by chunk, and going back. Theory: no weights.

import { csv, save } from "../kit/csv.js";
import { clamp, grouped, plural, shorten } from "../kit/format.js";
import { closest, el } from "../kit/dom.js";
import { chunkPlan, firstLoss, rewindPlan, span } from "./plans.js";
import { term } from "../kit/terms.js";

/** @import RingPage from "./page.js" */
/** @import { ChunkPlan } from "./plans.js" */
/** What of a chunk is on screen: its positions, and the keys that the chosen query sees and would miss.
 * @typedef {{ query: number, start: number, end: number, window: number, seen: Set<number>,
 *   missing: Set<number> }} ChunkView */

const CELLS_MAX = 64;

export class Scenes {
  /** @param {RingPage} player */
  constructor(player) {
    this.player = player;
    /** @type {number | null} null = the first in which the order matters */
    this.chunk = null;
    /** @type {number | null} position of the chosen query of the chunk; null = its first */
    this.query = null;
    this.size = player.part("chunk-size", HTMLInputElement);
    this.size.addEventListener("input", () => {
      this.chunk = null;
      this.query = null;
      player.draw();
    });
    this.size.addEventListener("change", () => {
      this.size.value = String(this.chunkSize());
    });
    this.size.addEventListener("keydown", (event) => event.stopPropagation());
    this.back = player.part("back", HTMLInputElement);
    this.back.addEventListener("input", () => player.draw());
    this.back.addEventListener("keydown", (event) => event.stopPropagation());
    player.part("chunks").addEventListener("click", (event) => {
      const cell = closest(event, "[data-query]");
      if (cell) {
        this.query = Number(cell.dataset.query);
        player.draw();
      }
    });
  }

  /** @param {number} step of chunks */
  move(step) {
    this.chunk = this.shown() + step;
    this.query = null;
    this.player.draw();
  }

  /** Tokens in a chunk: what the field says, as far as a prompt can be cut so. */
  chunkSize() {
    return clamp(Math.round(Number(this.size.value)) || 1, 1, this.player.run.meta.n_prompt);
  }

  /** The chunk on screen: the one that was chosen, else the first from which writing first would take a key. */
  shown() {
    const { run, layer } = this.player;
    const size = this.chunkSize();
    const prompt = run.meta.n_prompt;
    const first = () => firstLoss(prompt, size, run.slotsOf(layer));
    return clamp(this.chunk ?? first(), 0, Math.ceil(prompt / size) - 1);
  }

  /** @param {"chunks" | "rewind"} scene */
  draw(scene) {
    if (scene === "chunks") this.drawChunks();
    if (scene === "rewind") this.drawRewind();
  }

  /** @param {number} position below 0 = empty
   * @param {Record<string, string | number>} attributes */
  cell(position, classes = "", attributes = {}) {
    const { run } = this.player;
    const button = "data-query" in attributes; // a query can be chosen, the rest is only read
    return el(
      button ? "button" : "span",
      { class: `ring-cell ${classes}`, type: button ? "button" : null, ...attributes },
      el("span", { class: "mx-serif" }, position < 0 ? " " : shorten(run.labels[position] ?? "", 12)),
      el("small", {}, position < 0 ? "empty" : String(position)),
    );
  }

  /** @param {string} title @param {Node[]} cells */
  block(title, cells, note = "") {
    const wide = Math.min(this.player.slots(), CELLS_MAX) > 32;
    return el(
      "div",
      { class: "ring-block" },
      el("h3", {}, title, note ? el("span", { class: "mx-soft" }, ` ${note}`) : null),
      el("div", { class: "ring-cells", style: `--ring-columns: ${wide ? 16 : 8}` }, ...cells),
    );
  }

  /** Of a long ring, the slots that a chunk touches.
   * @param {ChunkPlan} plan */
  slotsShown(plan) {
    const slots = plan.after.length;
    if (slots <= CELLS_MAX) return span(0, slots);
    return [...new Set(plan.writes.slice(-CELLS_MAX / 2).map((p) => this.player.run.slot(p, slots)))];
  }

  drawChunks() {
    const { run, layer } = this.player;
    const { player } = this;
    const window = run.windows[layer];
    const host = player.part("chunks");
    const prompt = run.meta.n_prompt;
    player.part("chunk-title").textContent =
      `Layer ${layer + 1} reads the prompt of ${plural(prompt, "token")}: read first, then write`;
    if (!Number.isFinite(window)) {
      host.replaceChildren(
        el(
          "p",
          { class: "mx-note" },
          "This layer has no window: nothing is ever overwritten, and the order does not matter.",
        ),
      );
      return player.part("chunk-words").replaceChildren();
    }
    this.size.max = String(prompt);
    const size = this.chunkSize();
    const chunks = Math.ceil(prompt / size);
    const chunk = this.shown();
    const start = chunk * size;
    const end = Math.min(prompt, start + size);
    const plan = chunkPlan(start, end, window, run.sinks);
    const query = this.query !== null && this.query >= start && this.query < end ? this.query : start;
    const seen = new Set(plan.sees(query));
    const missing = new Set(plan.missing(query));
    player.part("chunk-range").textContent = `chunk ${chunk + 1} of ${chunks}: positions ${start} to ${end - 1}`;
    /** @param {number} p */
    const look = (p) =>
      missing.has(p) ? "ring-seen ring-doomed" : seen.has(p) ? "ring-seen" : p < 0 ? "ring-empty" : "";
    const slots = this.slotsShown(plan);
    const tokens = span(start, end).slice(0, CELLS_MAX);
    const written = new Set(plan.writes);
    host.replaceChildren(
      this.block(
        "1  ring before",
        slots.map((slot) => this.cell(plan.before[slot], look(plan.before[slot]))),
        `by slot, ${window} slots${run.sinks ? ` and ${run.sinks} kept` : ""}`,
      ),
      this.block(
        "2  the chunk",
        tokens.map((p) =>
          this.cell(p, look(p) + (p === query ? " ring-query" : ""), {
            "data-query": p,
            "aria-pressed": String(p === query),
            "aria-label": `query ${run.labels[p]}, position ${p}`,
          }),
        ),
        "click a query",
      ),
      this.block(
        "3  ring after the write",
        slots.map((slot) =>
          this.cell(
            plan.after[slot],
            written.has(plan.after[slot]) ? "ring-written" : plan.after[slot] < 0 ? "ring-empty" : "",
          ),
        ),
        `${plural(plan.writes.length, "slot")} written`,
      ),
    );
    Object.assign(host.dataset, {
      start,
      end,
      window,
      before: plan.before.join(","),
      after: plan.after.join(","),
      doomed: plan.doomed.join(","),
      query,
      missing: [...missing].join(","),
    });
    this.chunkWords(plan, { query, start, end, window, seen, missing });
  }

  /** Which query of the chunk sees which key: those of the ring before, by slot, then those of the chunk. */
  saveMask() {
    const { run, layer } = this.player;
    const window = run.windows[layer];
    if (!Number.isFinite(window)) return;
    const start = this.shown() * this.chunkSize();
    const end = Math.min(run.meta.n_prompt, start + this.chunkSize());
    const plan = chunkPlan(start, end, window, run.sinks);
    const keys = [...plan.before, ...span(start, end)];
    const names = keys.map((p, i) => {
      const place = i < plan.before.length ? `slot ${i}` : "chunk";
      return p < 0 ? `${place}: empty` : `${place}: position ${p}`;
    });
    const rows = span(start, end).map((query) => {
      const seen = new Set(plan.sees(query));
      return [query, run.labels[query], ...keys.map((p) => Number(seen.has(p)))];
    });
    save(`mask-layer${layer + 1}-chunk${this.shown() + 1}.csv`, csv(["query", "token", ...names], rows));
  }

  /** @param {ChunkPlan} plan @param {ChunkView} view */
  chunkWords(plan, { query, start, end, seen, missing, window }) {
    const { run } = this.player;
    const old = [...seen].filter((p) => p < start).length;
    /** @type {(Node | string)[][]} */
    const lines = [
      [
        "The ",
        term("query"),
        " ",
        el("b", { class: "mx-q mx-serif" }, shorten(run.labels[query], 14)),
        ` (${query}) sees `,
        el("b", {}, plural(seen.size, "key")),
        ` (outlined): ${old} in the ring before, ${seen.size - old} in the chunk.`,
      ],
    ];
    if (end - start === 1)
      lines.push([
        "One token at a time: its write destroys only position ",
        `${start - window < run.sinks ? "– (none yet)" : start - window}, `,
        "which has just left the window. ",
        "So decoding writes first, and then the query finds all it sees in the ring, its own key included.",
      ]);
    else if (plan.doomed.length)
      lines.push([
        el("b", {}, `Written first, this chunk would destroy ${plural(plan.doomed.length, "key")}`),
        ` that its queries may still see${missing.size ? `; this query would miss ${missing.size} (hatched)` : ""}.`,
        " So a chunk reads the ring before and itself, and only then writes.",
      ]);
    else lines.push(["Nothing is lost here in either order: no slot that a query still needs is overwritten yet."]);
    const own = run.meta.beside.chunk_size;
    if (own)
      lines.push([
        el(
          "span",
          { class: "mx-soft" },
          `This run read its prompt in chunks of up to ${grouped(own)} tokens; `,
          "the result is the same for every size.",
        ),
      ]);
    this.player.part("chunk-words").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
  }

  drawRewind() {
    const { player } = this;
    const { run, t, layer } = player;
    const window = run.windows[layer];
    const host = player.part("rewind");
    if (!Number.isFinite(window)) {
      host.replaceChildren(
        el("p", { class: "mx-note" }, "This layer has no window: it keeps everything and can go back to any token."),
      );
      return player.part("rewind-words").replaceChildren();
    }
    this.back.max = String(Math.min(t + 1, 2 * window, 256));
    const back = Math.min(Number(this.back.value), Number(this.back.max));
    player.part("back-count").textContent = plural(back, "token");
    const plan = rewindPlan(t, back, window, run.sinks);
    const lost = new Set(plan.lost);
    const held = [...run.outside(t, window), ...span(Math.max(0, t - window + 1), t + 1)];
    host.replaceChildren(
      this.block(
        "the ring now holds",
        held.slice(0, CELLS_MAX).map((p) => this.cell(p, p >= plan.from ? "ring-back" : "")),
        `order of the text, layer ${layer + 1}`,
      ),
      this.block(
        `to choose position ${plan.from} anew, its query needs`,
        plan.needed.slice(0, CELLS_MAX).map((p) => this.cell(p, lost.has(p) ? "ring-doomed" : "ring-seen")),
        back ? `${plural(plan.needed.length, "key")} before it` : "nothing is taken back",
      ),
    );
    Object.assign(host.dataset, { back, lost: plan.lost.join(","), needed: plan.needed.join(","), reach: plan.reach });
    const { kv_bytes: kv, kv_dtype: type } = run.meta.beside;
    /** @type {(Node | string)[][]} */
    const lines = [];
    if (!back) lines.push(["Move the slider: how many of the last tokens are taken back?"]);
    else if (lost.size)
      lines.push([
        el("b", {}, `${plural(lost.size, "key")} and as many values are gone in this layer`),
        ` (hatched): later tokens lie in their slots. The ring alone cannot go back ${plural(back, "token")}.`,
      ]);
    else lines.push([el("b", {}, "Everything needed is still there."), " The ring alone can do it."]);
    lines.push([
      t < run.slotsOf(layer)
        ? "Nothing has been overwritten yet, so the ring can still go back to the beginning. " +
          `From position ${run.slotsOf(layer)} on that ends.`
        : "Once its slots are used again, a ring can take back exactly 1 token: its write destroyed only a key that " +
          "had just left the window. Each token further lacks one more.",
    ]);
    lines.push([
      kv
        ? "This app can go back to any token only because the trace kept every key and value: " +
          `${grouped(kv)} bytes a token (each number in ${type}: ${Number(type.replace(/\D+/, "")) / 8} bytes), ` +
          `${grouped(kv * run.count)} for this run.`
        : "This recording kept no keys and values: going back means reading the text again.",
    ]);
    player.part("rewind-words").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
  }
}
