// The state grid of the first minute: while the text is short it is drawn large, and it can show the corridor: how
// much of the measured change passes through every state, lit row by row.

import { GridPanel } from "../kit/grid.js";
import { blend } from "../kit/colour.js";

const NEAR_COLUMNS = 40;

export class StartGrid extends GridPanel {
  expected() {
    return Math.min(super.expected(), Math.max(NEAR_COLUMNS, this.player.t + 8));
  }

  /** Share of a row's change that passes through one state: conductance over the row's sum of absolute values. */
  share(row, position) {
    const through = this.player.story.through[row];
    const sum = through.reduce((total, value) => total + Math.abs(value), 0);
    return sum ? Math.abs(through[position] ?? 0) / sum : 0;
  }

  drawReads(g, box, row, y, high) {
    const { player } = this;
    if (player.card.stage !== "path") return super.drawReads(g, box, row, y, high);
    this.drawShares(g, box, row, y, high);
  }

  drawShares(g, box, row, y, high) {
    const { story, colour, card } = this.player;
    if (row > card.hop) return;
    for (let position = story.position; position <= story.target; position++) {
      const share = this.share(row, position);
      if (share < 0.002) continue;
      g.fillStyle = blend(colour.card, colour.influence, 0.12 + 0.88 * Math.sqrt(share));
      g.fillRect(box.x(position), y, Math.max(1, box.wide - 0.5), high);
    }
  }

  draw() {
    super.draw();
    const { player, box } = this;
    const { story, colour, card } = player;
    if (!story || !box || card.stage !== "path") return;
    const { g } = player.pen(this.canvas);
    const high = box.row - Math.min(0.16 * player.unit, box.row * 0.14);
    for (let row = 0; row <= card.hop; row++) {
      // over the column of the query, which is drawn last
      const share = this.share(row, story.target);
      g.fillStyle = blend(colour.card, colour.influence, share < 0.002 ? 0 : 0.12 + 0.88 * Math.sqrt(share));
      g.fillRect(box.x(story.target), box.y(row), Math.max(3, box.wide), high);
    }
    g.strokeStyle = colour.influence;
    g.lineWidth = Math.max(2, 0.14 * player.unit);
    for (let row = 0; row <= card.hop; row++) {
      // the state that carries most of it, so that it is not colour alone
      const at = this.strongest(row);
      g.strokeRect(box.x(at) + 1, box.y(row) + 1, Math.max(3, box.wide - 2.5), high - 2);
    }
  }

  /** The position that carries most of the change after `row` layers. */
  strongest(row) {
    const { story } = this.player;
    let best = story.position;
    for (let p = story.position; p <= story.target; p++) if (this.share(row, p) > this.share(row, best)) best = p;
    return best;
  }

  /** The states that carry most after `row` layers: `[position, share]`, largest first. */
  carriers(row, count = 3) {
    const { story } = this.player;
    const all = Array.from({ length: story.target - story.position + 1 }, (_, i) => [
      story.position + i,
      this.share(row, story.position + i),
    ]);
    return all
      .sort((a, b) => b[1] - a[1])
      .slice(0, count)
      .filter(([, share]) => share >= 0.05);
  }
}
