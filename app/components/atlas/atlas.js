// The attention page: takes payloads, owns the playhead and the choices, lets every panel draw the same moment.

const PICTURES = { head: "one layer", mean: "all, mean", max: "all, max", rollout: "rollout" };
const SHAPES = { band: "band", square: "triangle" };
const PANELS = { pictures: "pictures", numbers: "numbers" };

class Atlas extends Values {
  constructor(host) {
    super();
    const template = document.createElement("template");
    template.innerHTML = MX_HTML; // constant markup of this component; data never passes here
    const style = document.createElement("style");
    style.textContent = MX_CSS;
    this.root = template.content.firstElementChild;
    host.querySelector(".mx-host").replaceChildren(style, this.root);
    this.parts = new Map([...this.root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
    Object.assign(this, { t: 0, layer: 0, head: -1, hovered: null, aimed: null, chosen: null, run: null, unit: rem() * 0.875, target: null });
    Object.assign(this, { shape: "band", picture: "head", panel: "pictures", hidden: false, finding: null, extras: null });
    this.readTheme();
    this.text = new WordPanel(this);
    this.thumbs = new ThumbPanel(this);
    this.large = new LargePanel(this);
    this.table = new TablePanel(this);
    this.side = new FindingPanel(this);
    this.timeline = new Timeline(this);
    this.settle = settled(() => this.emitAt(), 400);
    this.acknowledge = throttled(() => this.emitAck(), 300);
    this.bind();
  }

  part(name) { return this.parts.get(name); }

  bind() {
    const acts = {
      back: () => this.go(this.t - 1, { by: "hand" }),
      forward: () => this.go(this.t + 1, { by: "hand" }),
      play: () => this.timeline.toggle(),
      end: () => this.go(this.run.count - 1, { by: "hand" }),
      presenter: (button) => this.present(button),
      scores: (button) => {
        Object.assign(button, { textContent: "reading the text again …", disabled: true });
        this.trigger("scores", { run: this.run.id, n: performance.now() });
      },
      sink: () => this.set({ hidden: !this.hidden }),
    };
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (button) acts[button.dataset.act](button);
    });
    this.part("layer").addEventListener("change", (event) => this.pickLayer(Number(event.target.value)));
    this.part("head").addEventListener("change", (event) => this.pickHead(Number(event.target.value)));
    // The probe's colour is Streamlit's background with a short transition: it tells when the theme is switched.
    this.root.querySelector(".mx-probe").addEventListener("transitionend", () => { this.readTheme(); this.draw(); });
    this.watch = new ResizeObserver(() => this.resize());
    for (const box of [this.root, ...this.root.querySelectorAll(".mx-canvas")]) this.watch.observe(box);
    this.onWindow = () => this.resize();
    addEventListener("resize", this.onWindow);
    document.fonts?.ready.then(() => this.draw());
  }

  /** Takes one payload: the run by growth, then what was derived from it if that is new. */
  take(component) {
    this.component = component;
    const bytes = component.data instanceof Uint8Array ? component.data : new Uint8Array(component.data ?? 0);
    if (bytes.length < 8 || bytes === this.bytes) return;
    this.bytes = bytes;
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const payload = decode(bytes.subarray(4, 4 + length));
    const more = decode(bytes.subarray(4 + length));
    const run = runOf(payload.header.run);
    const wasLast = this.run === run && this.t >= run.count - 1;
    const { gap, grew, rewritten } = run.absorb(payload);
    if (more.header.key) this.absorbExtras(run, more);
    if (rewritten && this.run === run) this.text.reset();
    if (gap) this.askAgain(run);
    if (!run.count) return this.message(payload.header.message);
    if (this.run !== run) this.open(run, payload.header);
    else if (grew && wasLast && !this.timeline.playing) this.t = Math.min(run.count - 1, this.target ?? Infinity);
    this.extras = run.extras ?? null;
    this.finding = more.header.finding;
    this.draw();
    if (payload.header.status === "running") this.acknowledge();
    else this.emitAck();
  }

  open(run, { at }) {
    Object.assign(this, { run, target: null, moved: false });
    this.chosen = this.aimed = null;
    this.text.reset();
    this.fillPickers(run);
    const view = views.get(run.id);
    const last = run.count - 1;
    const place = placeOf(run.id, at);
    if (view) Object.assign(this, view);
    if (place) takePlace(this, place); // another page may have moved the place; what was shown how stays
    else if (view) this.goQuietly(view.end ? last : view.t, view.layer, view.head);
    else this.goQuietly(last, Math.floor(run.layers / 2), 0);
    if (!run.meta.pattern || run.meta.pattern.mean) this.head = -1;
  }

  remember() {
    keepPlace(this);
    const { t, layer, head, shape, picture, panel, hidden } = this;
    views.set(this.run.id, { t, layer, head, shape, picture, panel, hidden, end: t >= this.run.count - 1 && this.target === null });
  }

  goQuietly(t, layer, head) {
    this.t = clamp(t, 0, this.run.count - 1);
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, -1, this.run.meta.model.n_heads - 1);
  }

  fillPickers(run) {
    const { model, pattern } = run.meta;
    this.part("layer").replaceChildren(...Array.from({ length: run.layers }, (_, i) => el("option", { value: i }, String(i + 1))));
    const heads = pattern && !pattern.mean ? model.n_heads : 0;
    this.part("head").replaceChildren(el("option", { value: -1 }, "mean"),
      ...Array.from({ length: heads }, (_, i) => el("option", { value: i }, String(i + 1))));
  }

  go(position, { by }) {
    if (!this.run?.count) return;
    if (by === "hand" && this.timeline.playing) this.timeline.pause();
    Object.assign(this, { target: null, moved: true });
    if (by === "hand") this.chosen = this.aimed = null;
    this.t = clamp(position, 0, this.run.count - 1);
    this.draw();
    if (!this.timeline.playing) this.settle();
  }

  set(changes) {
    Object.assign(this, changes);
    this.draw();
  }

  pick(layer, head) {
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.head = clamp(head, -1, this.part("head").options.length - 2);
    Object.assign(this, { picture: "head", moved: true });
    this.draw();
    this.settle();
  }

  pickLayer(layer) { this.pick(layer, this.head); }
  pickHead(head) { this.pick(this.layer, head); }

  /** Jumps to one of the two edges of a disagreement; its attention is the mean of all heads. */
  choose(edge) {
    this.go(edge.query, { by: "hand" });
    this.picture = "mean";
    this.chosen = this.aimed = { query: edge.query, key: edge.key };
    this.draw();
  }

  /** Everything on screen shows the same moment. */
  draw() {
    const { run } = this;
    if (!run?.count || !this.root.isConnected) return;
    const began = performance.now();
    this.t = Math.min(this.t, run.count - 1);
    if (this.picture !== "head" && !this.extras?.bands?.[this.picture]) this.picture = "head";
    this.drawBar();
    this.text.draw();
    if (this.panel === "pictures") this.thumbs.draw();
    else this.table.draw();
    this.large.draw();
    this.side.draw();
    this.timeline.draw();
    this.text.keepInView();
    this.remember();
    const { shape, picture, panel, layer, head, t } = this;
    Object.assign(this.root.dataset, {
      step: t, layer, head, shape, picture, panel, run: run.id, count: run.count, status: run.meta.status, sink: this.hides() ? "hidden" : "shown",
      extras: this.extras?.key ?? "", scores: this.extras?.scores ? "1" : "0", finding: this.finding?.state ?? "", ready: "1", drawMs: (performance.now() - began).toFixed(1),
    });
    this.say();
  }

  drawBar() {
    const { run, t } = this;
    const { model, status, tokens_per_second: speed, message } = run.meta;
    this.part("model").replaceChildren(el("b", {}, model.name), ` ${model.n_layers} layers · ${model.n_heads} heads, ${model.n_kv_heads} KV · ${run.windowName()}`);
    this.part("where").replaceChildren("position ", el("b", {}, String(t)), ` · ${plural(run.count, "token")}`);
    const state = this.part("status");
    state.hidden = status !== "running" && status !== "paused";
    state.textContent = status === "paused" ? "paused" : `writing${Number.isFinite(speed) ? ` · ${speed.toFixed(0)} tokens/s` : ""}`;
    const news = this.root.querySelector("[data-act=end]");
    news.hidden = status !== "running" || t >= run.count - 1 || this.timeline.playing;
    news.textContent = `live: ${grouped(run.count - 1 - t)} new →`;
    this.part("seen").textContent = quoted(shorten(run.labels[this.query()], 18));
    this.part("layer").value = this.layer;
    this.part("head").value = this.head;
    this.drawChoices();
    this.message(message);
  }

  drawChoices() {
    const { run, extras } = this;
    const { provenance } = run.meta;
    this.part("all-badge").textContent = this.hides() || this.panel === "numbers" || run.heads < 2 ? "derived" : provenance;
    for (const name of ["one-badge", "text-badge"]) {
      this.part(name).textContent = this.hides() || this.picture !== "head" || this.head < 0 ? "derived" : provenance;
    }
    const pictures = Object.entries(PICTURES).filter(([name]) => name === "head" || extras?.bands?.[name]);
    segmented(this.part("shape"), Object.entries(SHAPES), this.shape, (shape) => this.set({ shape }));
    segmented(this.part("picture"), pictures, this.picture, (picture) => this.set({ picture }));
    segmented(this.part("panel"), Object.entries(PANELS), this.panel, (panel) => this.set({ panel }));
    const sink = this.root.querySelector("[data-act=sink]");
    sink.hidden = !extras?.hidden || run.heads < 2;
    sink.setAttribute("aria-pressed", this.hidden);
    sink.disabled = this.picture !== "head";
    this.part("pictures").hidden = this.panel !== "pictures";
    this.part("numbers").hidden = this.panel !== "numbers";
    this.part("one-title").textContent = this.picture === "head" ? `Layer ${this.layer + 1}, ${this.headName()}` : `All layers: ${this.picture}`;
    this.part("one-note").textContent = this.note();
    const mayRead = this.picture === "head" && this.head >= 0 && run.meta.status !== "running" && this.finding?.state !== "impossible";
    const button = this.root.querySelector("[data-act=scores]");
    button.hidden = !mayRead || !extras || Boolean(extras.scores);
    if (this.readFor !== extras?.key) Object.assign(button, { textContent: "get the scores too", disabled: false });
    this.readFor = extras?.key;
    this.drawLegends();
  }

  note() {
    const { run } = this;
    const caution = "Derived, and attention is not influence: a weight says where values are fetched, not what they do.";
    if (this.picture === "mean") return `Average over all layers and heads. ${caution}`;
    if (this.picture === "max") return `The largest weight of any layer and head. ${caution}`;
    if (this.picture === "rollout") return `Mean of the heads, half of it the residual stream, multiplied through ${run.layers} layers. ${caution}`;
    if (this.hides()) return `Derived: position 0 is left out and the rest scaled to sum to 1. Only the first ${grouped(this.extras.hidden.rows)} queries can see it.`;
    if (this.head < 0) return `Derived: average of the ${run.meta.model.n_heads} heads of this layer.`;
    const [group, ...lines] = this.table.lines(this.layer, this.head);
    return [`Over this run: ${group}`, ...lines].join(" · ");
  }

  drawLegends() {
    const { run } = this;
    const left = [run.meta.note, ...(this.extras?.notes ?? [])].filter((text, i, all) => text && all.indexOf(text) === i);
    const key = [run.id, this.panel, this.width(), run.meta.provenance, ...left].join();
    if (key === this.legendKey) return;
    this.legendKey = key;
    const entry = (kind, text) => el("span", { class: "mx-entry" }, el("i", { class: `mx-key mx-key-${kind}` }), text);
    const { n_heads: heads, n_kv_heads: shared } = run.meta.model;
    const share = run.heads < 2 ? "" : heads === shared ? "every head has its own key/value head" : `frame: ${heads / shared} heads that share one key/value head (theory)`;
    this.part("all-legend").replaceChildren(...(this.panel === "numbers" ? ["Averages over the queries for which each is defined. Click a row to see the head."]
      : [entry("attention", "weight (square root)"), entry("masked", "masked"), el("span", {}, share)]), ...left.map((text) => el("span", {}, ` ${text}.`)));
    this.part("text-legend").replaceChildren("blue: weight of each key · underlined: ", Number.isFinite(this.width()) ? `the ${grouped(Math.min(this.width(), run.count))} it can see` : "all it can see");
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
      const { run, t } = this;
      const found = this.strongest(t, 3).map(([weight, key]) => `${run.labels[key]} ${percent(weight)}`);
      this.part("live-region").textContent = `Position ${t}, ${run.labels[t]}, ${this.what()}: looks at ${found.join(", ")}.`;
    }, 500);
  }

  /** A word under the pointer or in focus: it becomes the query everywhere. */
  point(position, node = null) {
    const known = position !== null && this.run && position < this.run.count ? position : null;
    if (known === null) this.tip(null);
    else if (node) {
      const place = (node.querySelector(".mx-w") ?? node).getBoundingClientRect();
      const lines = this.strongest(known, 3).map(([weight, key]) => `looks at ${quoted(this.run.labels[key])} (${key}) with ${percent(weight)}`);
      this.tip({ x: place.left, y: place.bottom - 8, title: `${quoted(this.run.labels[known])}, position ${known}`, lines: [...lines, this.what()] });
    }
    if (known === this.hovered) return;
    this.hovered = known;
    this.again();
  }

  /** A cell under the pointer: query and key are marked in the text too. */
  aim(cell, tip = null) {
    this.tip(tip);
    const before = this.aimed;
    this.aimed = cell ?? this.chosen;
    this.hovered = cell ? cell.query : null;
    this.root.dataset.hover = cell ? `${cell.query},${cell.key}` : "";
    if (before?.query !== this.aimed?.query || before?.key !== this.aimed?.key) this.again();
  }

  again() {
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => {
      if (!this.run?.count) return;
      this.part("seen").textContent = quoted(shorten(this.run.labels[this.query()], 18));
      this.text.draw();
      this.large.draw();
      if (this.panel === "pictures") this.thumbs.draw();
    });
  }

  tip(what) {
    const pop = this.part("pop");
    pop.hidden = !what;
    if (!what) return;
    pop.replaceChildren(el("p", { class: "mx-pop-title" }, el("b", { class: "mx-serif" }, what.title)), ...what.lines.map((line) => el("p", {}, line)));
    const frame = this.root.getBoundingClientRect();
    const left = clamp(what.x - frame.left + 12, 0, Math.max(0, frame.width - pop.offsetWidth));
    const below = what.y + 16 + pop.offsetHeight < innerHeight;
    pop.style.transform = `translate(${Math.round(left)}px, ${Math.round(what.y - frame.top + (below ? 16 : -pop.offsetHeight - 12))}px)`;
  }

  emitAt() { sayPlace(this); }

  emitAck() {
    const value = { run: this.run.id, to: this.run.count, extras: this.extras?.key ?? "" };
    this.emitNew("ack", value);
  }

  dispose() {
    this.timeline.dispose();
    this.settle.cancel();
    this.leave();
  }
}

const views = new Map();

export default serve("atlas", Atlas);
