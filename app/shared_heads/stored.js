// Bytes of the keys and values in sight, as they are stored and as they would be if they were repeated for each head.

import { el } from "../kit/dom.js";
import { grouped, plural } from "../kit/format.js";
import { size } from "./run.js";

/** @import SharedHeadsPage from "./page.js" */

const NUMBER = 2; // bytes of a float16
const OWN = "Each query head has a key/value head of its own: there is nothing to repeat.";
const SO =
  "as much. So they are stored once. mistral-inference and transformers repeat them for the time of a layer " +
  "(repeat_kv); here the queries of a group are stacked instead, and each stored number is read once for all of them.";

export class StoredPanel {
  /** @param {SharedHeadsPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("stored");
  }

  /** Bytes at the chosen token, over all layers: as they are stored, and repeated for each query head. */
  bytes() {
    const { run, t } = this.player;
    const { n_heads: heads, n_kv_heads: kvHeads } = run.meta.model;
    const one = 2 * run.keysRead(t) * run.meta.beside.head_dim * NUMBER;
    return { before: one * kvHeads, after: one * heads };
  }

  draw() {
    const { run, t } = this.player;
    const { n_heads: heads, n_kv_heads: kvHeads, n_layers: layers } = run.meta.model;
    const { before, after } = this.bytes();
    const bar = (/** @type {string} */ name, /** @type {string} */ look, /** @type {number} */ bytes) => {
      const node = el("i", { class: look });
      node.style.width = `${(100 * bytes) / after}%`;
      return el(
        "div",
        { class: "sh-bytes", "data-bytes": bytes },
        el("span", {}, name),
        el("span", { class: "mx-bar-track" }, node),
        el("b", {}, size(bytes)),
      );
    };
    const keys = run.keysRead(t);
    const formula = (/** @type {number} */ count) =>
      `2 × ${grouped(keys)} × ${count} × ${run.meta.beside.head_dim} × ${NUMBER}`;
    const times = heads / kvHeads;
    this.host.replaceChildren(
      bar("stored before repeating", "sh-fill", before),
      bar("stored after repeating", "mx-outline", after),
      el("p", {}, times > 1 ? `Repeated for each query head before being stored, they take ${times} times ${SO}` : OWN),
      el(
        "p",
        { class: "mx-note" },
        `Key and value × ${plural(keys, "key")} in sight in ${plural(layers, "layer")} × key/value heads × `,
        `head width × bytes of a float16: ${formula(kvHeads)} = ${grouped(before)} bytes are kept and read in a step; `,
        `${formula(heads)} = ${grouped(after)} if each query head had its own.`,
      ),
    );
  }
}
