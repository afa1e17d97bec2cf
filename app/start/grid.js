// The state grid of the first minute: while the text is short it is drawn large, and it can show the corridor: how
// much of the measured change passes through every state, lit row by row.

import { blend } from "../kit/colour.js";
import { GridPanel } from "../kit/grid.js";
import { share, strongest } from "./corridor.js";

/** @typedef {import("../kit/grid.js").Layout} Layout */

const NEAR_COLUMNS = 40;

/** @extends {GridPanel<import("./page.js").default>} */
export class StartGrid extends GridPanel {
  expected() {
    return Math.min(super.expected(), Math.max(NEAR_COLUMNS, this.player.t + 8));
  }

  /** The story and how far its path is followed; null while no path is. */
  followed() {
    const { story, card } = this.player;
    return story && card.stage === "path" ? { story, hop: card.hop } : null;
  }

  /**
   * @param {CanvasRenderingContext2D} g
   * @param {Layout} box
   * @param {number} row
   * @param {number} y
   * @param {number} high
   */
  drawReads(g, box, row, y, high) {
    const path = this.followed();
    if (!path) return super.drawReads(g, box, row, y, high);
    const { story, hop } = path;
    if (row > hop) return;
    for (let position = story.position; position <= story.target; position++) {
      const part = share(story, row, position);
      if (part < 0.002) continue;
      g.fillStyle = this.fill(part);
      g.fillRect(box.x(position), y, Math.max(1, box.wide - 0.5), high);
    }
  }

  /** @param {number} part  share of a row's change */
  fill(part) {
    const { colour } = this.player;
    return blend(colour.card, colour.influence, 0.12 + 0.88 * Math.sqrt(part));
  }

  draw() {
    super.draw();
    const { player, box } = this;
    const path = this.followed();
    if (!path || !box) return;
    const { colour } = player;
    const { story, hop } = path;
    const pen = player.pen(this.canvas);
    if (!pen) return;
    const { g } = pen;
    const high = box.row - Math.min(0.16 * player.unit, box.row * 0.14);
    for (let row = 0; row <= hop; row++) {
      // over the column of the query, which is drawn last
      const part = share(story, row, story.target);
      g.fillStyle = part < 0.002 ? blend(colour.card, colour.influence, 0) : this.fill(part);
      g.fillRect(box.x(story.target), box.y(row), Math.max(3, box.wide), high);
    }
    g.strokeStyle = colour.influence;
    g.lineWidth = Math.max(2, 0.14 * player.unit);
    for (let row = 0; row <= hop; row++) {
      // the state that carries most of it, so that it is not colour alone
      const at = strongest(story, row);
      g.strokeRect(box.x(at) + 1, box.y(row) + 1, Math.max(3, box.wide - 2.5), high - 2);
    }
  }
}
