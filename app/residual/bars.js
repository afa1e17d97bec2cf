// What each layer's attention and MLP add to the logit of a token, or to the difference of two; and a layer's heads.

import { closest, el } from "../kit/dom.js";
import { difference } from "./run.js";
import { quoted } from "../kit/format.js";

/** @typedef {import("./run.js").ResidualRun} ResidualRun */

export class Bars {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.host = page.part("bars");
    this.host.addEventListener("click", (event) => {
      const node = closest(event, "[data-of]");
      if (node) page.choosePart(Number(node.dataset.of));
    });
    page.part("heads").addEventListener("click", (event) => {
      const node = closest(event, "[data-head]");
      if (node) page.chooseHead(Number(node.dataset.head));
    });
    const minus = page.part("minus", HTMLSelectElement);
    minus.addEventListener("change", () => page.against(minus.value === "" ? null : Number(minus.value)));
  }

  /** @param {ResidualRun} run */
  draw(run) {
    const { page } = this;
    const token = page.chosen;
    const one = token === null ? null : run.added(page.t, token);
    const other = page.minus === null ? null : run.added(page.t, page.minus);
    this.title(run);
    this.choices(run);
    if (!one || token === null) {
      this.host.replaceChildren();
      page.part("heads").replaceChildren();
      page.part("bars-sum").textContent = "";
      return;
    }
    const shares = difference(one, other);
    this.rows(run, shares.parts);
    this.heads(run, shares.heads);
    this.sum(run, shares);
  }

  /** @param {ResidualRun} run */
  title(run) {
    const { page } = this;
    const name = (/** @type {number} */ token) =>
      el("b", { class: "mx-serif" }, quoted(run.label(token).trim() || "␣"));
    const title = page.part("bars-title");
    if (page.chosen === null) title.textContent = "What each layer adds";
    else if (page.minus === null) title.replaceChildren("Added to the logit of ", name(page.chosen));
    else title.replaceChildren("Added: ", name(page.chosen), " rather than ", name(page.minus));
  }

  /** What the chosen token may be compared with.
   * @param {ResidualRun} run */
  choices(run) {
    const { page } = this;
    const minus = page.part("minus", HTMLSelectElement);
    const tokens = [...new Set([...run.meta.pins, ...run.followed(page.t)])].filter(
      (token) => token !== page.chosen && run.where(page.t, token),
    );
    const made = JSON.stringify([tokens, page.minus]);
    if (minus.dataset.made === made) return;
    minus.dataset.made = made;
    minus.replaceChildren(
      el("option", { value: "" }, "nothing"),
      ...tokens.map((token) =>
        el("option", { value: token, selected: token === page.minus }, run.label(token).trim() || "␣"),
      ),
    );
    if (page.minus === null) minus.value = "";
  }

  /** A row a layer: attention, MLP.
   * @param {ResidualRun} run
   * @param {number[]} parts */
  rows(run, parts) {
    const { page } = this;
    const most = Math.max(...parts.map(Math.abs)) || 1;
    const rows = [];
    for (let layer = run.layers - 1; layer >= 0; layer--) {
      const here = page.row === layer + 1;
      rows.push(
        el(
          "div",
          { class: `mx-adds${here ? " mx-adds-here" : ""}`, role: "row" },
          el("span", { class: "mx-adds-side", role: "rowheader" }, `L${layer + 1}`),
          this.bar(1 + 2 * layer, parts, most, `attention of layer ${layer + 1}`),
          this.bar(2 + 2 * layer, parts, most, `MLP of layer ${layer + 1}`),
        ),
      );
    }
    const embedding = el(
      "div",
      { class: "mx-adds", role: "row" },
      el("span", { class: "mx-adds-side", role: "rowheader" }, "emb"),
      this.bar(0, parts, most, "the embedding"),
      el("span", {}),
    );
    const head = el(
      "div",
      { class: "mx-adds mx-adds-head", role: "row" },
      el("span", {}),
      el("span", { role: "columnheader" }, "attention"),
      el("span", { role: "columnheader", "data-term": "MLP", tabindex: "0" }, "MLP"),
    );
    this.host.replaceChildren(head, ...rows, embedding);
  }

  /** @param {number} index
   * @param {number[]} parts
   * @param {number} most
   * @param {string} name */
  bar(index, parts, most, name) {
    const value = parts[index];
    const inner = el("i", { class: value < 0 ? "mx-less" : "mx-more" });
    const share = (50 * Math.abs(value)) / most;
    inner.style.width = `${share}%`;
    inner.style.left = value < 0 ? `${50 - share}%` : "50%";
    return el(
      "button",
      {
        type: "button",
        class: "mx-add",
        "data-of": index,
        "data-value": value,
        "aria-pressed": String(index === this.page.partAt),
        "aria-label": `${name} adds ${signed(value)}`,
      },
      el("span", { class: "mx-add-track" }, inner),
      el("span", { class: "mx-num" }, signed(value)),
    );
  }

  /** The heads of the layer whose part is chosen.
   * @param {ResidualRun} run
   * @param {number[]} heads */
  heads(run, heads) {
    const { page } = this;
    const layer = page.layer;
    const count = run.meta.model.n_heads;
    const own = heads.slice(layer * count, (layer + 1) * count);
    const most = Math.max(...heads.map(Math.abs)) || 1;
    const group = count / run.meta.model.n_kv_heads;
    page.part("heads-title").textContent = `attention of layer ${layer + 1} is the sum of its heads:`;
    page.part("heads").replaceChildren(
      ...own.map((value, head) => {
        const inner = el("i", { class: value < 0 ? "mx-less" : "mx-more" });
        inner.style.height = `${(50 * Math.abs(value)) / most}%`;
        inner.style.bottom = value < 0 ? "auto" : "50%";
        inner.style.top = value < 0 ? "50%" : "auto";
        const name = el("span", { class: "mx-head-name" }, String(head + 1));
        name.style.setProperty("--of", `var(--mx-group-${Math.floor(head / group) % 8})`);
        return el(
          "button",
          {
            type: "button",
            class: "mx-head-add",
            "data-head": head,
            "data-value": value,
            "aria-pressed": String(head === page.head),
            title: `head ${head + 1} adds ${signed(value)}`,
            "aria-label": `head ${head + 1} adds ${signed(value)}`,
          },
          el("span", { class: "mx-head-track" }, inner),
          name,
        );
      }),
    );
    const value = page.head >= 0 ? own[page.head] : undefined;
    if (value !== undefined)
      page.part("heads-title").textContent =
        `attention of layer ${layer + 1} is the sum of its heads; head ${page.head + 1}: ${signed(value)}`;
  }

  /** @param {ResidualRun} run
   * @param {{ sum: number, logit: number }} shares */
  sum(run, { sum, logit }) {
    const { page } = this;
    const facts = run.meta.lens;
    const what = page.minus === null ? "the model’s own logit" : "the difference of the model’s own logits";
    const off = Math.abs(sum - logit);
    page
      .part("bars-sum")
      .replaceChildren(
        "all bars together ",
        el("b", {}, sum.toFixed(4)),
        ` = ${what} ${logit.toFixed(4)}, off by ${small(off)}. `,
        facts ? `Largest miss of any token here: ${small(facts.error)} of the largest logit.` : "",
      );
    page.part("bars-sum").dataset.off = String(off);
  }
}

/** @param {number} value */
export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

/** A number near 0: its power of ten.
 * @param {number} value */
export const small = (value) => (value === 0 ? "0" : value.toExponential(0).replace("e-", "e−"));
