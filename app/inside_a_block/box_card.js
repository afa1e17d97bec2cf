// One box large: its numbers in order or sorted, with a scale, what they are on the whole, and the one pointed at.

import { boxOf, BY_KEY, inWords, written } from "./boxes.js";
import { csv, save } from "../kit/csv.js";
import { el, penOf, segmented } from "../kit/dom.js";
import { clamp, grouped, plural, quoted, shorten } from "../kit/format.js";
import { layOut, paint, statistics, tint } from "./strip.js";
import { onCells } from "../kit/cells.js";

/** @import TokenPage from "./page.js" */
/** @import { Numbers } from "./run.js" */
/** @typedef {"order" | "sorted"} Way */

/** @type {[Way, string][]} */
const WAYS = [
  ["order", "in order"],
  ["sorted", "sorted"],
];

export class BoxCard {
  /** @param {TokenPage} player */
  constructor(player) {
    this.player = player;
    /** @type {Way} */
    this.way = "order";
    this.canvas = player.part("numbers", HTMLCanvasElement);
    /** @type {number[]} indices by size, of what is shown */
    this.order = [];
    onCells(this.canvas, {
      at: (event) => this.indexAt(event),
      hover: (event) => this.hover(event),
      leave: () => {
        player.part("pop").hidden = true;
      },
      go: (index) => player.pickCell(this.cellOf(index)),
    });
  }

  /** @returns {Numbers | null} */
  get numbers() {
    const { run, t, layer, box } = this.player;
    return run.numbers(t, layer, box);
  }

  draw() {
    const { player, numbers } = this;
    const { box, run } = player;
    const kind = boxOf(box);
    const { provenance } = run.meta;
    player
      .part("box-title")
      .replaceChildren(el("b", {}, kind.title), numbers ? `: ${inWords(box, numbers.shape)}` : "");
    player.part("box-badge").textContent =
      box === "mask" ? "theory" : provenance === "recorded" && !player.read ? "recorded" : "model";
    player.part("box-say").textContent = kind.say;
    player.part("box-formula").textContent = kind.formula;
    player.part("box-hook").textContent = `in the code: ${kind.hook}`;
    const hidden = !numbers;
    for (const name of ["numbers-frame", "scale", "box-statistics", "way"]) player.part(name).hidden = hidden;
    player.button("save-box").hidden = hidden;
    player.part("box-none").hidden = !hidden || box === "logits";
    player.part("box-none").textContent = player.why(box);
    if (!numbers) return;
    segmented(player.part("way"), WAYS, this.way, (way) => {
      this.way = way;
      this.draw();
    });
    const facts = statistics(numbers.data);
    this.drawNumbers(numbers, facts.top);
    this.drawScale(facts.top);
    player.part("box-statistics").textContent = this.factsInWords(facts, numbers);
  }

  /**
   * @param {ReturnType<typeof statistics>} facts
   * @param {Numbers} numbers
   */
  factsInWords(facts, numbers) {
    if (this.player.box === "mask") {
      const seen = numbers.data.reduce((sum, one) => sum + one, 0);
      return `${plural(seen, "key")} seen of ${grouped(this.player.t + 1)} up to this word`;
    }
    const hidden = numbers.data.length - facts.count;
    return [
      `smallest ${written(facts.least)}`,
      `largest ${written(facts.most)}`,
      `mean ${written(facts.mean)}`,
      `standard deviation ${written(facts.deviation)}`,
      `length ${written(facts.length)}`,
      ...(hidden ? [`${hidden} minus infinity`] : []),
    ].join(" · ");
  }

  /** @param {Numbers} numbers @param {number} top */
  drawNumbers(numbers, top) {
    const { canvas, player } = this;
    const { colour, box } = player;
    const [rows, columns] = layOut(numbers.shape, 64);
    canvas.style.aspectRatio = "";
    player.part("numbers-frame").style.height = this.way === "sorted" ? "9rem" : `${clamp(rows * 0.95, 2.2, 13)}rem`;
    canvas.classList.toggle("inside-pixels", this.way === "order");
    const [chosen] = this.indices(player.cell);
    const marker = player.part("marker");
    marker.hidden = this.way !== "order" || chosen === undefined;
    if (this.way === "order") {
      paint(canvas, box, numbers, colour, [rows, columns], top);
      if (chosen !== undefined)
        Object.assign(marker.style, {
          left: `${(100 * (chosen % columns)) / columns}%`,
          top: `${(100 * Math.floor(chosen / columns)) / rows}%`,
          width: `${100 / columns}%`,
          height: `${100 / rows}%`,
        });
    } else this.drawSorted(numbers, top);
    canvas.setAttribute("aria-label", `${inWords(box, numbers.shape)}, largest ${written(top)}`);
  }

  /** Bars from the smallest to the largest number.
   * @param {Numbers} numbers @param {number} top */
  drawSorted({ data }, top) {
    const { canvas, player } = this;
    this.order = Array.from(data.keys()).sort((a, b) => data[a] - data[b]);
    Object.assign(canvas, { width: Math.max(data.length, 256), height: 128 });
    const g = penOf(canvas);
    g.clearRect(0, 0, canvas.width, canvas.height);
    const least = Math.min(0, ...data.filter(Number.isFinite));
    const most = Math.max(0, ...data.filter(Number.isFinite));
    const y = (/** @type {number} */ value) => 124 - (122 * (value - least)) / (most - least || 1);
    const wide = canvas.width / data.length;
    this.order.forEach((index, place) => {
      const value = Number.isFinite(data[index]) ? data[index] : least;
      g.fillStyle = tint(player.box, data[index], top * 0.6, player.colour);
      g.fillRect(place * wide, Math.min(y(value), y(0)), Math.max(wide, 1), Math.max(Math.abs(y(value) - y(0)), 1));
    });
    g.fillStyle = player.colour.graphic;
    g.fillRect(0, y(0), canvas.width, 1);
  }

  /** What is bright: the colours from the smallest to the largest number.
   * @param {number} top */
  drawScale(top) {
    const { player } = this;
    const { box, colour } = player;
    const shares = box === "pattern" || box === "mask";
    const canvas = player.part("scale-colours", HTMLCanvasElement);
    Object.assign(canvas, { width: 65, height: 1 });
    const g = penOf(canvas);
    for (let i = 0; i < 65; i++) {
      g.fillStyle = tint(box, shares ? i / 64 : ((i - 32) / 32) * top, top, colour);
      g.fillRect(i, 0, 1, 1);
    }
    const ends =
      box === "mask" ? ["masked", "", "seen"] : shares ? ["0", "", "1"] : [`−${written(top)}`, "0", written(top)];
    ["scale-least", "scale-middle", "scale-most"].forEach((name, i) => {
      player.part(name).textContent = ends[i];
    });
  }

  /** Which number lies under the pointer; null = none.
   * @param {PointerEvent} event */
  indexAt(event) {
    const { numbers } = this;
    if (!numbers) return null;
    const frame = this.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
    if (x < 0 || x >= 1 || y < 0 || y >= 1) return null;
    if (this.way === "sorted") return this.order[Math.floor(x * this.order.length)] ?? null;
    const [rows, columns] = layOut(numbers.shape, 64);
    const index = Math.floor(y * rows) * columns + Math.floor(x * columns);
    return index < numbers.data.length ? index : null;
  }

  /** Its address: feature, head and feature, or head and position of the key.
   * @param {number} index */
  cellOf(index) {
    const { run, t, layer, box } = this.player;
    const { shape } = this.numbers ?? { shape: [1] };
    if (box === "mask") return [run.maskFrom(t, layer) + index];
    if (shape.length === 1) return [index];
    const [row, column] = [Math.floor(index / shape[1]), index % shape[1]];
    return BY_KEY.has(box) ? [row, run.tokens.get(t)?.seen.get(layer)?.[column] ?? 0] : [row, column];
  }

  /** Where a cell stands; empty = nowhere.
   * @param {number[] | null} cell */
  indices(cell) {
    const { run, t, layer, box } = this.player;
    const { shape } = this.numbers ?? { shape: [1] };
    if (!cell?.length) return [];
    if (box === "mask") return cell[0] >= run.maskFrom(t, layer) ? [cell[0] - run.maskFrom(t, layer)] : [];
    if (shape.length === 1) return [cell[0]];
    const column = BY_KEY.has(box) ? (run.tokens.get(t)?.seen.get(layer)?.indexOf(cell[1]) ?? -1) : cell[1];
    return column < 0 ? [] : [cell[0] * shape[1] + column];
  }

  /** @param {PointerEvent} event */
  hover(event) {
    const { player, numbers } = this;
    const index = this.indexAt(event);
    if (index === null || !numbers) {
      player.part("pop").hidden = true;
      return;
    }
    const value = numbers.data[index];
    const title = el(
      "p",
      { class: "mx-pop-title" },
      el("b", {}, this.valueInWords(value)),
      player.nameOf(this.cellOf(index)),
    );
    const stored = player.read ? "Stored by" : "Kept by the run from";
    const where = `${stored} ${boxOf(player.box).hook}, layer ${player.layer + 1}, position ${player.t}.`;
    const lines = [`Made of ${boxOf(player.box).from}.`, where, "Click: the sum that it is."];
    player.explain([title, ...lines.map((line) => el("p", {}, line))], null, { x: event.clientX, y: event.clientY });
  }

  save() {
    const { player } = this;
    const table = this.table();
    if (!table) return;
    const rows = table.rows.map((row) => row.map((cell) => (cell === -Infinity ? "-inf" : cell)));
    save(`${player.run.id}-${player.t}-layer-${player.layer + 1}-${player.box}.csv`, csv(table.names, rows));
  }

  /** Every number of the box with its address.
   * @returns {import("../kit/numbers.js").Numbers | null} */
  table() {
    const { player, numbers } = this;
    if (!numbers) return null;
    const names = numbers.shape.length === 1 ? ["number"] : ["head", BY_KEY.has(player.box) ? "key" : "number"];
    return {
      title: `${boxOf(player.box).title}, layer ${player.layer + 1}, position ${player.t}`,
      names: [...(player.box === "mask" ? ["key"] : names), "value"],
      rows: Array.from(numbers.data, (value, index) => [...this.cellOf(index), value]),
    };
  }

  /** @param {number} value */
  valueInWords(value) {
    return this.player.box === "mask" ? (value ? "seen" : "masked") : written(value);
  }
}

/**
 * A key by its word.
 *
 * @param {{ labels: string[] }} run
 * @param {number} position
 */
export const keyWord = (run, position) =>
  `${quoted(shorten((run.labels[position] ?? "").trim() || "␣", 12))} at ${position}`;
