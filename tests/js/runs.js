// Payloads as Python sends them, made small.

/** @import { RunArrays, RunHeader } from "../../app/kit/types.js" */

/** A weight that says where it is from, as 16 bits; 0 where there is no key.
 * @param {number} query @param {number} layer @param {number} head @param {number} offset */
export const level = (query, layer, head, offset) =>
  offset > query ? 0 : 1 + ((query * 7919 + layer * 1543 + head * 389 + offset * 97) % 20000);

/** `count` tokens of a model with these windows.
 * @param {"attention" | "ring"} picture
 * @param {{ count: number, windows: (number | null)[], heads: number, kvHeads: number }} shape
 * @returns {{ header: RunHeader, arrays: RunArrays }} */
export function payload(picture, { count, windows, heads, kvHeads }) {
  const width = Math.max(...windows.map((window) => window ?? count));
  const layers = windows.length;
  const pattern = new Uint16Array(count * layers * heads * width);
  for (let query = 0, i = 0; query < count; query++)
    for (let layer = 0; layer < layers; layer++)
      for (let head = 0; head < heads; head++)
        for (let offset = 0; offset < width; offset++) {
          pattern[i++] = offset < (windows[layer] ?? count) ? level(query, layer, head, offset) : 0;
        }
  return {
    header: {
      from: 0,
      to: count,
      picture,
      run: "r",
      mode: "desk",
      prefix: 0,
      total: count,
      status: "done",
      message: "",
      provenance: "model",
      n_prompt: 2,
      model: { name: "tiny", n_layers: layers, n_heads: heads, n_kv_heads: kvHeads, windows, vocab: 100 },
      settings: {},
      tokens_per_second: null,
      at: null,
      pattern: { heads, width, mean: false },
      note: "",
      tokens: Array.from({ length: count }, (_, i) => [` w${i}`, `w${i}`, i]),
      arrays: {},
    },
    arrays: {
      probability: new Float32Array(count).fill(NaN),
      rank: new Int32Array(count).fill(-1),
      entropy: new Float32Array(count).fill(NaN),
      pattern,
    },
  };
}
