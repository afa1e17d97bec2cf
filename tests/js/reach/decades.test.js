import assert from "node:assert/strict";
import { test } from "node:test";

import { barShare, DECADES, greenShare, tiny, wordTint } from "../../../app/reach/decades.js";

const powers = Array.from({ length: 30 * 8 + 1 }, (_, i) => 10 ** (-24 + i / 8)); // 1e-24 to 1e6

test("an exact 0, and what was not measured, has no green at all", () => {
  for (const value of [0, -0, NaN]) {
    assert.equal(greenShare(value), 0);
    assert.equal(wordTint(value), 0);
  }
});

test("whatever is not 0 has some green, however small it is, and a larger value never has less", () => {
  for (const scale of [greenShare, wordTint]) {
    assert.ok(scale(Number.MIN_VALUE) > 0);
    for (const [i, value] of powers.entries()) {
      assert.ok(scale(value) > 0);
      if (i) assert.ok(scale(value) >= scale(powers[i - 1]));
      assert.equal(scale(-value), scale(value));
    }
  }
});

test("the green covers twelve decades: it rises within them, is palest below, and full from 1 on", () => {
  assert.equal(DECADES, 12);
  for (let power = -11; power <= 0; power++) assert.ok(greenShare(10 ** power) > greenShare(10 ** (power - 1)));
  assert.equal(greenShare(1e-12), greenShare(1e-20));
  assert.equal(greenShare(1), 1);
  assert.equal(greenShare(1000), 1);
});

test("every decade makes a bar taller by the same, and 1e-12 still has one of them", () => {
  for (let power = -12; power <= 0; power++)
    assert.ok(Math.abs(barShare(10 ** power) - (power + 13) / 13) < 1e-12, `1e${power}`);
  assert.equal(barShare(1e-30), 0);
  assert.equal(barShare(50), 1);
});

test("only an exact 0 is written as one, and what is not known as a dash", () => {
  assert.equal(tiny(0), "exactly 0");
  assert.equal(tiny(Math.fround(1.4e-45)), "1.4 × 10⁻⁴⁵", "the smallest that a payload can carry");
  for (const value of [NaN, Infinity, null, undefined]) assert.equal(tiny(value), "–");
});

test("ordinary numbers are written with two digits, all others with a power of ten", () => {
  assert.equal(tiny(0.2345), "0.23");
  assert.equal(tiny(0.001), "0.001");
  assert.equal(tiny(-0.55), "-0.55");
  assert.equal(tiny(999), "1000");
  assert.equal(tiny(4.1e-9), "4.1 × 10⁻⁹");
  assert.equal(tiny(-2.5e-12), "-2.5 × 10⁻¹²");
  assert.equal(tiny(12345), "1.2 × 10⁴");
});

test("a number with a power of ten can be read back to within its two digits", () => {
  for (const value of powers.filter((power) => power < 0.001 || power >= 1000)) {
    const [digits, raised] = tiny(value).split(" × 10");
    const power = Number([...raised].map((sign) => (sign === "⁻" ? "-" : "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(sign))).join(""));
    assert.ok(Math.abs(Number(digits) * 10 ** power - value) <= 0.0501 * 10 ** power, `${value}: ${tiny(value)}`);
  }
});
