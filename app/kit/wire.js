// The bytes of a payload, as app/wire.py packs them.

/** Header and arrays of a payload, and its size; arrays are copied, which also aligns them. */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const types = { "<f4": Float32Array, "<u2": Uint16Array, "<i4": Int32Array, "|u1": Uint8Array, "<u1": Uint8Array };
  const arrays = {};
  for (const [name, { dtype, shape, offset }] of Object.entries(header.arrays)) {
    const Type = types[dtype];
    const count = shape.reduce((a, b) => a * b, 1);
    const from = 4 + length + offset;
    arrays[name] = new Type(bytes.slice(from, from + count * Type.BYTES_PER_ELEMENT).buffer);
  }
  return { header, arrays, bytes: bytes.length };
}
