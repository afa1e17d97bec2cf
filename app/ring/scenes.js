// Two scenes computed from positions alone: the prompt read chunk by chunk, and going back. Theory: no weights.

import { clamp, grouped, plural, shorten } from "../kit/format.js";
import { el } from "../kit/dom.js";
import { lastIn } from "../kit/windows.js";

const CELLS_MAX = 64;

/** Positions from `from` up to but without `to`. */
const span = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

/** What a ring of W slots holds after `seen` tokens: slot -> position, -1 = empty. */
function ringAfter(seen, window) {
  return span(0, window).map((slot) => {
    const last = seen - 1;
    const position = lastIn(slot, last, window);
    return position < 0 ? -1 : position;
  });
}

/** What one chunk does: reads (ring before + chunk), then writes its last W. `doomed`: keys that writing first would
 *  destroy although a query of the chunk may still see them; `missing(q)`: those of one query. */
function chunkPlan(start, end, window) {
  const before = ringAfter(start, window);
  const after = ringAfter(end, window);
  const writes = span(Math.max(start, end - window), end);
  const kept = new Set(after);
  const sees = (q) => span(Math.max(0, q - window + 1), q + 1);
  const missing = (q) => sees(q).filter((p) => !kept.has(p));
  const doomed = [...new Set(span(start, end).flatMap(missing))].sort((a, b) => a - b);
  return { before, after, writes, sees, missing, doomed };
}

/** To choose position t - back + 1 anew its query needs the W - 1 keys before it; a ring that has read up to t lacks some. */
function rewindPlan(t, back, window) {
  const from = t - back + 1;
  const needed = back ? span(Math.max(0, from - window + 1), from) : [];
  const lost = needed.filter((p) => p <= t - window);
  return { from, needed, lost, reach: t < window ? t + 1 : 1 };
}

export class Scenes {
  constructor(player) {
    this.player = player;
    this.chunk = 0;
    this.query = null;
    this.size = player.part("chunk-size");
    this.size.addEventListener("input", () => {
      this.chunk = 0;
      this.query = null;
      player.draw();
    });
    this.size.addEventListener("keydown", (event) => event.stopPropagation());
    this.back = player.part("back");
    this.back.addEventListener("input", () => player.draw());
    this.back.addEventListener("keydown", (event) => event.stopPropagation());
    player.part("chunks").addEventListener("click", (event) => {
      const cell = event.target.closest("[data-query]");
      if (cell) {
        this.query = Number(cell.dataset.query);
        player.draw();
      }
    });
  }

  move(step) {
    this.chunk += step;
    this.query = null;
    this.player.draw();
  }

  draw(scene) {
    if (scene === "chunks") this.drawChunks();
    if (scene === "rewind") this.drawRewind();
  }

  cell(position, classes = "", attributes = {}) {
    const { run } = this.player;
    const button = "data-query" in attributes; // a query can be chosen, the rest is only read
    return el(
      button ? "button" : "span",
      { class: `th-cell ${classes}`, type: button ? "button" : null, ...attributes },
      el("span", { class: "mx-serif" }, position < 0 ? " " : shorten(run.labels[position] ?? "", 12)),
      el("small", {}, position < 0 ? "empty" : String(position)),
    );
  }

  block(title, cells, note = "") {
    const wide = Math.min(this.player.slots(), CELLS_MAX) > 32;
    return el(
      "div",
      { class: "th-block" },
      el("h3", {}, title, note ? el("span", { class: "mx-soft" }, ` ${note}`) : null),
      el("div", { class: "th-cells", style: `--th-columns: ${wide ? 16 : 8}` }, ...cells),
    );
  }

  /** Of a long ring, the slots that a chunk touches and their neighbours. */
  slotsShown(plan, window) {
    if (window <= CELLS_MAX) return span(0, window);
    return [...new Set(plan.writes.slice(-CELLS_MAX / 2).map((p) => p % window))];
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
    this.size.max = prompt;
    const size = clamp(Math.round(Number(this.size.value)) || 1, 1, prompt);
    const chunks = Math.ceil(prompt / size);
    this.chunk = clamp(this.chunk, 0, chunks - 1);
    const start = this.chunk * size;
    const end = Math.min(prompt, start + size);
    const plan = chunkPlan(start, end, window);
    const query = this.query !== null && this.query >= start && this.query < end ? this.query : start;
    const seen = new Set(plan.sees(query));
    const missing = new Set(plan.missing(query));
    player.part("chunk-range").textContent = `chunk ${this.chunk + 1} of ${chunks}: positions ${start} to ${end - 1}`;
    const look = (p) => (missing.has(p) ? "th-seen th-doomed" : seen.has(p) ? "th-seen" : p < 0 ? "th-empty" : "");
    const slots = this.slotsShown(plan, window);
    const tokens = span(start, end).slice(0, CELLS_MAX);
    const written = new Set(plan.writes);
    host.replaceChildren(
      this.block(
        "1  ring before",
        slots.map((slot) => this.cell(plan.before[slot], look(plan.before[slot]))),
        `by slot, ${window} slots`,
      ),
      this.block(
        "2  the chunk",
        tokens.map((p) =>
          this.cell(p, look(p) + (p === query ? " th-query" : ""), {
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
            written.has(plan.after[slot]) ? "th-written" : plan.after[slot] < 0 ? "th-empty" : "",
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

  chunkWords(plan, { query, start, end, seen, missing, window }) {
    const { run } = this.player;
    const old = [...seen].filter((p) => p < start).length;
    const lines = [
      [
        "The query ",
        el("b", { class: "mx-q mx-serif" }, shorten(run.labels[query], 14)),
        ` (${query}) sees `,
        el("b", {}, plural(seen.size, "key")),
        ` (outlined): ${old} in the ring before, ${seen.size - old} in the chunk.`,
      ],
    ];
    if (end - start === 1)
      lines.push([
        `One token at a time: its write destroys only position ${start - window < 0 ? "– (none yet)" : start - window}, which has just left the window. `,
        "So decoding writes first, and then the query finds all it sees in the ring, its own key included.",
      ]);
    else if (plan.doomed.length)
      lines.push([
        el("b", {}, `Written first, this chunk would destroy ${plural(plan.doomed.length, "key")}`),
        ` that its queries may still see${missing.size ? `; this query would miss ${missing.size} (hatched)` : ""}. So a chunk reads the ring before and itself, and only then writes.`,
      ]);
    else lines.push(["Nothing is lost here in either order: no slot that a query still needs is overwritten yet."]);
    const own = run.meta.theatre.chunk_size;
    if (own)
      lines.push([
        el(
          "span",
          { class: "mx-soft" },
          `This run read its prompt in chunks of up to ${grouped(own)} tokens; the result is the same for every size.`,
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
    this.back.max = Math.min(t + 1, 2 * window, 256);
    const back = Math.min(Number(this.back.value), Number(this.back.max));
    player.part("back-count").textContent = plural(back, "token");
    const plan = rewindPlan(t, back, window);
    const lost = new Set(plan.lost);
    const held = span(Math.max(0, t - window + 1), t + 1);
    const shorten64 = (list) => (list.length > CELLS_MAX ? list.slice(0, CELLS_MAX) : list);
    host.replaceChildren(
      this.block(
        "the ring now holds",
        shorten64(held).map((p) => this.cell(p, p >= plan.from ? "th-back" : "")),
        `order of the text, layer ${layer + 1}`,
      ),
      this.block(
        `to choose position ${plan.from} anew, its query needs`,
        shorten64(plan.needed).map((p) => this.cell(p, lost.has(p) ? "th-doomed" : "th-seen")),
        back ? `${plural(plan.needed.length, "key")} before it` : "nothing is taken back",
      ),
    );
    Object.assign(host.dataset, { back, lost: plan.lost.join(","), needed: plan.needed.join(","), reach: plan.reach });
    const kv = run.meta.theatre.kv_bytes;
    const lines = [];
    if (!back) lines.push(["Move the slider: how many of the last tokens are taken back?"]);
    else if (lost.size)
      lines.push([
        el("b", {}, `${plural(lost.size, "key")} and as many values are gone in this layer`),
        ` (hatched): later tokens lie in their slots. The ring alone cannot go back ${plural(back, "token")}.`,
      ]);
    else lines.push([el("b", {}, "Everything needed is still there."), " The ring alone can do it."]);
    lines.push([
      t < window
        ? `Nothing has been overwritten yet, so the ring can still go back to the beginning. From position ${window} on that ends.`
        : "Once it has rolled, a ring can take back exactly 1 token: its write destroyed only a key that had just left the window. Each token further lacks one more.",
    ]);
    lines.push([
      kv
        ? `This app can go back to any token only because the trace kept every key and value: ${grouped(kv)} bytes a token, ${grouped(kv * run.count)} for this run.`
        : "This recording kept no keys and values: going back means reading the text again.",
    ]);
    player.part("rewind-words").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
  }
}
