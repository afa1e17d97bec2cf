import assert from "node:assert/strict";
import { test } from "node:test";

import { exactly, limited, nats, said, signed, strength, toggled } from "../../../app/break_it/changes.js";

test("a change is said in words, with the word that it hides", () => {
  const labels = ["<s>", " the", " "];
  assert.equal(said("head:5:3", labels), "head 3 of layer 5 is silent");
  assert.equal(said("group:1:2", labels), "K/V head 2 of layer 1 is silent");
  assert.equal(said("mlp:4", labels), "the MLP of layer 4 is silent");
  assert.equal(said("attention:4", labels), "all attention of layer 4 is silent");
  assert.equal(said("near:1", labels), "no layer looks back more than 1 token");
  assert.equal(said("near:0", labels), "every token sees itself alone");
  assert.equal(said("hide:1", labels), "no later token sees “the” at 1");
  assert.equal(said("hide:2", labels), "no later token sees “␣” at 2");
});

test("a click takes the place of the others, adds to them, or takes back", () => {
  assert.deepEqual(toggled(["mlp:1", "near:2"], "head:1:1", false), ["head:1:1"]);
  assert.deepEqual(toggled(["mlp:1"], "head:1:1", true), ["mlp:1", "head:1:1"]);
  assert.deepEqual(toggled(["mlp:1", "head:1:1"], "mlp:1", false), ["head:1:1"]);
});

test("there is one distance limit at most", () => {
  assert.deepEqual(limited(["near:2", "mlp:1"], 5, true), ["mlp:1", "near:5"]);
  assert.deepEqual(limited(["near:2", "mlp:1"], null, true), ["mlp:1"]);
  assert.deepEqual(limited(["mlp:1"], 0, false), ["near:0"]);
});

test("numbers have a sign that is no hyphen, and no digits that were not measured", () => {
  assert.equal(signed(-0.412), "−0.41");
  assert.equal(signed(0.066), "+0.07");
  assert.equal(signed(0.004), "0");
  assert.equal(signed(-4.109), "−4.1");
  assert.equal(signed(-0.996), "−1.0");
  assert.equal(signed(12.7), "+13");
  assert.equal(signed(Number.NaN), "");
  assert.equal(exactly(-2.0751), "−2.08");
  assert.equal(nats(0), "0");
  assert.equal(nats(-0.0004), "above −0.001");
  assert.equal(nats(0.0004), "below 0.001");
  assert.equal(nats(-0.4567), "−0.46");
});

test("colour grows with the square root, is full at the top and none where nothing was measured", () => {
  assert.equal(strength(-0.5, 0.5), 1);
  assert.equal(strength(9, 0.5), 1);
  assert.equal(strength(0.125, 0.5), 0.5);
  assert.equal(strength(Number.NaN, 0.5), 0);
  assert.equal(strength(0.3, 0), 0);
});
