// Historical mistakes: takes payloads, owns which one is open and which word is looked at, draws all of it.

import { drawSide, queryAt } from "./drawing.js";
import { firstPlace, MuseumRun } from "./run.js";
import { said, size, TITLES } from "./said.js";
import { Caught } from "./caught.js";
import { closest, el, legend } from "../kit/dom.js";
import { clamp, grouped } from "../kit/format.js";
import { hearKeys } from "../kit/keys.js";
import { SourcePanel } from "../kit/source.js";
import { Strip } from "./strip.js";
import { drawnTable, errorTable } from "./tables.js";
import { Surface } from "../kit/surface.js";
import { Told } from "./told.js";
import { settled } from "../kit/timing.js";

/**
 * @typedef {import("./types.js").MuseumHeader} MuseumHeader
 * @typedef {import("./types.js").MuseumArrays} MuseumArrays
 */

/** @extends {Surface<MuseumRun, import("./types.js").Events>} */
export default class MuseumPage extends Surface {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {import("../kit/mount.js").Look} look
   */
  constructor(host, look) {
    super(host, look);
    /** Name of the open mistake. */
    this.mistake = "";
    /** Position of the word that is looked at. */
    this.at = 0;
    this.asked = 0;
    this.acts = 0;
    /** Of which run and mistake the place was chosen. */
    this.placed = "";
    this.strip = new Strip(this);
    this.told = new Told(this);
    this.caught = new Caught(this);
    this.codes = ["code-right", "code-wrong"].map((name) => new SourcePanel(this.part(name)));
    for (const panel of this.codes) panel.fold.open = true;
    this.send = settled(() => this.emit("ask", { run: this.run.id, n: this.asked, mistake: this.mistake }), 150);
    this.part("stories").addEventListener("click", (event) => {
      const name = closest(event, "button[data-name]")?.dataset.name;
      if (name) this.open(name);
    });
    for (const name of ["right", "wrong"]) {
      const canvas = this.part(name, HTMLCanvasElement);
      canvas.addEventListener("click", (event) => this.look(this.under(canvas, event)));
    }
    this.bind({
      stop: (button) => this.press("stop", button),
      again: (button) => this.press("again", button),
      verify: (button) => this.press("verify", button),
      stop_verify: (button) => this.press("stop_verify", button),
    });
    hearKeys(this.root, (key) => this.key(key));
  }

  tables() {
    return { right: () => drawnTable(this), strip: () => errorTable(this) };
  }

  /** @param {string} key */
  key(key) {
    if (!this.run) return false;
    const names = this.run.meta.stories.map(({ name }) => name);
    const now = names.indexOf(this.mistake);
    if (key === "ArrowLeft") this.look(this.at - 1);
    else if (key === "ArrowRight") this.look(this.at + 1);
    else if (key === "Home") this.look(0);
    else if (key === "End") this.look(this.run.count - 1);
    else if (key === "ArrowUp" && now > 0) this.open(names[now - 1]);
    else if (key === "ArrowDown" && now < names.length - 1) this.open(names[now + 1]);
    else return false;
    return true;
  }

  /** The word whose row is under the pointer. @param {HTMLCanvasElement} canvas @param {MouseEvent} event */
  under(canvas, event) {
    if (this.run.meta.drawing !== "reads") return this.at;
    const pen = this.pen(canvas);
    const y = event.clientY - canvas.getBoundingClientRect().top;
    return pen ? queryAt(pen, this.scene("right"), y) : this.at;
  }

  /** @param {string} name */
  open(name) {
    if (name === this.mistake) return;
    this.mistake = name;
    this.asked += 1;
    this.send();
    this.draw();
  }

  /** @param {number} position */
  look(position) {
    if (!this.run) return;
    this.at = clamp(position, 0, this.run.count - 1);
    this.draw();
  }

  /** A button that Python hears of, once.
   * @param {import("./types.js").Act["what"]} what
   * @param {HTMLButtonElement} button */
  press(what, button) {
    this.acts += 1;
    this.emit("act", { run: this.run.id, what, n: this.acts });
    button.disabled = true;
  }

  /** @param {{ header: MuseumHeader, arrays: MuseumArrays }} payload */
  take({ header, arrays }) {
    const first = this.run?.id !== header.run;
    const grown = first || this.run.count !== header.tokens.length;
    this.run = new MuseumRun(header, arrays);
    if (first || header.asked >= this.asked) {
      this.asked = header.asked;
      this.mistake = header.mistake;
    }
    if (grown) this.told.reset();
    const place = `${header.run} ${header.mistake} ${header.measured ? 1 : 0}`;
    if (place !== this.placed) this.at = clamp(firstPlace(this.run), 0, this.run.count - 1);
    this.placed = place;
    this.message(header.message);
    this.draw();
  }

  /** Whether what has come is of the open mistake. */
  get fresh() {
    return this.run.meta.mistake === this.mistake;
  }

  /** What was measured of the open mistake. */
  get measured() {
    return this.fresh ? this.run.meta.measured : null;
  }

  /** @param {"right" | "wrong"} side */
  scene(side) {
    return { run: this.run, side, at: this.at, colour: this.colour, unit: this.unit };
  }

  draw() {
    const { run, root } = this;
    if (!run) return;
    const { model, status, can_measure, unread, codes } = run.meta;
    const shape = ` ${model.n_layers} layers · ${model.n_heads} heads · ${model.n_kv_heads} K/V heads`;
    this.part("model").replaceChildren(el("b", {}, model.name), shape);
    this.part("status").hidden = status !== "running";
    this.part("status").textContent = `being written, ${grouped(run.count)} tokens`;
    const rest = unread ? `, the first ${grouped(run.count)} of its tokens` : "";
    this.part("along-title").textContent = `The text, read both ways${rest}`;
    this.stories();
    this.drawing();
    this.told.draw(run);
    this.strip.draw(run);
    this.caught.draw(run);
    for (const [i, panel] of this.codes.entries()) {
      panel.take(codes);
      panel.show(this.fresh ? (codes[i]?.name ?? "") : "", "it");
    }
    for (const badge of ["along-badge", "written-badge", "caught-badge"])
      this.part(badge).textContent = can_measure ? "model" : "no model";
    Object.assign(root.dataset, {
      run: run.id,
      mistake: this.mistake,
      at: this.at,
      fresh: this.measured ? "1" : "0",
      checked: this.fresh && run.meta.checked ? "1" : "0",
      ready: "1",
    });
  }

  /** The shelf: one is open. */
  stories() {
    const { stories } = this.run.meta;
    const wanted = `${this.mistake} ${stories.map(({ problem }) => (problem ? 1 : 0)).join("")}`;
    const host = this.part("stories");
    if (host.dataset.made === wanted) return;
    const focused = this.active() instanceof HTMLButtonElement && host.contains(this.active());
    host.dataset.made = wanted;
    host.replaceChildren(
      ...stories.flatMap(({ name, title, story, lesson, seen, problem }) => {
        const open = name === this.mistake;
        const button = el(
          "button",
          { type: "button", "data-name": name, "aria-expanded": String(open), "data-refused": Boolean(problem) },
          title,
        );
        if (!open) return [button];
        const parts = [
          problem ? el("p", { class: "mx-refusal" }, `Not with this model and text: ${problem}`) : null,
          el("p", { class: "mx-tale" }, story),
          el("p", { class: "mx-lesson" }, lesson),
          el("p", { class: "mx-note" }, `Seen: ${seen.join("; ")}.`),
        ];
        return [button, el("div", { class: "mx-open" }, ...parts)];
      }),
    );
    const button = host.querySelector(`[data-name="${this.mistake}"]`);
    if (!(button instanceof HTMLElement)) return;
    if (host.scrollHeight > host.clientHeight) host.scrollTop = button.offsetTop - host.offsetTop;
    if (focused) button.focus({ preventScroll: true });
  }

  drawing() {
    const { run } = this;
    const kind = this.measured ? run.meta.drawing : null;
    const words = kind ? said(run, this.at) : "";
    this.part("wrong-title").textContent = kind === "order" ? "in another order" : "with the mistake";
    this.part("drawing-title").textContent = kind ? TITLES[kind] : "What is read";
    this.part("said").textContent = words;
    const keys = {
      reads: [
        legend("mx-key-read", "read"),
        legend("mx-key-extra", "read, and should not be"),
        legend("mx-key-missing", "not read, and should be"),
      ],
      distance: [
        legend("mx-key-read", "as it stands"),
        legend("mx-key-extra", "another distance; below the line: ahead"),
      ],
    };
    const of = run.meta.window ? `a layer with a window of ${run.meta.window}` : "a layer";
    const measured = `measured on ${of}, whose values are the positions`;
    this.part("legend").replaceChildren(
      ...(kind === "reads" || kind === "distance" ? [...keys[kind], el("span", {}, measured)] : []),
    );
    for (const side of /** @type {("right" | "wrong")[]} */ (["right", "wrong"])) {
      const canvas = this.part(side, HTMLCanvasElement);
      canvas.setAttribute("aria-label", kind ? `${TITLES[kind]}, ${side}. ${words}` : "Nothing is drawn yet");
      const pen = this.pen(canvas);
      if (pen && kind) drawSide(pen, this.scene(side));
      else pen?.g.clearRect(0, 0, pen.width, pen.height);
    }
  }

  /** What is known of one position, beside its word or its bar.
   * @param {number | null} position
   * @param {Element | null} node
   * @param {import("../kit/surface.js").Point | null} [place] */
  tell(position, node, place = null) {
    const { run } = this;
    if (position === null || !run) {
      this.part("pop").hidden = true;
      return;
    }
    const { error, kl } = run.arrays;
    const word = el("b", { class: "mx-serif" }, run.labels[position]);
    const lines = [el("p", { class: "mx-pop-title" }, word, ` position ${position}`)];
    if (this.measured && error && kl) {
      const same = error[position] === 0;
      lines.push(el("p", {}, same ? "the same logits, bit for bit" : `a logit is off by ${size(error[position])}`));
      if (!same) lines.push(el("p", {}, `KL ${kl[position].toPrecision(2)} nats`));
    }
    this.explain(lines, node, place);
  }

  dispose() {
    this.send.cancel();
    this.leave();
  }
}
