// What the pictures that step through a run share: they take payloads, own the playhead, and let every panel draw the
// same moment. A picture names its panels (`text` and `timeline` always) and draws the others in `drawPictures`.

import { Surface } from "./surface.js";
import { clamp, grouped } from "./format.js";
import { el } from "./dom.js";
import { sayPlace } from "./places.js";
import { settled, throttled } from "./timing.js";

export class Playhead extends Surface {
  /** `memory`: of this kind of picture, kept by its module. */
  constructor(host, look, memory, state = {}) {
    super(host, look, { memory, t: 0, layer: 0, head: -1, target: null, rewritten: false, ...state });
    this.settle = settled(() => this.emitAt(), 400);
    this.acknowledge = throttled(() => this.emitAck(), 300);
  }

  bind(acts = {}) {
    super.bind({
      back: () => this.go(this.t - 1, { by: "hand" }),
      forward: () => this.go(this.t + 1, { by: "hand" }),
      play: () => this.timeline.toggle(),
      end: () => this.go(this.run.count - 1, { by: "hand" }),
      ...acts,
    });
    this.part("layer").addEventListener("change", (event) => this.pickLayer(Number(event.target.value)));
    this.part("head").addEventListener("change", (event) => this.pickHead(Number(event.target.value)));
  }

  absorb(run, payload) {
    return run.absorb(payload);
  }

  /** Takes one payload: appends, answers gaps, and keeps the playhead where the hand left it. */
  take(payload) {
    const { header } = payload;
    const run = this.memory.runOf(header.run);
    const wasLast = this.run === run && this.t >= run.count - 1;
    const { gap, grew, rewritten } = this.absorb(run, payload);
    if (rewritten && this.run === run) this.rewritten = true;
    if (gap) this.askAgain(run);
    if (!run.count) return this.wait(header);
    if (this.run !== run) this.open(run, header);
    // follows the growing text; a place that a link asked for is the end of that
    else if (grew && wasLast && !this.timeline.playing) this.t = Math.min(run.count - 1, this.target ?? Infinity);
    if (this.rewritten) this.text.reset();
    this.rewritten = false;
    this.arrived(payload);
    this.draw();
    this.answer(header);
  }

  wait(header) {
    this.message(header.message);
  }

  /** Shows what is known of a token, or of a cell of a picture that stands for it. */
  explainToken(_position, _node, _cell) {}

  /** What else a payload brings, once the run has it and before it is drawn. */
  arrived() {}

  answer({ status, from, to, stages, extras }) {
    if (to > from || stages || extras) delete (this.saidLast ??= {}).ack; // what was sent is answered, even if it was known
    if (status === "running") this.acknowledge();
    else this.emitAck();
  }

  goQuietly(t, layer, head) {
    this.t = clamp(t, 0, this.run.count - 1);
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, -1, this.run.meta.model.n_heads - 1);
  }

  /** Values and names of the heads that can be chosen; below 0 are means. */
  headOptions({ meta: { model, pattern } }) {
    const heads = pattern && !pattern.mean ? model.n_heads : 0;
    return [[-1, "mean"], ...Array.from({ length: heads }, (_, i) => [i, String(i + 1)])];
  }

  fillPickers(run) {
    const options = (choices) => choices.map(([value, label]) => el("option", { value }, label));
    this.part("layer").replaceChildren(...options(run.windows.map((_, i) => [i, String(i + 1)])));
    this.part("head").replaceChildren(...options(this.headOptions(run)));
  }

  go(position, { by }) {
    if (!this.run?.count) return;
    if (by === "hand" && this.timeline.playing) this.timeline.pause();
    Object.assign(this, { target: null, moved: true });
    this.t = clamp(position, 0, this.run.count - 1);
    this.draw();
    if (!this.timeline.playing) this.settle();
  }

  pickLayer(layer) {
    this.pick(layer, this.head);
  }
  pickHead(head) {
    this.pick(this.layer, head);
  }

  pick(layer, head) {
    const known = [...this.part("head").options].map((option) => Number(option.value));
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, Math.min(...known), Math.max(...known));
    this.moved = true;
    this.draw();
    this.settle();
  }

  headName() {
    return this.head < 0 ? "mean of the heads" : `head ${this.head + 1}`;
  }

  /** What the picture adds to the data of its root, for styles and tests. */
  shown() {
    return {};
  }

  /** Everything on screen shows the same moment. */
  draw() {
    const { run } = this;
    if (!run?.count || !this.root.isConnected) return;
    const began = performance.now();
    this.t = Math.min(this.t, run.count - 1);
    this.drawBar();
    this.text.draw();
    this.drawPictures();
    this.timeline.draw();
    this.text.keepInView();
    this.text.drawBands();
    this.remember();
    Object.assign(this.root.dataset, {
      step: this.t,
      layer: this.layer,
      head: this.head,
      run: run.id,
      count: run.count,
      status: run.meta.status,
      ...this.shown(),
      ready: "1",
      drawMs: (performance.now() - began).toFixed(1),
    });
    this.say();
  }

  /** The chips and the pickers; `read` says how much of the text has been read. */
  drawChips(read) {
    const { run, t } = this;
    const { model, status, tokens_per_second: speed, message } = run.meta;
    this.part("model").replaceChildren(
      el("b", {}, model.name),
      ` ${model.n_layers} layers · ${model.n_heads} heads, ${model.n_kv_heads} KV · ${run.windowName()}`,
    );
    this.part("where").replaceChildren("position ", el("b", {}, String(t)), ` · ${read}`);
    const state = this.part("status");
    state.hidden = status !== "running" && status !== "paused";
    state.textContent =
      status === "paused" ? "paused" : `writing${Number.isFinite(speed) ? ` · ${speed.toFixed(0)} tokens/s` : ""}`;
    const news = this.root.querySelector("[data-act=end]");
    const behind = run.count - 1 - t;
    news.hidden = status !== "running" || behind <= 0 || this.timeline.playing;
    news.textContent = `live: ${grouped(behind)} new →`;
    this.part("layer").value = this.layer;
    this.part("head").value = this.head;
    this.message(status === "failed" ? message || "The run failed; what was written stays." : message);
  }

  /** The moment in one sentence, for those who do not see it. */
  sentence() {
    const { run, t } = this;
    return `Position ${t}, ${run.labels[t]}. ${this.ring.sentence([], run.windows[this.layer])}`;
  }

  say() {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      if (this.timeline.playing || this.run.meta.status === "running") return;
      this.part("live-region").textContent = this.sentence();
    }, 500);
  }

  /** One token under the pointer or in focus: every panel marks it, the popover explains it. */
  point(position, node = null, cell = null) {
    if (position === null || !this.run || position >= this.run.count) {
      this.part("pop").hidden = true;
      if (this.hovered === null) return;
      this.hovered = null;
    } else {
      const same = this.hovered === position;
      this.hovered = position;
      if (node || cell) this.explainToken(position, node, cell);
      if (same) return;
    }
    this.again();
  }

  /** Draws in the next frame what shows the token under the pointer. */
  again() {
    this.soon("pointed", () => {
      if (this.run?.count) this.drawPointed();
    });
  }

  emitAt() {
    sayPlace(this);
  }

  /** What Python need not send again. */
  known() {
    return { run: this.run.id, to: this.run.count, parts: {} };
  }

  emitAck() {
    this.emitNew("ack", this.known(), { n: performance.now() });
  }

  dispose() {
    this.timeline.dispose();
    this.settle.cancel();
    this.leave();
  }
}
