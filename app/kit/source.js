// The source of the function that a picture explains, with the lines lit that the shown step is about.

import { el } from "./dom.js";

/** @import { Code } from "./types.js" */

/** Shows functions of the program in a fold of a card; which lines are lit follows the picture's steps. */
export class SourcePanel {
  /** @param {HTMLElement} host  an empty element; `panels.css` says how it looks */
  constructor(host) {
    this.host = host;
    /** @type {Code[]} */
    this.codes = [];
    this.name = "";
    this.mark = "";
    this.fold = el("details", { class: "mx-source" }, el("summary", {}, ""));
    host.replaceChildren(this.fold);
    this.fold.addEventListener("toggle", () => this.draw());
  }

  /** @param {Code[]} codes  all that the picture can show */
  take(codes) {
    if (codes === this.codes || JSON.stringify(codes) === JSON.stringify(this.codes)) return; // asked at every step
    this.codes = codes;
    this.draw(true);
  }

  /**
   * @param {string} name  of a function
   * @param {string} [mark]  what the step is about; "" = nothing is lit
   */
  show(name, mark = "") {
    if (name === this.name && mark === this.mark) return;
    const other = name !== this.name;
    Object.assign(this, { name, mark });
    this.draw(other);
  }

  /** @param {boolean} [anew]  whether another function is shown */
  draw(anew = false) {
    const code = this.codes.find(({ name }) => name === this.name);
    this.host.hidden = !code;
    if (!code) return;
    const [summary] = this.fold.children;
    summary.textContent = `The code that does this: ${code.name}, ${code.file}`;
    if (!this.fold.open) return;
    if (anew || !this.fold.querySelector("ol")) {
      for (const old of [...this.fold.children].slice(1)) old.remove();
      this.fold.append(listing(code), elsewhere(code));
    }
    const lit = litLines(code, this.mark);
    this.fold.dataset.lit = lit.map((line) => line + code.line).join();
    for (const [line, row] of [...this.fold.querySelectorAll("li")].entries()) {
      row.toggleAttribute("data-lit", lit.includes(line));
      if (lit.includes(line)) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    }
    const list = this.fold.querySelector("ol");
    const first = list?.querySelector("[data-lit]");
    if (list && first instanceof HTMLElement) list.scrollTop = first.offsetTop - list.offsetTop - list.clientHeight / 3;
  }
}

/**
 * The lines, from 0, that belong to a mark.
 *
 * @param {Code} code @param {string} mark
 */
export const litLines = (code, mark) => code.marks[mark] ?? [];

/** @param {Code} code */
function listing(code) {
  const rows = code.text.split("\n").map((line) => el("li", {}, el("code", {}, line || " ")));
  return el("ol", { start: code.line, tabindex: 0, "aria-label": `Source of ${code.name}` }, ...rows);
}

/** What it is called elsewhere. @param {Code} code */
function elsewhere({ inference, transformers }) {
  /** @type {string[]} */
  const places = [];
  if (inference) places.push(`in mistral-inference: ${inference}`);
  if (transformers) places.push(`in Hugging Face's transformers: ${transformers}`);
  return el("p", { class: "mx-soft", hidden: !places.length }, `The same ${places.join("; ")}.`);
}
