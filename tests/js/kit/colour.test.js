import assert from "node:assert/strict";
import { test } from "node:test";

import { blend, inkOn, rgb, shade } from "../../../app/kit/colour.js";

/**
 * As WCAG 2.2 defines it.
 *
 * @param {number[]} colour
 */
function luminance(colour) {
  const [r, g, b] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

test("the ink on any colour has a contrast of 4.5 to 1", () => {
  for (let i = 0; i < 500; i++) {
    const fill = [i * 97, i * 61 + 13, i * 31 + 101].map((value) => value % 256);
    const [dark, light] = [luminance(fill), luminance(rgb(inkOn(`rgb(${fill.join(" ")})`)))].sort((a, b) => a - b);
    assert.ok((light + 0.05) / (dark + 0.05) >= 4.5, fill.join());
  }
});

test("a colour over a ground begins with the ground and ends with the colour", () => {
  assert.equal(blend("#102030", "#F0E0D0", 0), "rgb(16 32 48)");
  assert.equal(blend("#102030", "#F0E0D0", 1), "rgb(240 224 208)");
  assert.equal(blend("#000000", "#FFFFFF", 0.2), "rgb(51 51 51)");
});

test("more of a colour over white is never lighter", () => {
  const light = Array.from({ length: 256 }, (_, i) => luminance(numbers(blend("#FFFFFF", "#1F4E9C", i / 255))));
  assert.deepEqual(
    light,
    light.toSorted((a, b) => b - a),
  );
});

/** @param {string} colour */
const numbers = (colour) => (colour.match(/\d+/g) ?? []).map(Number);

test("a shade is 0 for nothing and 1 for everything, and keeps small weights apart", () => {
  assert.deepEqual([-1, 0, 1, 2].map(shade), [0, 0, 1, 1]);
  assert.ok(shade(0.02) - shade(0.01) > 0.04);
});
