// The cache theatre: takes payloads, owns the playhead, and lets every panel draw the same moment.

const SCENES = { steps: "step by step", chunks: "prompt, chunk by chunk", rewind: "going back" };
const CLICKS = { go: "go there", ask: "ask about it" };
const views = new Map();

class Theatre extends Surface {
  constructor(host) {
    super();
    const template = document.createElement("template");
    template.innerHTML = MX_HTML; // constant markup of this component; data never passes here
    const style = document.createElement("style");
    style.textContent = MX_CSS;
    this.root = template.content.firstElementChild;
    host.querySelector(".mx-host").replaceChildren(style, this.root);
    this.parts = new Map([...this.root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
    Object.assign(this, { t: 0, layer: 0, head: -1, hovered: null, run: null, unit: rem() * 0.875, target: null });
    Object.assign(this, { scene: "steps", clickMode: "go", chosenSlot: null, asked: null });
    this.readTheme();
    this.text = new TheatreText(this);
    this.atlas = new AtlasPanel(this);
    this.ring = new TheatreRing(this);
    this.slotPanel = new SlotPanel(this);
    this.scenes = new Scenes(this);
    this.forgotten = new ForgottenPanel(this);
    this.timeline = new TheatreTimeline(this);
    this.settle = settled(() => this.emitAt(), 400);
    this.acknowledge = throttled(() => this.emitAck(), 300);
    this.bind();
  }

  part(name) { return this.parts.get(name); }

  bind() {
    const acts = {
      back: () => this.go(this.t - 1, { by: "hand" }), forward: () => this.go(this.t + 1, { by: "hand" }),
      play: () => this.timeline.toggle(), end: () => this.go(this.run.count - 1, { by: "hand" }),
      presenter: (button) => this.present(button),
      "chunk-back": () => this.scenes.move(-1), "chunk-on": () => this.scenes.move(1),
      "mark-back": () => this.mark(this.marked() - 1), "mark-on": () => this.mark(this.marked() + 1),
      measure: () => this.trigger("measure", { run: this.run.id, position: this.marked(), step: this.t, word: this.part("word").value }),
      cancel: () => this.trigger("cancel", { run: this.run.id, n: performance.now() }),
      live: () => this.trigger("live", { run: this.run.id, n: performance.now() }),
    };
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (button && this.run) acts[button.dataset.act](button);
    });
    this.part("layer").addEventListener("change", (event) => this.pickLayer(Number(event.target.value)));
    this.part("head").addEventListener("change", (event) => this.pickHead(Number(event.target.value)));
    this.root.querySelector(".mx-probe").addEventListener("transitionend", () => { this.readTheme(); this.slotPanel.said = ""; this.draw(); });
    this.watch = new ResizeObserver(() => this.resize());
    for (const box of [this.root, ...this.root.querySelectorAll(".mx-canvas")]) this.watch.observe(box);
    this.onWindow = () => this.resize();
    addEventListener("resize", this.onWindow);
    document.fonts?.ready.then(() => this.draw());
  }

  /** Takes one payload: appends, answers gaps, and keeps the playhead where the hand left it. */
  take(component) {
    this.component = component;
    const bytes = component.data instanceof Uint8Array ? component.data : new Uint8Array(component.data ?? 0);
    if (bytes.length < 8 || bytes === this.bytes) return;
    this.bytes = bytes;
    const payload = decode(bytes);
    const run = theatreRunOf(payload.header.run);
    const wasLast = this.run === run && this.t >= run.count - 1;
    const { gap, grew, rewritten } = run.absorb(payload);
    run.takeSlot(payload);
    if (gap) this.askAgain(run);
    if (!run.count) return this.message(payload.header.message);
    if (this.run !== run) this.open(run, payload.header);
    else if (grew && wasLast && !this.timeline.playing) this.t = Math.min(run.count - 1, this.target ?? Infinity);
    if (rewritten) this.text.reset();
    this.draw();
    if (payload.header.status === "running") this.acknowledge();
    else this.emitAck();
  }

  open(run, { at, status }) {
    Object.assign(this, { run, target: null, asked: null, moved: false });
    this.text.reset();
    this.fillPickers(run);
    const view = views.get(run.id);
    const place = placeOf(run.id, at);
    if (place) takePlace(this, place);
    else if (view) {
      this.goQuietly(view.end ? Math.min(run.count - 1, view.target ?? Infinity) : view.t, view.layer, view.head);
      this.target = view.target;
    } else this.goQuietly(status === "running" ? run.count - 1 : this.firstStep(run), Math.floor(run.layers / 2), -1);
    if (this.head === -1 && view?.head < -1) this.head = view.head; // a group of heads is known on this page only
    Object.assign(this, { chosenSlot: view?.chosenSlot ?? null, scene: view?.scene ?? "steps" });
  }

  /** Where a finished run opens: a word has just left all rings, one with something to ask about. */
  firstStep(run) {
    return Math.min(run.count - 1, Number.isFinite(run.largest) ? Math.max(2 * run.largest - 2, run.meta.n_prompt + 4) : run.count - 1);
  }

  remember() {
    keepPlace(this);
    const { t, layer, head, chosenSlot, scene, target } = this;
    views.set(this.run.id, { t, end: t >= this.run.count - 1, layer, head, chosenSlot, scene, target });
  }

  goQuietly(t, layer, head) {
    this.t = clamp(t, 0, this.run.count - 1);
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, -1, this.run.meta.model.n_heads - 1);
  }

  byHead() { return Boolean(this.run.pattern) && this.run.heads > 1; }
  groups() { return this.byHead() && this.run.meta.model.n_kv_heads < this.run.meta.model.n_heads ? this.run.meta.model.n_kv_heads : 0; }

  fillPickers(run) {
    const { model } = run.meta;
    const option = (value, text) => el("option", { value }, text);
    this.part("layer").replaceChildren(...Array.from({ length: run.layers }, (_, i) => option(i, String(i + 1))));
    this.part("head").replaceChildren(option(-1, "all heads, mean"),
      ...Array.from({ length: this.groups() }, (_, i) => option(-2 - i, `KV head ${i + 1}, mean`)),
      ...Array.from({ length: this.byHead() ? model.n_heads : 0 }, (_, i) => option(i, `head ${i + 1}`)));
  }

  go(position, { by }) {
    if (!this.run?.count) return;
    if (by === "hand" && this.timeline.playing) this.timeline.pause();
    Object.assign(this, { target: null, moved: true });
    this.t = clamp(position, 0, this.run.count - 1);
    this.draw();
    if (!this.timeline.playing) this.settle();
  }

  pickLayer(layer, slot = this.chosenSlot) {
    this.layer = clamp(layer, 0, this.run.layers - 1);
    Object.assign(this, { chosenSlot: slot, moved: true });
    this.draw();
    this.settle();
  }

  pickHead(head) {
    this.head = clamp(head, -1 - this.groups(), this.byHead() ? this.run.meta.model.n_heads - 1 : -1);
    this.moved = true;
    this.draw();
    this.settle();
  }

  pickSlot(slot) {
    this.chosenSlot = slot;
    this.draw();
  }

  /** Slots of the chosen layer; the one that is open, and the position it holds. */
  slots() { return this.atlas.slots(this.layer); }
  slot() { return this.chosenSlot === null ? this.t % this.slots() : Math.min(this.chosenSlot, this.slots() - 1); }
  held() { return this.run.held(this.slot(), this.t, this.slots()); }

  /** The word that is asked about: the one chosen, else the one that has just left all rings. */
  marked() {
    const { run, t } = this;
    return clamp(this.asked ?? (Number.isFinite(run.largest) ? Math.max(t - run.largest, Math.min(1, t)) : 0), 0, t);
  }

  mark(position) {
    this.asked = clamp(position, 0, this.t);
    this.draw();
  }

  headName() {
    if (this.head >= 0) return `head ${this.head + 1}`;
    return this.head === -1 ? "mean of the heads" : `mean of the heads of KV head ${-1 - this.head}`;
  }

  draw() {
    const { run } = this;
    if (!run?.count || !this.root.isConnected) return;
    const began = performance.now();
    this.t = Math.min(this.t, run.count - 1);
    this.drawBar();
    this.root.dataset.scene = this.scene;
    this.text.draw();
    if (this.scene === "steps") {
      this.atlas.draw();
      this.ring.draw();
    } else this.scenes.draw(this.scene);
    this.drawStep();
    this.slotPanel.draw();
    this.forgotten.draw();
    this.timeline.draw();
    this.text.keepInView();
    this.remember();
    Object.assign(this.root.dataset, {
      step: this.t, layer: this.layer, head: this.head, run: run.id, count: run.count, status: run.meta.status, kv: run.kv ? "1" : "0",
      ready: "1", drawMs: (performance.now() - began).toFixed(1),
    });
    this.say();
  }

  drawBar() {
    const { run, t } = this;
    const { model, status, tokens_per_second: speed, provenance, message } = run.meta;
    this.part("model").replaceChildren(el("b", {}, model.name), ` ${model.n_layers} layers · ${model.n_heads} heads, ${model.n_kv_heads} KV · ${run.windowName()}`);
    this.part("where").replaceChildren("position ", el("b", {}, String(t)), ` · ${grouped(t + 1)} of ${plural(run.count, "token")} read`);
    const state = this.part("status");
    state.hidden = status !== "running" && status !== "paused";
    state.textContent = status === "paused" ? "paused" : `writing${Number.isFinite(speed) ? ` · ${speed.toFixed(0)} tokens/s` : ""}`;
    const news = this.root.querySelector("[data-act=end]");
    const behind = run.count - 1 - t;
    news.hidden = status !== "running" || behind <= 0 || this.timeline.playing;
    news.textContent = `live: ${grouped(behind)} new →`;
    for (const name of ["atlas-badge", "ring-badge"]) this.part(name).textContent = provenance;
    this.part("seen").textContent = shorten(run.labels[t], 18);
    segmented(this.part("scene"), Object.entries(SCENES), this.scene, (value) => { this.scene = value; this.draw(); });
    segmented(this.part("click-mode"), Object.entries(CLICKS), this.clickMode, (value) => { this.clickMode = value; this.draw(); });
    const sample = (kind, text, h) => el("span", { class: `mx-tok mx-sample ${kind}` }, el("span", { class: "mx-w", "data-h": h ?? "" }, text));
    this.part("text-legend").replaceChildren(sample("", "in the rings", 1), " ", sample("mx-out", "left all rings"), " ",
      el("span", { class: "mx-tok mx-sample", "data-marked": "" }, el("span", { class: "mx-w" }, "asked about")));
    this.part("layer").value = this.layer;
    this.part("head").value = this.head;
    this.part("atlas-title").textContent = run.oneWindow && Number.isFinite(run.smallest)
      ? `All ${run.layers} rings: slot = position mod ${grouped(run.smallest)}` : `The rings of all ${run.layers} layers`;
    const lost = t - run.windows[this.layer]; // below 0, or minus infinity: nothing was overwritten
    this.part("atlas-legend").replaceChildren(el("span", { class: "mx-entry" }, el("i", { class: "mx-key th-key-write" }), "written in this step"),
      el("span", { class: "mx-entry" }, el("i", { class: "mx-key mx-key-attention" }), run.pattern ? `attention from ${quoted(shorten(run.labels[t], 12))}` : run.meta.note),
      el("span", { class: "mx-entry" }, el("i", { class: "mx-key th-key-open" }), "slot shown beside it; click one"),
      ...(run.pattern && run.meta.note ? [el("span", {}, run.meta.note)] : []),
      ...(lost >= 0 ? [el("span", { class: "mx-entry" }, `overwritten${run.oneWindow ? "" : ` in layer ${this.layer + 1}`}: `, el("s", { class: "mx-serif" }, shorten(run.labels[lost], 12)), `@${lost}`)] : []));
    this.message(status === "failed" ? message || "The run failed; what was written stays." : message);
  }

  drawStep() {
    const { run, t, layer } = this;
    const window = run.windows[layer];
    const ring = Number.isFinite(window);
    const word = (p) => el("b", { class: "mx-serif" }, shorten(run.labels[p] ?? "", 14));
    const lines = [["read ", el("b", { class: "mx-q mx-serif" }, shorten(run.labels[t], 14)), ` at position ${t}`],
      ring ? ["wrote slot ", el("b", {}, String(t % window)), ` = ${t} mod ${window}, in every head`] : ["stored its key and value; no window"]];
    if (ring) lines.push(t >= window ? ["overwrote what ", word(t - window), ` (${t - window}) had left`] : [`the slot was empty; first overwrite at position ${window}`]);
    lines.push(["read ", el("b", {}, String(Math.min(t + 1, window))), ` of ${plural(t + 1, "key")}: positions ${ring ? Math.max(0, t - window + 1) : 0} to ${t}`]);
    if (ring && t + 1 >= window) lines.push(["next: slot ", el("b", {}, String((t + 1) % window)), ", overwrites ", word(t + 1 - window), ` (${t + 1 - window})`]);
    const gone = Number.isFinite(run.largest) ? Math.max(0, t - run.largest + 1) : 0;
    lines.push(gone ? [`left all rings: ${plural(gone, "token")}`] : ["no token has left the rings yet"]);
    this.part("step").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
  }

  message(text) {
    const box = this.part("message");
    box.hidden = !text;
    box.textContent = text || "";
  }

  say() {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      if (this.timeline.playing || this.run.meta.status === "running") return;
      this.part("live-region").textContent = `Position ${this.t}, ${this.run.labels[this.t]}. ${this.ring.sentence([], this.run.windows[this.layer])}`;
    }, 500);
  }

  point(position, node = null, cell = null) {
    if (position === null || !this.run || position >= this.run.count) {
      this.part("pop").hidden = true;
      if (this.hovered === null) return;
      this.hovered = null;
    } else {
      const same = this.hovered === position;
      this.hovered = position;
      if (cell || node) showPopover(this, position, node, cell);
      if (same) return;
    }
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => { this.text.draw(); this.ring.mark(); });
  }

  emitAt() { sayPlace(this); }

  emitAck() {
    const value = { run: this.run.id, to: this.run.count };
    this.emitNew("ack", value);
  }

  dispose() {
    this.timeline.dispose();
    this.settle.cancel();
    this.leave();
  }
}

export default serve("theatre", Theatre);
