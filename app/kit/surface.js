// What every picture stands on: its markup, its colours, its sizes, its canvases, and its voice to Python.

import { rgb } from "./colour.js";
import { closest, penOf } from "./dom.js";
import { clamp } from "./format.js";
import { isLarger, setLarger } from "./larger.js";
import { later } from "./later.js";
import { leaving, said } from "./leaving.js";
import { rem } from "./measure.js";
import { offerNumbers } from "./numbers.js";
import { explainTerms } from "./terms.js";

/** @typedef {import("./mount.js").Component} Component */
/** @typedef {import("./mount.js").Look} Look */
/** @typedef {(typeof ROLES)[number]} Role */
/** @typedef {{ groups: string[], sans: string, serif: string, hatching: CanvasPattern | string }} Looks */
/** @typedef {Record<Role, string> & Looks} Colours  by role, and those of the groups; the fonts; what is hatched */
/** @typedef {{ g: CanvasRenderingContext2D, width: number, height: number }} Pen  and the size of its canvas, css px */
/** @typedef {{ x: number, y: number }} Point  on the screen */

const ROLES = /** @type {const} */ ([
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
  "positive",
  "negative",
  "error",
]);
const GROUPS = 8;
const HATCH_PX = 10; // lines far enough apart that a hatched half of a picture stays quiet

/**
 * @template {{ id: string, count: number }} Shown  what is drawn
 * @template {object} Events  what the picture says, by name
 */
export class Surface {
  /**
   * @param {HTMLElement | ShadowRoot} host
   * @param {Look} look
   */
  constructor(host, look) {
    const template = document.createElement("template");
    template.innerHTML = look.markup; // a file of this program; data never passes here
    const style = document.createElement("style");
    style.textContent = look.style;
    const root = template.content.firstElementChild;
    if (!(root instanceof HTMLElement)) throw new Error("The picture has no markup.");
    this.root = root;
    host.querySelector(".mx-host")?.replaceChildren(style, root);
    /** @type {Map<string | undefined, HTMLElement | SVGElement>} */
    this.parts = new Map();
    for (const node of /** @type {NodeListOf<HTMLElement | SVGElement>} */ (root.querySelectorAll("[data-part]")))
      this.parts.set(node.dataset.part, node);
    /** @type {Shown} null until the first payload: nothing is drawn and no button acts before */
    this.run = later();
    /** @type {Component | undefined} */
    this.component = undefined;
    /** @type {number | null} position of the token under the pointer */
    this.hovered = null;
    this.unit = rem() * 0.875;
    /** @type {Map<Element, { width: number, height: number }>} */
    this.sizes = new Map();
    /** @type {Record<string, number>} */
    this.frames = {};
    /** @type {Partial<Record<keyof Events, string>>} the last sticky value of each name, as JSON */
    this.lastValues = {};
    this.watch = new ResizeObserver(() => this.resize());
    this.onWindow = () => this.resize();
    this.colour = this.readTheme();
    this.showLarger();
    for (const asked of this.root.querySelectorAll(".mx-fold input")) keepFolded(asked);
  }

  /**
   * The element with this `data-part`; an HTML element unless a class says which.
   *
   * @template {Element} [Kind=HTMLElement]
   * @param {string} name
   * @param {new () => Kind} [kind]
   * @returns {Kind}
   */
  part(name, kind) {
    const Class = /** @type {new () => Kind} */ (kind ?? HTMLElement);
    const node = this.parts.get(name);
    if (node instanceof Class) return node;
    throw new Error(`The picture's markup has no ${Class.name} with data-part="${name}".`);
  }

  /**
   * The button with this `data-act`.
   *
   * @param {string} act
   * @returns {HTMLButtonElement}
   */
  button(act) {
    const node = this.root.querySelector(`[data-act="${act}"]`);
    if (node instanceof HTMLButtonElement) return node;
    throw new Error(`The picture's markup has no button with data-act="${act}".`);
  }

  /**
   * Once all panels are made: what buttons do, and what makes everything be drawn anew.
   *
   * @param {Record<string, (button: HTMLButtonElement) => void>} acts  by the name in `data-act`
   */
  bind(acts) {
    explainTerms(this);
    offerNumbers(this, this.tables());
    this.root.addEventListener("click", (event) => {
      const button = closest(event, "[data-act]");
      if (!(button instanceof HTMLButtonElement)) return;
      const act = button.dataset.act ?? "";
      if (act === "presenter") this.present();
      else if (this.run) acts[act](button);
    });
    // The probe's colour is Streamlit's background with a short transition: it tells when the theme is switched.
    this.root.querySelector(".mx-probe")?.addEventListener("transitionend", () => {
      this.colour = this.readTheme();
      this.draw();
    });
    for (const box of [this.root, ...this.root.querySelectorAll(".mx-canvas")]) this.watch.observe(box);
    addEventListener("resize", this.onWindow);
    document.fonts?.ready.then(() => this.draw());
  }

  /** Everything on screen shows the same moment: each picture says how. */
  draw() {}

  /**
   * The numbers of what is drawn, by a part of the card that it is drawn in.
   *
   * @returns {Record<string, import("./numbers.js").Give>}
   */
  tables() {
    return {};
  }

  present() {
    setLarger(!isLarger());
    this.showLarger();
    this.resize();
  }

  /** For styles and for those who ask: what stands beside the picture folds away in larger mode. */
  showLarger() {
    this.root.dataset.larger = isLarger() ? "1" : "0";
    this.root.querySelector("[data-act=presenter]")?.setAttribute("aria-pressed", String(isLarger()));
  }

  resize() {
    this.unit = rem() * 0.875;
    this.sizes.clear();
    this.soon("all", () => this.draw());
  }

  /**
   * In the next frame, once; another call takes the place of an earlier one of the same name, and of no other.
   *
   * @param {string} name
   * @param {() => void} action
   */
  soon(name, action) {
    cancelAnimationFrame(this.frames[name]);
    this.frames[name] = requestAnimationFrame(action);
  }

  /** @returns {Colours} */
  readTheme() {
    const ground = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim();
    if (/^#[0-9a-f]{6}$/i.test(ground)) {
      const [r, g, b] = rgb(ground);
      this.root.dataset.theme = 0.2126 * r + 0.7152 * g + 0.0722 * b < 110 ? "dark" : "light";
    }
    const style = getComputedStyle(this.root);
    const roles = /** @type {Record<Role, string>} */ (
      Object.fromEntries(ROLES.map((role) => [role, style.getPropertyValue(`--mx-${role}`).trim()]))
    );
    const groups = Array.from({ length: GROUPS }, (_, i) => style.getPropertyValue(`--mx-group-${i}`).trim());
    const fonts = { sans: style.fontFamily, serif: style.getPropertyValue("--mx-serif") };
    return { ...roles, groups, ...fonts, hatching: hatching(roles.line) };
  }

  /**
   * Measured once until something is resized: asking the browser in every frame would make it lay out anew.
   *
   * @param {Element} node
   */
  size(node) {
    const size = this.sizes.get(node) ?? { width: node.clientWidth, height: node.clientHeight };
    if (size.width) this.sizes.set(node, size);
    return size;
  }

  /**
   * A canvas ready to draw on in css pixels, or null while it has no size.
   *
   * @param {HTMLCanvasElement} canvas
   * @returns {Pen | null}
   */
  pen(canvas) {
    const { width, height } = this.size(canvas);
    if (!width || !height) return null;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const g = penOf(canvas);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { g, width, height };
  }

  /** The element that has the focus, where it is in this picture. */
  active() {
    const page = this.root.getRootNode();
    return page instanceof Document || page instanceof ShadowRoot ? page.activeElement : null;
  }

  /** @param {string} text */
  message(text) {
    const box = this.part("message");
    box.hidden = !text;
    box.textContent = text || "";
  }

  /**
   * Shows what is known of one thing under its node, or beside a place on the screen; above it where there is no room
   * below.
   *
   * @param {Node[]} children
   * @param {Element | null} node  needed where there is no place
   * @param {Point | null} [place]
   */
  explain(children, node, place) {
    const pop = this.part("pop");
    pop.replaceChildren(...children);
    pop.hidden = false;
    const frame = this.root.getBoundingClientRect();
    const anchor = place
      ? { left: place.x, top: place.y - 8, bottom: place.y + 12 }
      : (node ?? this.root).getBoundingClientRect();
    const left = clamp(anchor.left - frame.left, 0, Math.max(0, frame.width - pop.offsetWidth));
    const fitsBelow = anchor.bottom + pop.offsetHeight + 10 < innerHeight;
    const top = fitsBelow ? anchor.bottom - frame.top + 6 : anchor.top - frame.top - pop.offsetHeight - 6;
    pop.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  /**
   * Says a sticky value.
   *
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {Events[Name]} value
   */
  emit(name, value) {
    if (leaving()) return;
    this.component?.setStateValue(name, value);
    said();
  }

  /**
   * Says a value that is there once.
   *
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {Events[Name]} value
   */
  trigger(name, value) {
    if (leaving()) return;
    this.component?.setTriggerValue(name, value);
    said();
  }

  /**
   * Says a sticky value, unless it was the last one; what is kept back while the page is being left was not said.
   *
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {Events[Name]} value
   * @param {unknown} [news] what of it makes it another one; a time stamp does not
   */
  emitNew(name, value, news = value) {
    if (leaving()) return;
    const json = JSON.stringify(news);
    if (json === this.lastValues[name]) return;
    this.lastValues[name] = json;
    this.emit(name, value);
  }

  /** Lets go of what reaches beyond the surface. */
  leave() {
    this.watch.disconnect();
    removeEventListener("resize", this.onWindow);
  }
}

/**
 * Thin slanted lines, for what theory rules out.
 *
 * @param {string} colour
 */
function hatching(colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = HATCH_PX;
  const pen = penOf(tile);
  pen.strokeStyle = colour;
  pen.beginPath();
  for (const shift of [-HATCH_PX, 0, HATCH_PX]) {
    pen.moveTo(shift, HATCH_PX);
    pen.lineTo(shift + HATCH_PX, 0);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat") ?? colour;
}

/**
 * A card that folds away says so until its switch is on.
 *
 * @param {Element} asked  the switch in the card's head
 */
function keepFolded(asked) {
  const show = () =>
    asked.closest(".mx-card")?.toggleAttribute("data-folded", asked instanceof HTMLInputElement && !asked.checked);
  asked.addEventListener("change", show);
  // The whole title opens it, not its small sign alone.
  asked.closest(".mx-head")?.addEventListener("click", (event) => {
    const folded = asked.closest(".mx-card")?.hasAttribute("data-folded");
    if (
      folded &&
      isLarger() &&
      !closest(event, "label, button, select, [data-term]") &&
      asked instanceof HTMLInputElement
    )
      asked.click();
  });
  show();
}
