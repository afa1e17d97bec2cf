// "Show me a disagreement": a key much looked at that does not matter, and one hardly looked at that does.

import { el } from "../kit/dom.js";
import { percent, quoted } from "../kit/format.js";

/** @import AttentionPage from "./page.js" */
/** @import { FindingDone, FindingRunning } from "./types.js" */

export class FindingPanel {
  /** @param {AttentionPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("finding");
    this.look = "";
  }

  draw() {
    const { player } = this;
    const { finding } = player;
    const chosen = player.chosen;
    const look = JSON.stringify([finding, chosen, player.run.id]);
    if (look === this.look) return;
    this.look = look;
    this.host.replaceChildren(...this.content());
  }

  content() {
    const { finding } = this.player;
    if (finding?.state === "idle") return this.idle("");
    if (finding?.state === "failed") return this.idle(finding.text);
    if (finding?.state === "running") return this.running(finding);
    if (finding?.state === "done") return this.done(finding);
    return [el("p", {}, finding?.text || "")];
  }

  /** @param {string} label @param {"find" | "cancel" | "reach"} name of what the picture says */
  button(label, name) {
    return el(
      "button",
      {
        type: "button",
        class: "mx-action",
        "data-find": name,
        onclick: () => this.player.trigger(name, { run: this.player.run.id, n: performance.now() }),
      },
      label,
    );
  }

  /** @param {string} text why the last search failed; may be empty */
  idle(text) {
    return [
      ...(text ? [el("p", { role: "alert" }, text)] : []),
      el(
        "p",
        {},
        "A large weight says where a head fetches values, not that the prediction needs them. ",
        "Take each key away and measure:",
      ),
      this.button("Show me a disagreement", "find"),
    ];
  }

  /** @param {FindingRunning} finding */
  running({ done, total, doing }) {
    const bar = el("i", {});
    bar.style.width = `${(100 * done) / Math.max(total, 1)}%`;
    return [
      el("p", {}, `${doing || "loading the model"} …`),
      el(
        "div",
        {
          class: "mx-meter",
          role: "progressbar",
          "aria-label": "Keys taken away",
          "aria-valuenow": done,
          "aria-valuemax": total,
        },
        bar,
      ),
      this.button("Cancel", "cancel"),
    ];
  }

  /** @param {FindingDone} finding */
  done(finding) {
    const { player } = this;
    if (!finding.edges.length) return [el("p", {}, finding.text), this.button("Look again", "find")];
    const { run } = player;
    const rows = finding.edges.map((edge) => {
      /** @param {number} position */
      const name = (position) => `${quoted(run.labels[position] ?? "…")} (${position})`;
      const on = player.chosen?.query === edge.query && player.chosen?.key === edge.key;
      return el(
        "button",
        {
          type: "button",
          class: "mx-edge",
          "data-edge": edge.kind,
          "aria-current": String(on),
          onclick: () => player.choose(edge),
        },
        el("b", {}, edge.kind === "watched" ? "much looked at, hardly matters" : "looked at less, but it matters"),
        el("br", {}),
        `${name(edge.query)} → ${name(edge.key)}: attention `,
        el("b", { class: "mx-attended" }, percent(edge.attention)),
        ", taken away: ",
        el("b", { class: "mx-matters" }, `${edge.kl < 0.001 ? edge.kl.toExponential(1) : edge.kl.toFixed(3)} nats`),
      );
    });
    return [
      ...rows,
      el("p", { class: "mx-soft" }, finding.text),
      ...(finding.reach ? [this.button("Follow the change", "reach")] : []),
      ...(finding.more ? [this.button("Look again", "find")] : []),
    ];
  }
}
