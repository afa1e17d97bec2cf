// The player's text and timeline, with what is different on this page.

import { TextPanel } from "../kit/text.js";
import { Timeline } from "../kit/timeline.js";

/** @import TokenPage from "./page.js" */

/** Underlined is what the word sees in this layer.
 * @extends {TextPanel<TokenPage>} */
export class SeenText extends TextPanel {
  /** @param {number} _distance @param {number} position */
  remoteness(_distance, position) {
    const { run, t, layer } = this.player;
    return run.sees(layer, t, position) ? 1 : 0;
  }

  drawBands() {}
}

/** The arrow keys walk along the boxes: words are reached by comma and full stop.
 * @extends {Timeline<TokenPage>} */
export class TokenTimeline extends Timeline {
  /** @param {KeyboardEvent} event */
  key(event) {
    const { player } = this;
    const step = event.key === "," ? -1 : event.key === "." ? 1 : 0;
    const origin = event.composedPath()[0];
    const typing = origin instanceof Element && origin.closest("input:not([type=range]), textarea, select");
    if (!step || typing || event.ctrlKey || event.metaKey || event.altKey || !player.run) return super.key(event);
    event.preventDefault();
    return player.go(player.t + step, { by: "hand" });
  }
}
