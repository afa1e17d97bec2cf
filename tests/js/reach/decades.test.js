import assert from "node:assert/strict";
import { test } from "node:test";

import { DEEP, NOTICED, SCALES, tiny } from "../../../app/reach/decades.js";

const powers = Array.from({ length: 30 * 8 + 1 }, (_, i) => 10 ** (-24 + i / 8)); // 1e-24 to 1e6
const { noticed, deep } = SCALES;

test("an exact 0, and what was not measured, has no green at all", () => {
  for (const scale of [noticed, deep])
    for (const value of [0, -0, NaN]) {
      assert.equal(scale.green(value), 0);
      assert.equal(scale.tint(value), 0);
      assert.equal(scale.bar(value), 0);
    }
});

test("a larger value never has less, and its sign does not matter", () => {
  for (const scale of [noticed, deep])
    for (const [i, value] of powers.entries()) {
      if (i) {
        assert.ok(scale.green(value) >= scale.green(powers[i - 1]));
        assert.ok(scale.tint(value) >= scale.tint(powers[i - 1]));
        assert.ok(scale.bar(value) >= scale.bar(powers[i - 1]));
      }
      assert.equal(scale.green(-value), scale.green(value));
      assert.equal(scale.tint(-value), scale.tint(value));
    }
});

test("what is too small to notice is not drawn, and what can be noticed is", () => {
  assert.equal(NOTICED, 3);
  for (const value of powers.filter((power) => power < 0.999e-3)) {
    assert.equal(noticed.green(value), 0, `${value}`);
    assert.equal(noticed.tint(value), 0);
    assert.equal(noticed.bar(value), 0);
  }
  for (const value of powers.filter((power) => power > 0.999e-3)) {
    assert.ok(noticed.green(value) > 0.08, `${value}`);
    assert.ok(noticed.tint(value) > 5);
    assert.ok(noticed.bar(value) > 0.2);
  }
});

test("the deep scale gives some green to whatever is not 0, however small it is", () => {
  for (const value of [Number.MIN_VALUE, ...powers]) {
    assert.ok(deep.green(value) > 0);
    assert.ok(deep.tint(value) > 0);
  }
});

test("the green rises over the decades of its scale, is palest below, and full from 1 on", () => {
  assert.equal(DEEP, 12);
  for (const scale of [noticed, deep]) {
    for (let power = 1 - scale.decades; power <= 0; power++)
      assert.ok(scale.green(10 ** power) > scale.green(10 ** (power - 1)));
    assert.equal(scale.green(1), 1);
    assert.equal(scale.green(1000), 1);
  }
  assert.equal(deep.green(1e-12), deep.green(1e-20));
});

test("every decade makes a bar taller by the same, and the last one still has one of them", () => {
  for (const scale of [noticed, deep]) {
    const all = scale.decades + 1;
    for (let power = -scale.decades; power <= 0; power++)
      assert.ok(Math.abs(scale.bar(10 ** power) - (power + all) / all) < 1e-12, `1e${power}`);
    assert.equal(scale.bar(50), 1);
  }
  assert.equal(deep.bar(1e-30), 0);
});

test("marks stand where a bar of that height ends", () => {
  for (const scale of [noticed, deep])
    for (const [share, label] of scale.marks) {
      const power =
        label === "1" ? 0 : -Number([...label.slice(3)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(digit)).join(""));
      assert.ok(Math.abs(scale.bar(10 ** power) - share) < 1e-12, label);
    }
  assert.deepEqual(
    noticed.marks.map(([, label]) => label),
    ["10⁻³", "10⁻²", "10⁻¹", "1"],
  );
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
