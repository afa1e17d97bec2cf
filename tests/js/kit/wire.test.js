import assert from "node:assert/strict";
import { test } from "node:test";

import { unpack } from "../../../app/kit/wire.js";
import { python } from "../payloads.js";

const PACK = `
import sys
import numpy as np
from app.wire import Parts, pack
arrays = {
    "weights": np.array([[0.5, float("nan")], [-1.25, 3e-8]], "<f4"),
    "levels": np.array([65535, 7], "<u2"),
    "ids": np.array([-1, 2**31 - 1], "<i4"),
    "flags": np.array([1, 0, 1], "u1"),
    "nothing": np.zeros((0, 4), "<f4"),
}
sys.stdout.buffer.write(pack(Parts({"picture": "ring", "text": "naïve “ü” 語"}, arrays)))
`;

/** @param {Uint8Array} bytes */
function checked(bytes) {
  const { header, arrays, bytes: size } = unpack(bytes);
  assert.equal(header.picture, "ring");
  assert.equal(/** @type {{ text?: string }} */ (header).text, "naïve “ü” 語");
  assert.deepEqual(arrays, {
    weights: Float32Array.of(0.5, Number.NaN, -1.25, 3e-8),
    levels: Uint16Array.of(65535, 7),
    ids: Int32Array.of(-1, 2 ** 31 - 1),
    flags: Uint8Array.of(1, 0, 1),
    nothing: new Float32Array(0),
  });
  assert.equal(size, bytes.length);
}

test("what Python packs is unpacked, whatever the bytes are aligned to", () => {
  const packed = Uint8Array.from(python(PACK));
  checked(packed);
  const shifted = new Uint8Array(packed.length + 3);
  shifted.set(packed, 3);
  checked(shifted.subarray(3));
});
