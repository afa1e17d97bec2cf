// The timeline, whose arrow keys walk along the boxes here: words are reached by comma and full stop.

import { Timeline } from "../kit/timeline.js";

/** @import TokenPage from "./page.js" */

/** @extends {Timeline<TokenPage>} */
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
