// The player's text, ring and timeline, with what is different on this page.

import { RingPanel } from "../kit/ring.js";
import { TextPanel } from "../kit/text.js";
import { Timeline } from "../kit/timeline.js";
import { tokenNote } from "../kit/bytes.js";
import { closest, el } from "../kit/dom.js";
import { plural } from "../kit/format.js";

/** @import RingPage from "./page.js" */
/** @import { Cell } from "../kit/playhead.js" */

/** @extends {TextPanel<RingPage>} */
export class AskableText extends TextPanel {
  /** @param {RingPage} player */
  constructor(player) {
    super(player);
    this.wasMarked = -1;
    this.host.addEventListener(
      "click",
      (event) => {
        const position = this.positionOf(event);
        if (player.clickMode !== "ask" || position === null) return;
        event.stopPropagation(); // a click asks about the word and leaves the step where it is
        player.mark(position);
      },
      true,
    );
  }

  /** On this page a word is in the rings (1), in some of them (half) or has left all of them (-1).
   * @param {number} distance @param {number} position */
  remoteness(distance, position) {
    const { run } = this.player;
    if (position < run.sinks) return 1;
    if (distance >= run.largest) return -1;
    return distance < run.smallest ? 1 : Math.ceil(run.layers / 2);
  }

  draw() {
    super.draw();
    const marked = this.player.marked();
    if (this.wasMarked !== marked) this.spans.get(this.wasMarked)?.node.removeAttribute("data-marked");
    this.spans.get(marked)?.node.setAttribute("data-marked", "");
    this.wasMarked = marked;
  }

  drawBands() {}
}

/** @extends {RingPanel<RingPage>} */
export class OpenableRing extends RingPanel {
  /** @param {RingPage} player */
  constructor(player) {
    super(player);
    this.host.addEventListener(
      "click",
      (event) => {
        const slot = closest(event, "[data-p]");
        event.stopPropagation(); // here a click opens the slot; in the player it goes to the position
        if (slot) player.pickSlot(player.run.slot(Number(slot.dataset.p), player.slots()));
      },
      true,
    );
  }

  draw() {
    super.draw();
    const { player } = this;
    const chosen = player.held();
    for (const group of this.host.querySelectorAll("[data-p]"))
      group.classList.toggle("ring-open", Number(group.getAttribute("data-p")) === chosen);
  }
}

/** @extends {Timeline<RingPage>} */
export class HeldTimeline extends Timeline {
  /** The track shows which part of the text lies in the rings.
   * @param {number} last */
  drawMap(last) {
    const { run, t, colour } = this.player;
    const track = this.drawTrack(last);
    if (!track) return;
    const { g, x, height } = track;
    for (const window of new Set(run.windows)) {
      g.fillStyle = window === run.smallest ? colour.ink : colour.graphic;
      const from = Number.isFinite(window) ? x(t - window + 1) : 0;
      g.fillRect(from, 0, Math.max(2, x(t) - from), height);
      if (run.sinks && Number.isFinite(window)) g.fillRect(0, 0, Math.max(2, x(Math.min(run.sinks, t))), height);
    }
  }
}

/** What is known of one word on this page: where it lies, and since when it does not.
 * @param {RingPage} player @param {number} position @param {Element | null} node @param {Cell | null} cell */
export function showWordOrSlot(player, position, node, cell) {
  const { run, t } = player;
  const lines = [...(cell?.lines ?? [])];
  if (!cell) {
    lines.push(
      position > t ? "not read yet at this step" : position === t ? "read at this step" : `${t - position} back`,
    );
    const gone = run.leaves(position, run.largest);
    if (position < run.sinks) lines.push("one of the first tokens, which every ring keeps");
    else if (position <= t && Number.isFinite(run.largest)) {
      lines.push(
        t >= gone
          ? `left all ${plural(run.layers, "ring")} when position ${gone} was written`
          : `its slots will be overwritten by position ${gone}`,
      );
    }
  }
  const note = tokenNote(run, position);
  if (note) lines.push(note);
  const title = el(
    "p",
    { class: "mx-pop-title" },
    el("b", { class: "mx-serif" }, run.labels[position] ?? ""),
    cell?.title ?? `position ${position}`,
  );
  player.explain([title, ...lines.map((line) => el("p", {}, line))], node, cell);
}
