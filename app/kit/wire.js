// The bytes of a payload, as app/wire.py packs them.

/** @typedef {import("./types.js").ArraySpec} ArraySpec */
/** @typedef {Float32Array | Uint16Array | Int32Array | Uint8Array} Numbers */
/** @typedef {{ picture: string, arrays: Record<string, ArraySpec> }} PictureHeader  of any picture */
/**
 * What a picture takes: see `types.js` beside each for its headers and arrays.
 *
 * @template [Header=unknown]
 * @template [Arrays=unknown]
 * @typedef {{ header: Header, arrays: Arrays, bytes: number }} Payload  with its size
 */

const TYPES = { "<f4": Float32Array, "<u2": Uint16Array, "<i4": Int32Array, "|u1": Uint8Array, "<u1": Uint8Array };

/**
 * Header and arrays of a payload, and its size; arrays are copied, which also aligns them.
 *
 * @param {Uint8Array} bytes
 * @returns {Payload<PictureHeader, Record<string, Numbers>> & { bytes: number }}
 */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  /** @type {PictureHeader} */
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  /** @type {Record<string, Numbers>} */
  const arrays = {};
  for (const [name, { dtype, shape, offset }] of Object.entries(header.arrays)) {
    const Type = TYPES[/** @type {keyof typeof TYPES} */ (dtype)]; // app/wire.py packs no other
    const count = shape.reduce((a, b) => a * b, 1);
    const from = 4 + length + offset;
    arrays[name] = new Type(bytes.slice(from, from + count * Type.BYTES_PER_ELEMENT).buffer);
  }
  return { header, arrays, bytes: bytes.length };
}
