// The text: words whose keys the chosen layer keeps are underlined, what has left it is struck through.

import { TextPanel } from "../kit/text.js";

/** @import SharedHeadsPage from "./page.js" */

/** @extends {TextPanel<SharedHeadsPage>} */
export class SightText extends TextPanel {
  /** @param {number} distance @param {number} position */
  remoteness(distance, position) {
    const { run, t, layer } = this.player;
    return run.sees(layer, t, position) ? Math.min(distance, 1) : -1;
  }

  drawBands() {}
}
