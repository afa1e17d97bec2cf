// Payloads of small runs, and what Python says, for the tests beside.

import { execFileSync } from "node:child_process";

/** @typedef {import("../../app/kit/run.js").RunPayload} RunPayload */

/**
 * The number that names the tokens before a position, as the payloads carry it.
 *
 * @param {number[]} ids
 */
export function hashOf(ids) {
  let hash = 0n;
  for (const id of ids) hash = (hash * 31n + BigInt(id) + 1n) % 2n ** 32n;
  return Number(hash);
}

/**
 * The tokens `[from, to)` of a text, whose pieces are named after their ids.
 *
 * @param {number[]} ids  of the whole text
 * @param {{ from?: number, to?: number, windows?: (number | null)[], heads?: number, width?: number,
 *   weight?: (t: number, layer: number, head: number, offset: number) => number }} options
 * @returns {RunPayload}
 */
export function payloadOf(ids, { from = 0, to = ids.length, windows = [4, 4], heads = 2, width = 0, weight } = {}) {
  const part = ids.slice(from, to);
  const pattern = width ? new Uint16Array(part.length * windows.length * heads * width) : undefined;
  pattern?.forEach((_, i) => {
    const offset = i % width;
    const head = Math.floor(i / width) % heads;
    const layer = Math.floor(i / (width * heads)) % windows.length;
    const t = from + Math.floor(i / (width * heads * windows.length));
    pattern[i] = Math.round((weight?.(t, layer, head, offset) ?? 0) * 65535);
  });
  return {
    header: {
      picture: "ring",
      run: "a run",
      mode: "desk",
      from,
      to,
      prefix: hashOf(ids.slice(0, from)),
      total: ids.length,
      status: "done",
      message: "",
      provenance: "model",
      n_prompt: 2,
      model: { name: "small", n_layers: windows.length, n_heads: heads, n_kv_heads: 1, windows, sinks: 0, vocab: 300 },
      settings: {},
      tokens_per_second: null,
      at: null,
      pattern: width ? { heads, width, mean: false, missing: [] } : null,
      note: "",
      tokens: part.map((id) => [` t${id}`, `t${id}`, id]),
      arrays: {},
    },
    arrays: {
      probability: Float32Array.from(part, (id) => id / 1000),
      rank: Int32Array.from(part, (id) => id % 7),
      entropy: Float32Array.from(part, (id) => id / 100),
      ...(pattern && { pattern }),
    },
    bytes: 0,
  };
}

/**
 * What a Python program of this project writes.
 *
 * @param {string} program
 */
export function python(program) {
  return execFileSync(process.env.PYTHON ?? ".venv/bin/python", ["-c", program]);
}
