// What every picture stands on: its markup, its colours, its sizes, its canvases, and its voice to Python.

import { clamp } from "./format.js";
import { isLarger, setLarger } from "./larger.js";
import { leaving } from "./leaving.js";
import { rem } from "./measure.js";
import { rgb } from "./colour.js";

export class Surface {
  /** `look`: the picture's own markup and style, as `mount.js` fetched them; `state`: what the picture starts with. */
  constructor(host, look, state) {
    const template = document.createElement("template");
    template.innerHTML = look.markup; // a file of this program; data never passes here
    const style = document.createElement("style");
    style.textContent = look.style;
    this.root = template.content.firstElementChild;
    host.querySelector(".mx-host").replaceChildren(style, this.root);
    this.parts = new Map([...this.root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
    Object.assign(this, { run: null, hovered: null, unit: rem() * 0.875, sizes: new Map(), frames: {} }, state);
    this.readTheme();
    this.showLarger();
  }

  part(name) {
    return this.parts.get(name);
  }

  /** Once all panels are made: what buttons do, by the name in `data-act`, and what makes everything be drawn anew. */
  bind(acts) {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (button?.dataset.act === "presenter") this.present();
      else if (button && this.run) acts[button.dataset.act](button);
    });
    // The probe's colour is Streamlit's background with a short transition: it tells when the theme is switched.
    this.root.querySelector(".mx-probe").addEventListener("transitionend", () => {
      this.readTheme();
      this.draw();
    });
    this.watch = new ResizeObserver(() => this.resize());
    for (const box of [this.root, ...this.root.querySelectorAll(".mx-canvas")]) this.watch.observe(box);
    this.onWindow = () => this.resize();
    addEventListener("resize", this.onWindow);
    document.fonts?.ready.then(() => this.draw());
  }

  present() {
    setLarger(!isLarger());
    this.showLarger();
    this.resize();
  }

  /** For styles and for those who ask: what stands beside the picture folds away in larger mode. */
  showLarger() {
    this.root.dataset.larger = isLarger() ? "1" : "0";
    this.root.querySelector("[data-act=presenter]")?.setAttribute("aria-pressed", isLarger());
  }

  resize() {
    this.unit = rem() * 0.875;
    this.sizes.clear();
    this.soon("all", () => this.draw());
  }

  /** In the next frame, once; another call takes the place of an earlier one of the same name, and of no other. */
  soon(name, action) {
    cancelAnimationFrame(this.frames[name]);
    this.frames[name] = requestAnimationFrame(action);
  }

  readTheme() {
    const ground = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim();
    if (/^#[0-9a-f]{6}$/i.test(ground)) {
      const [r, g, b] = rgb(ground);
      this.root.dataset.theme = 0.2126 * r + 0.7152 * g + 0.0722 * b < 110 ? "dark" : "light";
    }
    const style = getComputedStyle(this.root);
    const roles = [
      "ground",
      "card",
      "ink",
      "soft",
      "line",
      "hatch",
      "cell",
      "graphic",
      "query",
      "attention",
      "surprise",
      "influence",
      "error",
    ];
    this.colour = Object.fromEntries(roles.map((role) => [role, style.getPropertyValue(`--mx-${role}`).trim()]));
    this.colour.groups = Array.from({ length: 7 }, (_, i) => style.getPropertyValue(`--mx-group-${i}`).trim());
    this.colour.sans = style.fontFamily;
    this.colour.serif = style.getPropertyValue("--mx-serif");
    const tile = document.createElement("canvas");
    const apart = 10; // lines far enough apart that a hatched half of a picture stays quiet
    tile.width = tile.height = apart;
    const pen = tile.getContext("2d");
    pen.strokeStyle = this.colour.line;
    pen.beginPath();
    for (const shift of [-apart, 0, apart]) {
      pen.moveTo(shift, apart);
      pen.lineTo(shift + apart, 0);
    }
    pen.stroke();
    this.colour.hatching = pen.createPattern(tile, "repeat");
  }

  /** Measured once until something is resized: asking the browser in every frame would make it lay out anew. */
  size(node) {
    if (!this.sizes.has(node)) this.sizes.set(node, { width: node.clientWidth, height: node.clientHeight });
    const size = this.sizes.get(node);
    if (!size.width) this.sizes.delete(node);
    return size;
  }

  /** A canvas ready to draw on in css pixels, or null while it has no size. */
  pen(canvas) {
    const { width, height } = this.size(canvas);
    if (!width || !height) return null;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { g, width, height };
  }

  message(text) {
    const box = this.part("message");
    box.hidden = !text;
    box.textContent = text || "";
  }

  /** Shows what is known of one thing under its node, or beside a place on the screen; above it where there is no room below. */
  explain(children, node, place) {
    const pop = this.part("pop");
    pop.replaceChildren(...children);
    pop.hidden = false;
    const frame = this.root.getBoundingClientRect();
    const anchor = place ? { left: place.x, top: place.y - 8, bottom: place.y + 12 } : node.getBoundingClientRect();
    const left = clamp(anchor.left - frame.left, 0, Math.max(0, frame.width - pop.offsetWidth));
    const fitsBelow = anchor.bottom + pop.offsetHeight + 10 < innerHeight;
    const top = fitsBelow ? anchor.bottom - frame.top + 6 : anchor.top - frame.top - pop.offsetHeight - 6;
    pop.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  emit(name, value) {
    if (!leaving()) this.component?.setStateValue(name, value);
  }
  trigger(name, value) {
    if (!leaving()) this.component?.setTriggerValue(name, value);
  }

  /** Says a sticky value, unless it was the last one said; what is kept back while the page is being left was not said.
   *  A stamp goes along and makes nothing new. */
  emitNew(name, value, stamp = {}) {
    if (leaving()) return;
    const said = (this.saidLast ??= {});
    if (JSON.stringify(value) === said[name]) return;
    said[name] = JSON.stringify(value);
    this.emit(name, { ...value, ...stamp });
  }

  /** Tokens are missing: Python is asked for them, at most once a second. */
  askAgain(run) {
    if (performance.now() - (this.askedAt ?? -Infinity) < 1000) return;
    this.askedAt = performance.now();
    this.emit("need", { run: run.id, from: run.count, n: performance.now() });
  }

  /** Lets go of what reaches beyond the surface. */
  leave() {
    this.watch.disconnect();
    removeEventListener("resize", this.onWindow);
  }
}
