// Which query head reads which key/value head: a wire from each head of a layer to what it shares with its group.

import { closest, svg } from "../kit/dom.js";
import { plural } from "../kit/format.js";
import { size } from "./run.js";

/** @import SharedHeadsPage from "./page.js" */

const NUMBER = 2; // bytes of a float16
const [TOP, BOX] = [0.95, 5]; // of heads and boxes, in the picture's unit
const LEAST = 1.5; // a head that is narrower than this many units has no number of its own

export class WirePanel {
  /** @param {SharedHeadsPage} player */
  constructor(player) {
    this.player = player;
    this.host = player.part("wires");
    this.look = "";
    this.host.addEventListener("click", (event) => {
      const node = closest(event, "[data-head], [data-kv]");
      if (!node) return;
      if (node.dataset.head !== undefined) player.pickHead(Number(node.dataset.head));
      else player.pickKv(Number(node.dataset.kv));
    });
    this.host.addEventListener("pointerover", (event) => this.hover(closest(event, "[data-head], [data-kv]")));
    this.host.addEventListener("pointerleave", () => this.hover(null));
    player.watch.observe(this.host);
  }

  /** Bytes of keys and values that a key/value head of the layer keeps now. */
  bytes() {
    const { run, t, layer } = this.player;
    return 2 * run.inSight(t, layer).length * run.meta.beside.head_dim * NUMBER;
  }

  draw() {
    const { player } = this;
    const { run, t, layer, head, kv, unit, colour } = player;
    const { width } = player.size(this.host);
    const look = [run.id, t, layer, head, width, unit, player.root.dataset.theme].join();
    if (!width || look === this.look) return;
    this.look = look;
    const { n_heads: heads, n_kv_heads: kvHeads } = run.meta.model;
    const step = width / heads;
    const span = width / kvHeads;
    const high = 2.9 * unit;
    /** @param {number} one */
    const x = (one) => (one + 0.5) * step;
    /** @param {number} one */
    const middle = (one) => (one + 0.5) * span;
    const radius = Math.min(0.85 * unit, step * 0.42);
    const wide = Math.min(span - 6, 11 * unit);
    const nodes = [];
    for (let one = 0; one < heads; one++) {
      const to = run.kvOf(one);
      const [from, end] = [TOP * unit + radius, BOX * unit];
      const half = (from + end) / 2;
      nodes.push(
        svg("path", {
          class: `sh-wire${to === kv ? " sh-mine" : ""}${one === head ? " sh-chosen" : ""}`,
          d: `M${x(one)} ${from}C${x(one)} ${half} ${middle(to)} ${half} ${middle(to)} ${end}`,
          style: `stroke: ${one === head ? colour.query : colour.groups[to % colour.groups.length]}`,
        }),
      );
    }
    const every = step < LEAST * unit ? Math.ceil((LEAST * unit) / step) : 1;
    for (let one = 0; one < heads; one++) {
      const group = svg("g", { class: `sh-head${one === head ? " sh-chosen" : ""}`, "data-head": one });
      group.append(
        svg("rect", { x: x(one) - step / 2, y: 0, width: step, height: BOX * unit, class: "sh-hit" }),
        svg("circle", {
          cx: x(one),
          cy: TOP * unit,
          r: radius,
          style: `stroke: ${colour.groups[run.kvOf(one) % colour.groups.length]}`,
        }),
      );
      if (one % every === 0 || one === head)
        group.append(svg("text", { x: x(one), y: TOP * unit, class: "sh-number" }, String(one + 1)));
      nodes.push(group);
    }
    const keys = plural(run.inSight(t, layer).length, "key");
    for (let one = 0; one < kvHeads; one++) {
      const group = svg("g", { class: `sh-box${one === kv ? " sh-mine" : ""}`, "data-kv": one });
      const left = middle(one) - wide / 2;
      group.append(
        svg("rect", { x: left, y: BOX * unit, width: wide, height: high, rx: 6 }),
        svg("rect", {
          x: left,
          y: BOX * unit,
          width: wide,
          height: 4,
          class: "sh-tab",
          style: `fill: ${colour.groups[one % colour.groups.length]}`,
        }),
      );
      const name = wide > 6.5 * unit ? `KV head ${one + 1}` : wide > 1.6 * unit ? String(one + 1) : "";
      group.append(svg("text", { x: middle(one), y: (BOX + 1.05) * unit, class: "sh-name" }, name));
      if (wide > 7.5 * unit)
        group.append(
          svg("text", { x: middle(one), y: (BOX + 2.15) * unit, class: "sh-soft" }, `${keys}, ${size(this.bytes())}`),
        );
      nodes.push(group);
    }
    const height = BOX * unit + high + 2;
    const picture = svg("svg", { width, height, role: "img", "aria-label": this.words() }, ...nodes);
    this.host.replaceChildren(picture);
  }

  words() {
    const { run, layer } = this.player;
    const { n_heads: heads, n_kv_heads: kvHeads } = run.meta.model;
    const each = run.size > 1 ? `each read by ${run.size} neighbouring heads` : "each read by one head";
    return `Layer ${layer + 1}: ${plural(heads, "query head")} and ${plural(kvHeads, "key/value head")}, ${each}.`;
  }

  /** @param {HTMLElement | SVGElement | null} node */
  hover(node) {
    const { player } = this;
    if (!node || !player.run) {
      player.part("pop").hidden = true;
      return;
    }
    const { run, layer } = player;
    const mine = node.dataset.head === undefined;
    const kv = mine ? Number(node.dataset.kv) : run.kvOf(Number(node.dataset.head));
    const group = run.group(kv).map((one) => one + 1);
    const readers = group.length > 1 ? `heads ${group[0]} to ${group[group.length - 1]}` : `head ${group[0]} alone`;
    player.tell(
      mine ? `KV head ${kv + 1} of layer ${layer + 1}` : `head ${Number(node.dataset.head) + 1}`,
      mine
        ? [
            `One key and one value for each token in sight, read by ${readers}.`,
            `${size(this.bytes())} now: 2 × ${plural(run.inSight(player.t, layer).length, "key")} × ` +
              `${run.meta.beside.head_dim} numbers × ${NUMBER} bytes.`,
          ]
        : [
            group.length > 1
              ? `Asks with a query of its own. The answer comes from KV head ${kv + 1}, which ${readers} read.`
              : `Asks with a query of its own, and has key/value head ${kv + 1} to itself.`,
          ],
      node,
    );
  }
}
