// One player on the page: takes payloads, owns the playhead, lets every panel draw the same moment.

const MODES = { hops: "hops", probability: "probability" };

class Player extends Surface {
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
    this.readTheme();
    this.text = new TextPanel(this);
    this.bars = new BarsPanel(this);
    this.grid = new GridPanel(this);
    this.ring = new RingPanel(this);
    this.side = new SidePanels(this);
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

  /** Takes one payload: appends, answers gaps, and keeps the playhead where the hand left it. */
  take(component) {
    this.component = component;
    const bytes = component.data instanceof Uint8Array ? component.data : new Uint8Array(component.data ?? 0);
    if (bytes.length < 8 || bytes === this.bytes) return;
    this.bytes = bytes;
    const payload = decode(bytes);
    const run = runOf(payload.header.run);
    const wasLast = this.run === run && this.t >= run.count - 1;
    const { gap, grew, rewritten } = run.absorb(payload);
    if (rewritten && this.run === run) this.rewritten = true;
    if (gap) this.askAgain(run);
    if (!run.count) return this.wait(payload.header);
    if (this.run !== run) this.open(run, payload.header);
    else if (grew && wasLast && !this.timeline.playing) this.advance(run);
    if (this.rewritten) this.text.reset();
    this.rewritten = false;
    this.followAnew(payload.header.follow);
    this.side.takeSampling(payload.header.sampling);
    this.draw();
    if (payload.header.mode !== "start") {
      if (payload.header.status === "running") this.acknowledge();
      else this.emitAck();
    }
  }

  /** A button that makes the text grow also takes the eye to its end. */
  followAnew(times) {
    if (times === undefined || times === this.followed) return;
    const first = this.followed === undefined;
    this.followed = times;
    if (first || this.timeline.playing) return;
    this.target = null;
    this.t = this.run.count - 1;
  }

  /** Follows the growing text; a place that a link asked for is the end of that. */
  advance(run) {
    this.t = Math.min(run.count - 1, this.target ?? Infinity);
  }

  wait(header) {
    this.root.dataset.mode = header.mode;
    this.message(header.message);
  }

  open(run, { at, mode, branches, status }) {
    const before = this.run;
    const view = views.get(run.id);
    const place = mode === "start" ? null : placeOf(run.id, at);
    Object.assign(this, { run, target: null, moved: false });
    this.root.dataset.mode = mode;
    this.text.reset();
    this.fillPickers(run);
    const split = branches.find((branch) => branch.run === run.id && branch.parent)?.at;
    if (view) return this.restore(run, view, place);
    if (place) takePlace(this, place);
    else if (before && Number.isFinite(split)) {
      this.goQuietly(split, this.layer, this.head);
      this.target = split;
    } else this.goQuietly(status === "running" ? run.count - 1 : mode === "start" ? 0 : run.count - 1, Math.floor(run.layers / 2), -1);
    if (mode === "start") this.begin(run);
  }

  /** The page may mount the player anew at any time; what the hand had chosen stays, and the place follows other pages. */
  restore(run, view, place) {
    const again = run.meta.mode === "start" && view.t >= run.count - 1;
    const end = Math.min(run.count - 1, view.target ?? Infinity);
    this.goQuietly(again ? 0 : view.end ? end : view.t, view.layer, view.head);
    this.target = view.target;
    if (place) takePlace(this, place);
    this.text.colourBy = view.colourBy;
    this.bars.stage = view.stage;
    if ((view.playing && this.t === view.t) || again) this.timeline.play();
  }

  remember() {
    keepPlace(this);
    views.set(this.run.id, {
      t: this.t, end: this.t >= this.run.count - 1, layer: this.layer, head: this.head, target: this.target,
      colourBy: this.text.colourBy, stage: this.bars.stage, playing: this.timeline.playing,
    });
  }

  /** The start page plays by itself; with reduced motion it rests where all that it shows can be seen. */
  begin(run) {
    if (calm()) return this.goQuietly(Math.min(run.count - 1, Number.isFinite(run.reach) ? run.reach + run.smallest + 3 : run.count - 1), this.layer, -1);
    this.t = Math.min(run.meta.n_prompt - 1, run.count - 1);
    this.timeline.play();
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
    const t = clamp(position, 0, this.run.count - 1);
    Object.assign(this, { target: null, moved: true });
    if (t === this.t && by === "hand") return this.draw();
    this.t = t;
    this.draw();
    if (!this.timeline.playing) this.settle();
  }

  pickLayer(layer) {
    this.layer = clamp(layer, 0, this.run.layers - 1);
    this.moved = true;
    this.draw();
    this.settle();
  }

  pickHead(head) {
    const last = this.part("head").options.length - 2;
    this.head = clamp(head, -1, last);
    this.moved = true;
    this.draw();
    this.settle();
  }

  headName() { return this.head < 0 ? "mean of the heads" : `head ${this.head + 1}`; }

  mayBranch() { return this.run.meta.mode === "desk" && this.run.steps.length > 0; }

  branch(id) {
    this.trigger("branch", { run: this.run.id, position: this.t + 1, token_id: id, n: this.run.count });
  }

  /** Everything on screen shows the same moment. */
  draw() {
    const { run } = this;
    if (!run?.count || !this.root.isConnected) return;
    const began = performance.now();
    this.t = Math.min(this.t, run.count - 1);
    this.drawBar();
    this.text.draw();
    this.grid.draw();
    this.ring.draw();
    if (run.meta.mode === "desk") {
      this.bars.draw();
      this.side.draw();
    }
    this.timeline.draw();
    this.text.keepInView();
    this.text.drawBands();
    this.remember();
    Object.assign(this.root.dataset, {
      step: this.t, layer: this.layer, head: this.head, run: run.id, count: run.count, status: run.meta.status,
      ready: "1", drawMs: (performance.now() - began).toFixed(1),
    });
    this.say();
  }

  drawBar() {
    const { run, t } = this;
    const { model, status, tokens_per_second: speed, provenance, message } = run.meta;
    this.part("model").replaceChildren(el("b", {}, model.name), ` ${model.n_layers} layers · ${model.n_heads} heads, ${model.n_kv_heads} KV · ${run.windowName()}`);
    this.part("where").replaceChildren("position ", el("b", {}, String(t)), t + 1 < run.count
      ? ` · ${grouped(t + 1)} of ${plural(run.count, "token")} read` : ` · ${plural(run.count, "token")}`);
    const state = this.part("status");
    state.hidden = status !== "running" && status !== "paused";
    state.textContent = status === "paused" ? "paused" : `writing${Number.isFinite(speed) ? ` · ${speed.toFixed(0)} tokens/s` : ""}`;
    const news = this.root.querySelector("[data-act=end]");
    const behind = run.count - 1 - t;
    news.hidden = status !== "running" || behind <= 0 || this.timeline.playing;
    news.textContent = `live: ${grouped(behind)} new →`;
    for (const name of ["grid-badge", "ring-badge", "bars-badge"]) {
      this.part(name).textContent = name === "bars-badge" && provenance === "model" && this.bars.stage !== "model" ? "derived" : provenance;
    }
    this.part("seen").textContent = shorten(run.labels[t], 18);
    segmented(this.part("colour-by"), Object.entries(MODES), this.text.colourBy, (value) => { this.text.colourBy = value; this.draw(); });
    this.drawTextLegend();
    this.part("layer").value = this.layer;
    this.part("head").value = this.head;
    this.message(status === "failed" ? message || "The run failed; what was written stays." : message);
  }

  drawTextLegend() {
    const { run } = this;
    const averaged = run.meta.pattern?.mean ? run.meta.note : "";
    const key = `${this.text.colourBy}|${run.id}|${run.meta.mode}|${averaged}`;
    if (key === this.legendKey) return;
    this.legendKey = key;
    const sample = (kind, text) => el("span", { class: "mx-tok mx-sample " + kind }, el("span", { class: "mx-w" }, text));
    const swatch = (attribute, value, text) => {
      const node = sample("", text);
      node.firstChild.dataset[attribute] = value;
      return node;
    };
    const bracket = ["bracket: the ", el("b", { class: "mx-q" }, plural(run.smallest, "piece")), " that one layer looks at · ",
      sample("mx-out", "struck"), `out of reach of all ${run.layers} layers · `, el("i", {}, "italic"), " given"];
    this.part("text-legend").replaceChildren(...(run.meta.mode === "start" ? bracket : this.text.colourBy === "hops"
      ? ["hops away: ", swatch("h", 1, "1"), swatch("h", 4, String(Math.ceil(run.layers / 2))), swatch("h", 8, String(run.layers)), " ", sample("mx-out", "out of reach")]
      : ["probability of each word: ", ...[["50 %", 0], ["20", 1], ["5", 2], ["1", 3], ["<1 %", 4]].map(([text, tint]) => swatch("tint", tint, text))]));
    const entry = (kind, text) => el("span", { class: "mx-entry" }, el("i", { class: `mx-key mx-key-${kind}` }), text);
    this.part("grid-legend").replaceChildren(
      entry("edge", "exact edge, tokens back (theory)"), entry("attention", `read in this step (${run.meta.provenance})`),
      entry("cone", "only through relays"), entry("out", "cannot reach this prediction"), averaged ? el("span", {}, averaged) : "");
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
      this.part("live-region").textContent = `Position ${t}, ${run.labels[t]}. ${this.ring.sentence([], run.windows[this.layer])}`;
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
      showPopover(this, position, node, cell);
      if (same) return;
    }
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => { this.text.draw(); this.grid.draw(); this.ring.mark(); });
  }

  emitAt() {
    if (this.run.meta.mode !== "start") sayPlace(this);
  }

  emitAck() {
    const { run } = this;
    const value = { run: run.id, to: run.count, stages_key: run.stageKey, stages_to: run.stagesTo };
    this.emitNew("ack", value);
  }

  dispose() {
    this.timeline.dispose();
    this.settle.cancel();
    this.leave();
  }
}

const views = new Map();
