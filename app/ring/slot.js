// One slot: when it was written, when it goes, who read it, and the numbers in it.

import { blend, shade } from "../kit/colour.js";
import { clamp, percent, plural, shorten } from "../kit/format.js";
import { el, svg } from "../kit/dom.js";
import { settled } from "../kit/timing.js";

const POINT = "point at a number to read it";

export class SlotPanel {
  constructor(player) {
    this.player = player;
    this.picker = player.part("slot");
    this.picker.addEventListener("change", () =>
      player.pickSlot(this.picker.value === "follow" ? null : Number(this.picker.value)),
    );
    this.numbers = player.part("slot-numbers");
    this.tableOpen = false;
    this.ask = settled(() => this.askSlot(), 120);
    this.numbers.addEventListener("pointerover", (event) => this.point(event));
    this.numbers.addEventListener("pointerleave", () => this.say(""));
    this.numbers.addEventListener(
      "toggle",
      (event) => {
        if (event.target.open === this.tableOpen) return;
        this.tableOpen = event.target.open;
        this.fillTable();
      },
      true,
    );
  }

  draw() {
    const { player } = this;
    const { run, t, layer } = player;
    const window = run.windows[layer];
    const ring = Number.isFinite(window);
    const slot = player.slot();
    const position = player.held();
    this.fillPicker(player.slots());
    player.part("slot-title").textContent = `Slot ${slot}, layer ${layer + 1}`;
    player.part("slot-badge").textContent = run.meta.provenance;
    Object.assign(player.root.dataset, { slot, held: position });
    const word = (p) => el("b", { class: "mx-serif" }, shorten(run.labels[p] ?? "", 14));
    const lines = [];
    if (position < 0) lines.push(["empty: position ", el("b", {}, String(slot)), " will be the first to write it"]);
    else {
      lines.push(["K, V made at ", word(position), ", position ", el("b", {}, String(position))]);
      lines.push([position === t ? "written in this step" : `written ${plural(t - position, "step")} ago`]);
      if (ring)
        lines.push([
          `overwritten by position ${position + window}, `,
          position + window === t + 1 ? "the next step" : `in ${plural(position + window - t, "step")}`,
        ]);
      else lines.push(["never overwritten: this layer has no window"]);
      lines.push(this.reader(position));
    }
    player.part("slot-words").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
    this.drawLife(position, window);
    this.drawNumbers(position);
  }

  fillPicker(slots) {
    const count = Math.min(slots, 512);
    if (this.options !== count) {
      this.options = count;
      this.picker.replaceChildren(
        el("option", { value: "follow" }, "just written"),
        ...Array.from({ length: count }, (_, slot) => el("option", { value: slot }, `slot ${slot}`)),
      );
    }
    this.picker.value = this.player.chosenSlot === null ? "follow" : String(this.player.chosenSlot);
  }

  /** Its own query is left out: every query reads its own key. */
  reader(position) {
    const { player } = this;
    const { run, layer, head } = player;
    if (!run.pattern) return [run.meta.note];
    const later = run.readings(position, layer, head).slice(1);
    if (!later.length) return ["no later token has read it yet"];
    const [q, weight] = later.reduce((best, one) => (one[1] > best[1] ? one : best));
    player.root.dataset.reader = q;
    return [
      "is read most by ",
      el("b", { class: "mx-serif" }, shorten(run.labels[q], 14)),
      ` (${q}) with `,
      el("b", { class: "th-blue" }, percent(weight)),
      `, ${player.headName()}, among ${plural(later.length, "later token")} of this run`,
    ];
  }

  /** The attention it got in every step of its life, from the trace. */
  drawLife(position, window) {
    const { run, layer, head, t } = this.player;
    const host = this.player.part("slot-life");
    if (position < 0 || !run.pattern || !(window <= 64)) return host.replaceChildren();
    const readings = run.readings(position, layer, head);
    const wide = 100 / window;
    const art = svg("svg", {
      viewBox: "0 0 100 24",
      preserveAspectRatio: "none",
      class: "th-life",
      role: "img",
      "aria-label": `Attention it got in each of its ${window} steps: ${readings.map(([q, w]) => `${q}: ${percent(w)}`).join(", ")}`,
    });
    for (let i = 0; i < window; i++) {
      const weight = readings[i]?.[1];
      const high = Number.isFinite(weight) ? Math.max(0.6, 24 * shade(weight)) : 24;
      const kind = !Number.isFinite(weight)
        ? "th-unread"
        : position + i === t
          ? "th-now"
          : position + i > t
            ? "th-after"
            : "";
      art.append(
        svg(
          "rect",
          { x: i * wide + wide * 0.08, y: 24 - high, width: wide * 0.84, height: high, class: `th-bar ${kind}` },
          svg("title", {}, `position ${position + i}: ${percent(weight)}`),
        ),
      );
    }
    return host.replaceChildren(
      art,
      el("p", { class: "mx-note" }, "attention it gets in each step of its life; outlined: this step; pale: later"),
    );
  }

  drawNumbers(position) {
    const { run, layer, colour } = this.player;
    const { theatre } = run.meta;
    if (!run.kv && !theatre.single) {
      const button = theatre.live
        ? el("button", { type: "button", class: "th-primary", "data-act": "live" }, "Write the same run live")
        : null;
      if (this.said === theatre.kv_note + theatre.live) return;
      this.said = theatre.kv_note + theatre.live;
      this.numbers.replaceChildren(el("p", { class: "mx-note th-note" }, theatre.kv_note), ...(button ? [button] : []));
      return;
    }
    if (this.said !== this.look()) this.build(theatre.kv_shape);
    this.shown = position;
    const known = Boolean(run.vector("keys", position, layer, 0));
    this.player.root.dataset.numbers = known ? `${layer},${position}` : "";
    if (!known && position >= 0) this.ask();
    const scale = { keys: 0, values: 0 };
    for (const { kind, group } of this.strips) {
      for (const number of run.vector(kind, position, layer, group) ?? [])
        scale[kind] = Math.max(scale[kind], Math.abs(number));
    }
    for (const { kind, group, canvas } of this.strips) {
      const g = canvas.getContext("2d");
      const vector = run.vector(kind, position, layer, group);
      g.clearRect(0, 0, canvas.width, canvas.height);
      for (let i = 0; vector && i < vector.length; i++) {
        const share = scale[kind] ? vector[i] / scale[kind] : 0;
        g.fillStyle = blend(colour.card, share < 0 ? this.signs.negative : this.signs.positive, Math.abs(share));
        g.fillRect(i, 0, 1, 1);
      }
      canvas.setAttribute(
        "aria-label",
        `${kind === "keys" ? "Key" : "Value"} of KV head ${group + 1}: ${vector ? vector.length : 0} numbers, largest ${this.number(scale[kind])}`,
      );
    }
    this.scaleNote.textContent =
      position < 0
        ? "nothing in this slot yet"
        : known
          ? `blue − · orange +; strongest: K ±${scale.keys.toFixed(2)}, V ±${scale.values.toFixed(2)}. Keys are turned for their position. ${run.one?.text ?? ""}`
          : this.waiting(position);
    this.fillTable();
  }

  /** Those of the whole run are too many to send: once the step rests, the slot that is looked at is asked for. */
  askSlot() {
    const { player, shown } = this;
    const { run, layer, timeline } = player;
    if (!player.root.isConnected || timeline.playing || shown < 0 || run.vector("keys", shown, layer, 0)) return;
    const wanted = `${run.id},${layer},${shown}`;
    const asked = run.meta.theatre.slot;
    if (wanted === this.wanted && asked?.layer === layer && asked.position === shown) return; // it is under way, or cannot be had
    this.wanted = wanted;
    player.trigger("slot", { run: run.id, layer, position: shown });
  }

  waiting(position) {
    const { run, layer, timeline } = this.player;
    const { slot } = run.meta.theatre;
    if (slot?.layer === layer && slot.position === position) return slot.text;
    return timeline.playing || run.meta.status === "running"
      ? "The numbers of a slot come when the step rests."
      : "Fetching the key and value of this slot …";
  }

  look() {
    return `strips ${this.player.run.id} ${this.player.root.dataset.theme}`;
  }

  build(shape) {
    this.said = this.look();
    this.strips = [];
    const style = getComputedStyle(this.player.root);
    this.signs = {
      positive: style.getPropertyValue("--mx-positive").trim(),
      negative: style.getPropertyValue("--mx-negative").trim(),
    };
    const rows = [];
    for (let group = 0; group < shape.n_kv_heads; group++) {
      for (const kind of ["keys", "values"]) {
        const canvas = el("canvas", {
          width: shape.head_dim,
          height: 1,
          role: "img",
          class: "th-strip",
          "data-kind": kind,
          "data-group": group,
        });
        canvas.addEventListener("pointermove", (event) => this.point(event));
        this.strips.push({ kind, group, canvas });
        rows.push(
          el(
            "div",
            { class: "th-row" },
            el("span", {}, `${kind === "keys" ? "K" : "V"} · KV head ${group + 1}`),
            canvas,
          ),
        );
      }
    }
    this.scaleNote = el("p", { class: "mx-note" });
    this.pointed = el("p", { class: "mx-note th-pointed" }, POINT);
    this.table = el("div", { class: "th-table", tabindex: "0", role: "region", "aria-label": "Table of the numbers" });
    this.numbers.replaceChildren(
      ...rows,
      this.pointed,
      this.scaleNote,
      el("details", { open: this.tableOpen }, el("summary", {}, "all the numbers"), this.table),
    );
  }

  number(value) {
    return value < 0 ? `−${(-value).toFixed(4)}` : value.toFixed(4);
  }

  fillTable() {
    if (!this.tableOpen || !this.table) return this.table?.replaceChildren();
    const { run, layer } = this.player;
    const head = el(
      "tr",
      {},
      el("th", { scope: "col" }, "i"),
      ...this.strips.map(({ kind, group }) => el("th", { scope: "col" }, `${kind === "keys" ? "K" : "V"}${group + 1}`)),
    );
    const vectors = this.strips.map(({ kind, group }) => run.vector(kind, this.shown, layer, group));
    const rows = vectors[0]
      ? Array.from(vectors[0], (_, i) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, String(i)),
            ...vectors.map((vector) => el("td", {}, this.number(vector[i]))),
          ),
        )
      : [];
    return this.table.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
  }

  point(event) {
    const canvas = event.target.closest?.("canvas");
    if (!canvas) return this.say("");
    const { kind, group } = canvas.dataset;
    const vector = this.player.run.vector(kind, this.shown, this.player.layer, Number(group));
    const place = canvas.getBoundingClientRect();
    const i = clamp(Math.floor(((event.clientX - place.left) / place.width) * canvas.width), 0, canvas.width - 1);
    return this.say(
      vector
        ? `${kind === "keys" ? "K" : "V"}, KV head ${Number(group) + 1}, number ${i}: ${this.number(vector[i])}`
        : "",
    );
  }

  say(text) {
    if (this.pointed) this.pointed.textContent = text || POINT;
  }
}
