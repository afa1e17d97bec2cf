// What verify says of the copy with the mistake: which checks fail, and what it means if none does.

import { el } from "../kit/dom.js";
import { grouped } from "../kit/format.js";

/**
 * @typedef {import("./run.js").MuseumRun} MuseumRun
 * @typedef {import("./types.js").Checked} Checked
 */

const COLUMNS = ["check", "off by", "allowed", "compared"];

export class Caught {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {MuseumRun} run */
  draw(run) {
    const { page } = this;
    const { checked, checking, checkable } = run.meta;
    const state = JSON.stringify([page.mistake, page.fresh, checked, checking, checkable]);
    const host = page.part("caught");
    if (host.dataset.made === state) return;
    host.dataset.made = state;
    const act = (/** @type {string} */ name, /** @type {string} */ label) =>
      el("button", { type: "button", class: "mx-chip", "data-act": name }, label);
    const say = (/** @type {(Node | string)[]} */ ...words) =>
      host.replaceChildren(el("p", { class: "mx-note" }, ...words));
    if (checkable) say(checkable);
    else if (!page.fresh || (!checked && !checking && !page.measured)) say("It is asked when the text has been read.");
    else if (checked)
      host.replaceChildren(el("p", { class: "mx-verdict" }, verdict(checked, page.mistake)), table(checked));
    else if (checking) {
      const [done, total, what] = checking;
      say(`${what || "loading"}: ${grouped((100 * done) / total)} % `, act("stop_verify", "Stop"));
    } else say("The checks are run on the copy with the mistake. ", act("verify", "Ask verify"));
  }
}

/** @param {Checked} checked @param {string} mistake */
export function verdict({ by, others_alone }, mistake) {
  if (by.length && others_alone)
    return (
      `Only because another program’s numbers are at hand (${by.join(", ")}). This one agrees with itself in every ` +
      `other check: without such numbers nobody would notice.`
    );
  if (by.length) return `Yes: ${by.join(", ")}. There two ways to the same numbers differ.`;
  if (mistake === "other-order")
    return "No check fails, and none should: the sums are the same but for their rounding.";
  return "No check fails. Nothing in verify does what this story needs: a check finds only what it tries.";
}

/** @param {Checked} checked */
function table({ lines }) {
  const number = (/** @type {number | null} */ value) =>
    value === null ? "–" : value === 0 ? "0" : value.toExponential(1);
  const failed = lines.filter((line) => line.verdict === "caught");
  const rows = failed.map((line) =>
    el(
      "tr",
      { "data-verdict": line.verdict },
      el("td", {}, line.check),
      el("td", {}, number(line.error)),
      el("td", {}, number(line.bound)),
      el("td", {}, line.compared),
    ),
  );
  const others = lines.length - failed.length;
  const head = el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)));
  const tests = failed.length
    ? [el("table", { class: "mx-lines" }, el("thead", {}, head), el("tbody", {}, ...rows))]
    : [];
  const anyway = lines.filter((line) => line.verdict === "fails anyway").length;
  const note = `${others} other lines do not tell it${anyway ? ` (${anyway} fail without the mistake too)` : ""}.`;
  return el("div", {}, ...tests, el("p", { class: "mx-note" }, note));
}
