// What is changed: each change as a chip that takes it back, the distance limit, and a whole attention.

import { el, segmented } from "../kit/dom.js";
import { limited, said, toggled } from "./changes.js";

/** @type {["one" | "several", string][]} */
const SEVERAL = [
  ["one", "one"],
  ["several", "several"],
];
/** @type {[import("./types.js").ChoiceHeader["level"], string][]} */
const LEVELS = [
  ["zero", "zero"],
  ["mean", "its mean"],
];

export class Choosing {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.near = page.part("near", HTMLInputElement);
    this.attention = page.part("attention", HTMLSelectElement);
    this.drawn = "";
    this.near.addEventListener("change", () => {
      const value = this.near.value.trim();
      const distance = value === "" ? null : Math.max(0, Math.floor(Number(value)));
      page.ask({
        changes: limited(page.choice.changes ?? [], Number.isNaN(distance) ? null : distance, page.manner.several),
      });
    });
    this.attention.addEventListener("change", () => {
      if (this.attention.value) page.toggle(`attention:${this.attention.value}`);
    });
  }

  /** @param {import("./run.js").BreakRun} run */
  draw(run) {
    const { page } = this;
    const changes = page.choice.changes ?? [];
    const shape = JSON.stringify([run.id, run.layers, changes, run.meta.chosen_for, page.fresh]);
    segmented(page.part("several"), SEVERAL, page.manner.several ? "several" : "one", (value) => {
      page.manner.several = value === "several";
      page.draw();
    });
    segmented(page.part("level"), LEVELS, page.choice.level, (level) => page.ask({ level }));
    if (this.drawn === shape) return;
    this.drawn = shape;
    const chips = changes.map((change) =>
      el(
        "button",
        {
          type: "button",
          class: "mx-chip",
          "data-taken": change,
          title: "take it back",
          onclick: () => page.ask({ changes: toggled(changes, change, true) }),
        },
        `${said(change, run.labels, run.texts)} ✕`,
      ),
    );
    const note = run.meta.chosen_for && page.fresh ? "chosen for you: the head that helps most" : "";
    const nothing = page.choice.changes === null ? "…" : "nothing";
    page
      .part("changes")
      .replaceChildren(
        ...(chips.length ? chips : [el("span", { class: "mx-note" }, nothing)]),
        ...(chips.length && note ? [el("span", { class: "mx-note" }, note)] : []),
      );
    const limit = changes.find((change) => change.startsWith("near:"));
    if (page.active() !== this.near) this.near.value = limit ? limit.slice(5) : "";
    const layer = changes.find((change) => change.startsWith("attention:"))?.slice(10) ?? "";
    this.attention.replaceChildren(
      el("option", { value: "" }, "of no layer"),
      ...Array.from({ length: run.layers }, (_, i) => el("option", { value: i + 1 }, `of layer ${i + 1}`)),
    );
    this.attention.value = layer;
  }
}
