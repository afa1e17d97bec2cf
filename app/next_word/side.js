// The right-hand side: what this step did, in sentences; the sampling sliders; branches and their comparison.

import { byteNote } from "../kit/bytes.js";
import { el } from "../kit/dom.js";
import { grouped, percent, plural, shorten } from "../kit/format.js";
import { parting } from "../kit/together.js";
import { term } from "../kit/terms.js";
import { throttled } from "../kit/timing.js";

/** @typedef {import("./page.js").default} Page */
/** @typedef {import("./types.js").Sliders} Sliders */
/** @typedef {import("./types.js").BranchEntry} BranchEntry */
/**
 * @typedef {Object} Slider
 * @property {keyof Sliders} name
 * @property {import("../kit/terms.js").Term} label
 * @property {number} min
 * @property {number} max
 * @property {number} step
 * @property {(value: number) => string} show  what stands beside it
 * @property {(value: number) => string} [say]  and what is read out, where that is another
 */

/** @type {Slider[]} */
const SLIDERS = [
  {
    name: "temperature",
    label: "temperature",
    min: 0,
    max: 2,
    step: 0.05,
    show: (v) => v.toFixed(2),
    say: (v) => (v === 0 ? "0, always the likeliest" : v.toFixed(2)),
  },
  { name: "top_k", label: "top-k", min: 0, max: 200, step: 1, show: (v) => (v === 0 ? "off" : String(v)) },
  { name: "top_p", label: "top-p", min: 0.05, max: 1, step: 0.01, show: (v) => (v >= 1 ? "off" : v.toFixed(2)) },
];

export class SidePanels {
  /** @param {Page} player */
  constructor(player) {
    this.player = player;
    /** @type {Map<keyof Sliders, { input: HTMLInputElement, out: HTMLOutputElement, slider: Slider }>} */
    this.inputs = new Map();
    this.note = el("p", { class: "mx-note" });
    this.compareWith = "";
    /** What the sliders and the branches on the page were made of. */
    this.samplingKey = "";
    this.branchesKey = "";
    this.send = throttled(() => player.emit("sampling", this.values()), 80);
    this.buildSampling();
  }

  buildSampling() {
    const host = this.player.part("sampling");
    for (const slider of SLIDERS) {
      const out = el("output", {});
      const input = el("input", {
        type: "range",
        min: slider.min,
        max: slider.max,
        step: slider.step,
        "aria-label": slider.label,
      });
      input.addEventListener("input", () => {
        this.show(slider.name);
        this.send();
      });
      input.addEventListener("keydown", (event) => event.stopPropagation());
      this.inputs.set(slider.name, { input, out, slider });
      host.append(el("label", { class: "mx-slide" }, term(slider.label), input, out));
    }
    host.append(this.note);
  }

  /** @returns {Sliders} */
  values() {
    /** @type {(name: keyof Sliders) => number} */
    const value = (name) => Number(this.inputs.get(name)?.input.value);
    return { temperature: value("temperature"), top_k: value("top_k"), top_p: value("top_p") };
  }

  /** @param {keyof Sliders} name */
  show(name) {
    const entry = this.inputs.get(name);
    if (!entry) return;
    const { input, out, slider } = entry;
    if (input.hidden) {
      out.textContent = "–";
      return;
    }
    const value = Number(input.value);
    out.textContent = slider.show(value);
    input.setAttribute("aria-valuetext", (slider.say ?? slider.show)(value));
    input.style.setProperty("--mx-fill", `${(100 * (value - slider.min)) / (slider.max - slider.min)}%`);
  }

  /**
   * Sliders follow Python only when the values there really changed, never under the hand that moves them.
   *
   * @param {Sliders | null} sampling
   */
  takeSampling(sampling) {
    const { run } = this.player;
    const key = JSON.stringify([sampling, sampling ? "" : run.id]);
    if (key === this.samplingKey) return;
    this.samplingKey = key;
    const active = this.player.active();
    /** @type {Record<string, unknown>} */
    const settings = sampling ? { ...sampling } : run.meta.settings;
    for (const [name, { input }] of this.inputs) {
      const value = settings[name];
      input.hidden = !Number.isFinite(value);
      if (input !== active && Number.isFinite(value)) input.value = String(value);
      input.disabled = !sampling;
      this.show(name);
    }
    this.note.textContent = sampling
      ? "The bars follow at once; the next text uses these settings."
      : "This recording keeps its own settings.";
  }

  draw() {
    this.drawStep();
    this.drawBranches();
  }

  drawStep() {
    const { run, t, layer } = this.player;
    const window = run.windows[layer];
    const ring = Number.isFinite(window);
    const word = (/** @type {number} */ position) =>
      el("b", { class: "mx-serif" }, shorten(run.labels[position] ?? "", 16));
    const number = (/** @type {number} */ value) => el("b", {}, grouped(value));
    /** @type {import("../kit/dom.js").Child[][]} */
    const lines = [];
    lines.push([
      "read ",
      el("b", { class: "mx-q mx-serif" }, shorten(run.labels[t] ?? "", 16)),
      " at position ",
      number(t),
    ]);
    const note = byteNote(run.labels[t]);
    if (note) lines.push([note]);
    lines.push(
      ring
        ? ["its key and value went to slot ", number(run.slot(t, run.slotsOf(layer))), run.slotSum(t, window)]
        : ["stored its key and value; no window"],
    );
    const gone = run.overwrites(t, layer);
    if (gone >= 0) lines.push(["there they replaced those of ", word(gone), ` (${gone})`]);
    else if (ring) lines.push([`the slot was empty; first overwrite at position ${run.slotsOf(layer)}`]);
    const read = number(Math.min(t + 1, run.slotsOf(layer)));
    lines.push(["each ", term("query"), " reads ", read, ` of ${plural(t + 1, "key")}`]);
    if (Number.isFinite(run.reach)) {
      lines.push([`exact reach, ${run.layers} layers: `, number(run.reach), " back"]);
      const out = Math.max(0, t - run.reach - run.sinks);
      lines.push(
        out
          ? ["out of reach: ", el("s", {}, this.excerpt(out)), ` (${plural(out, "token")})`]
          : ["nothing is out of reach yet"],
      );
    } else lines.push(["every earlier token is within reach"]);
    const next =
      t + 1 < run.count
        ? [
            "next: ",
            word(t + 1),
            `; the model gave it ${percent(run.p(t + 1))}, `,
            term("rank"),
            ` ${run.rankOf(t + 1) + 1}`,
          ]
        : run.labels[t + 1] // chosen by hand, and not read yet
          ? ["next: ", word(t + 1), ", your choice; the model reads it now"]
          : [run.meta.status === "running" ? "next: being computed" : "next: not chosen yet"];
    lines.push(
      t + 1 < run.meta.n_prompt
        ? ["next: ", word(t + 1), ` (given; the model gave it ${percent(run.p(t + 1))})`]
        : next,
    );
    this.player.part("step").replaceChildren(...lines.map((line) => el("p", {}, ...line)));
  }

  /** @param {number} out  tokens */
  excerpt(out) {
    const { run } = this.player;
    const words = run.texts
      .slice(run.sinks, run.sinks + out)
      .join("")
      .trim()
      .split(/\s+/);
    return words.length > 4 ? `${words.slice(0, 2).join(" ")} … ${words.at(-1)}` : words.join(" ");
  }

  drawBranches() {
    const { player } = this;
    const { run } = player;
    const { branches } = run.meta;
    const panel = player.part("branches-panel");
    panel.hidden = branches.length < 2;
    player.root.dataset.runs = panel.hidden ? "one" : "several";
    if (panel.hidden) return;
    const key = JSON.stringify([
      branches,
      run.id,
      this.compareWith,
      this.player.memory.runs.get(this.compareWith)?.count,
      run.count,
    ]);
    if (key === this.branchesKey) return;
    this.branchesKey = key;
    player.part("branches").replaceChildren(
      ...branches.map((branch) =>
        el(
          "button",
          {
            type: "button",
            class: "mx-branch",
            "aria-current": branch.run === run.id ? "true" : null,
            onclick: () => {
              if (branch.run !== run.id) player.trigger("open", { run: branch.run });
            },
          },
          el("b", { class: "mx-serif" }, branch.label),
          el("span", { class: "mx-soft" }, branch.parent ? ` from position ${branch.at}` : ""),
        ),
      ),
    );
    this.drawCompare(branches.filter((branch) => branch.run !== run.id));
  }

  /**
   * Where two branches split, and how each goes on.
   *
   * @param {BranchEntry[]} others
   */
  drawCompare(others) {
    const { player } = this;
    const { run } = player;
    const choice = el(
      "select",
      { "aria-label": "Compare with" },
      el("option", { value: "" }, "compare with …"),
      ...others.map((branch) => el("option", { value: branch.run }, branch.label)),
    );
    choice.value = others.some((branch) => branch.run === this.compareWith) ? this.compareWith : "";
    choice.addEventListener("change", () => {
      this.compareWith = choice.value;
      player.draw();
    });
    const host = player.part("compare");
    host.replaceChildren(choice);
    if (!choice.value) return;
    const other = this.player.memory.runs.get(choice.value);
    if (!other?.count)
      return host.append(el("p", { class: "mx-note" }, "Open that branch once, then it can be compared."));
    const split = parting(run, other);
    if (split === run.count && split === other.count) {
      return host.append(el("p", { class: "mx-note" }, `They are the same so far: ${plural(split, "token")}.`));
    }
    const tail = (/** @type {{ texts: string[] }} */ which) =>
      shorten(
        which.texts
          .slice(split, split + 16)
          .join("")
          .trim() || "…",
        90,
      );
    const lead = run.texts
      .slice(Math.max(0, split - 4), split)
      .join("")
      .trim();
    host.append(
      el("p", { class: "mx-note" }, `They share ${plural(split, "token")}, then after “… ${lead}”:`),
      el("p", { class: "mx-serif mx-tail" }, el("b", { class: "mx-q" }, "this "), tail(run)),
      el("p", { class: "mx-serif mx-tail" }, el("b", {}, "that "), tail(other)),
    );
  }
}
