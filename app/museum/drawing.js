// What is read, right and wrong beside each other: keys, distances, turns, or who reads whom.

import { clamp } from "../kit/format.js";
import { labelFont } from "../kit/measure.js";
import { stretch } from "./run.js";

/**
 * @typedef {import("./run.js").MuseumRun} MuseumRun
 * @typedef {"right" | "wrong"} Side
 * @typedef {import("../kit/surface.js").Pen} Pen
 * @typedef {import("../kit/surface.js").Colours} Colours
 * @typedef {{ run: MuseumRun, side: Side, at: number, colour: Colours, unit: number }} Scene
 */

const LEAST = 1e-4; // of a share that is none
const CELL = 9; // css px of a cell at least

/** Draws one side.
 * @param {Pen} pen
 * @param {Scene} scene */
export function drawSide(pen, scene) {
  const { g, width, height } = pen;
  g.clearRect(0, 0, width, height);
  const kind = scene.run.meta.drawing;
  if (kind) DRAWINGS[kind](pen, scene);
}

/** The cell of the mask under a place in the canvas. @param {Pen} pen @param {Scene} scene @param {number} y */
export function queryAt({ width, height }, { run, at, unit }, y) {
  const { from, size, cell, top } = frame(run.count, at, width, height, unit);
  return clamp(from + Math.floor((y - top) / cell), from, from + size - 1);
}

/** @param {number} count @param {number} at @param {number} width @param {number} height @param {number} unit */
function frame(count, at, width, height, unit) {
  const side = Math.min(width - 1.6 * unit, height - 1.4 * unit);
  const { from, size } = stretch(count, at, Math.floor(side / CELL));
  return { from, size, cell: side / size, left: 1.6 * unit, top: 1.2 * unit };
}

/** Rows are the words that read, columns those that are read. @param {Pen} pen @param {Scene} scene */
function reads({ g, width, height }, { run, side, at, colour, unit }) {
  const { from, size, cell, left, top } = frame(run.count, at, width, height, unit);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [query, key] = [from + row, from + column];
      const read = run.share(side, query, key) > LEAST;
      const due = run.share("right", query, key) > LEAST;
      const [x, y] = [left + column * cell, top + row * cell];
      g.fillStyle = read ? (due ? colour.attention : colour.error) : colour.cell;
      g.fillRect(x, y, cell - 1, cell - 1);
      if (read && !due) cross(g, x, y, cell, colour.card);
      if (!read && due) dashed(g, x, y, cell, colour.error);
    }
  }
  g.strokeStyle = colour.query;
  g.lineWidth = 2;
  g.strokeRect(left - 1, top + (at - from) * cell - 1, size * cell + 1, cell + 1);
  g.fillStyle = colour.soft;
  g.font = labelFont(unit, colour.sans);
  g.textBaseline = "bottom";
  g.textAlign = "left";
  g.fillText(`read: ${from}–${from + size - 1}`, left, top - 2);
  g.save();
  g.translate(left - 4, top + size * cell);
  g.rotate(-Math.PI / 2);
  g.fillText("by which word", 0, 0);
  g.restore();
}

/**
 * @param {CanvasRenderingContext2D} g @param {number} x @param {number} y
 * @param {number} cell @param {string} colour
 */
function cross(g, x, y, cell, colour) {
  g.strokeStyle = colour;
  g.lineWidth = 1.5;
  g.beginPath();
  g.moveTo(x + 2, y + 2);
  g.lineTo(x + cell - 3, y + cell - 3);
  g.moveTo(x + cell - 3, y + 2);
  g.lineTo(x + 2, y + cell - 3);
  g.stroke();
}

/**
 * @param {CanvasRenderingContext2D} g @param {number} x @param {number} y
 * @param {number} cell @param {string} colour
 */
function dashed(g, x, y, cell, colour) {
  g.strokeStyle = colour;
  g.lineWidth = 1.5;
  g.setLineDash([2, 2]);
  g.strokeRect(x + 1, y + 1, cell - 3, cell - 3);
  g.setLineDash([]);
}

/** Slots in the order in which the last word meets them. @param {Pen} pen @param {Scene} scene */
function order({ g, width, height }, { run, side, colour, unit }) {
  const positions = [...(run.arrays[side === "right" ? "order_right" : "order_wrong"] ?? [])];
  const wide = 2.6 * unit;
  const columns = Math.max(1, Math.floor(width / wide));
  g.font = labelFont(unit, colour.sans);
  g.textAlign = "center";
  g.textBaseline = "middle";
  for (const [i, position] of positions.entries()) {
    const [x, y] = [(i % columns) * wide, 0.5 * unit + Math.floor(i / columns) * 2.4 * unit];
    if (y > height) break;
    g.fillStyle = colour.cell;
    g.fillRect(x + 1, y, wide - 3, 2 * unit);
    g.strokeStyle = position === run.count - 1 ? colour.query : colour.graphic;
    g.lineWidth = position === run.count - 1 ? 2 : 1;
    g.strokeRect(x + 1.5, y + 0.5, wide - 4, 2 * unit - 1);
    g.fillStyle = colour.ink;
    g.fillText(`${position}`, x + wide / 2, y + unit);
  }
}

/** How far back each key of the window seems to stand. @param {Pen} pen @param {Scene} scene */
function distance({ g, width, height }, { run, side, at, colour, unit }) {
  const reach = Math.min(run.meta.window ?? run.count, at + 1);
  const all = (/** @type {Side} */ of) => {
    const turned = run.arrays[of === "right" ? "turned_right" : "turned_wrong"];
    return turned ? Array.from({ length: reach }, (_, i) => turned[at] - turned[at - reach + 1 + i]) : [];
  };
  const both = [...all("right"), ...all("wrong"), 1];
  const [low, high] = [Math.min(0, ...both), Math.max(...both)];
  const [left, top, bottom] = [2.2 * unit, 0.6 * unit, height - 1.5 * unit];
  const wide = (width - left) / reach;
  const to = (/** @type {number} */ value) => bottom - ((value - low) / (high - low || 1)) * (bottom - top);
  for (const [i, back] of all(side).entries()) {
    g.fillStyle = side === "wrong" && Math.abs(back - all("right")[i]) > 0.01 ? colour.error : colour.attention;
    const y = to(back);
    g.fillRect(left + i * wide, Math.min(y, to(0)), Math.max(1, wide - 1), Math.max(2, Math.abs(y - to(0))));
  }
  g.fillStyle = colour.graphic;
  g.fillRect(left, to(0), width - left, 1);
  g.fillStyle = colour.soft;
  g.font = labelFont(unit, colour.sans);
  g.textBaseline = "middle";
  g.textAlign = "right";
  for (const value of new Set([low, 0, high])) g.fillText(`${Math.round(value)}`, left - 4, to(value));
  g.textBaseline = "bottom";
  g.textAlign = "left";
  g.fillText(`key ${at - reach + 1}`, left, height);
  g.textAlign = "right";
  g.fillText(`${at}`, width, height);
}

/** Each pair of numbers as a hand that the position turns. @param {Pen} pen @param {Scene} scene */
function dials({ g, width, height }, { run, side, at, colour, unit }) {
  const [pairs, angles] =
    side === "right"
      ? [run.arrays.pairs_right, run.arrays.angle_right]
      : [run.arrays.pairs_wrong, run.arrays.angle_wrong];
  const [duePairs, dueAngles] = [run.arrays.pairs_right, run.arrays.angle_right];
  if (!pairs || !angles || !duePairs || !dueAngles) return;
  const columns = Math.max(2, Math.floor(width / (4.6 * unit)));
  const rows = Math.max(1, Math.floor(height / (5.2 * unit)));
  const shown = Math.min(angles.length, columns * rows);
  g.font = labelFont(unit, colour.sans);
  g.textAlign = "center";
  g.textBaseline = "top";
  for (let i = 0; i < shown; i++) {
    const pair = Math.floor((i * angles.length) / shown);
    const [x, y] = [((i % columns) + 0.5) * (width / columns), (Math.floor(i / columns) + 0.42) * (height / rows)];
    const radius = 1.55 * unit;
    const label = `${pairs[2 * pair]}·${pairs[2 * pair + 1]}`;
    const other =
      label !== `${duePairs[2 * pair]}·${duePairs[2 * pair + 1]}` ||
      Math.abs(angles[pair] - dueAngles[pair]) > 1e-6 * Math.abs(dueAngles[pair]);
    const turn = angles[pair] * at;
    g.strokeStyle = colour.graphic;
    g.lineWidth = 1;
    g.beginPath();
    g.arc(x, y, radius, 0, 2 * Math.PI);
    g.stroke();
    g.strokeStyle = other ? colour.error : colour.attention;
    g.lineWidth = 2.5;
    g.setLineDash(other ? [4, 2] : []);
    g.beginPath();
    g.moveTo(x, y);
    g.lineTo(x + radius * Math.cos(turn), y - radius * Math.sin(turn));
    g.stroke();
    g.setLineDash([]);
    g.fillStyle = other ? colour.error : colour.soft;
    g.fillText(label, x, y + radius + 2);
  }
}

/** Query heads above, key heads below. @param {Pen} pen @param {Scene} scene */
function heads({ g, width, height }, { run, side, colour, unit }) {
  const { n_heads: queries, n_kv_heads: keys } = run.meta.model;
  const readers = run.arrays[side === "right" ? "reader_right" : "reader_wrong"];
  const due = run.arrays.reader_right;
  if (!readers || !due) return;
  const x = (/** @type {number} */ i, /** @type {number} */ of) => ((i + 0.5) * width) / of;
  const [top, bottom] = [2.2 * unit, height - 2.4 * unit];
  for (let head = 0; head < queries; head++) {
    const wrong = readers[head] !== due[head];
    g.strokeStyle = wrong ? colour.error : colour.attention;
    g.lineWidth = 2;
    g.setLineDash(wrong ? [5, 3] : []);
    g.beginPath();
    g.moveTo(x(head, queries), top);
    g.lineTo(x(readers[head], keys), bottom);
    g.stroke();
  }
  g.setLineDash([]);
  g.font = labelFont(unit, colour.sans);
  g.textAlign = "center";
  g.textBaseline = "middle";
  const box = (/** @type {number} */ at, /** @type {number} */ y, /** @type {string} */ label) => {
    g.fillStyle = colour.cell;
    g.fillRect(at - unit, y - 0.9 * unit, 2 * unit, 1.8 * unit);
    g.fillStyle = colour.ink;
    g.fillText(label, at, y);
  };
  for (let head = 0; head < queries; head++) box(x(head, queries), top - unit, `${head + 1}`);
  for (let key = 0; key < keys; key++) box(x(key, keys), bottom + unit, `K ${key + 1}`);
}

/** @type {Record<NonNullable<import("./types.js").MuseumHeader["drawing"]>, (pen: Pen, scene: Scene) => void>} */
const DRAWINGS = { reads, order, distance, dials, heads };
