import assert from "node:assert/strict";
import { test } from "node:test";

import { exactly, lent, limited, nats, said, signed, strength, toggled } from "../../../app/break_it/changes.js";
import { wordAround, wordSpan } from "../../../app/break_it/words.js";

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

test("an edge, a slot and what another text lends are said with their words", () => {
  const labels = ["<s>", "▁The", "▁eleph", "ant", "▁ran"];
  const texts = ["", "The", " eleph", "ant", " ran"];
  const say = (/** @type {string} */ change) => said(change, labels, texts);
  assert.equal(say("edge:1:4"), "“▁ran” at 4 does not see “▁The” at 1");
  assert.equal(say("edge:1:4:3"), "“▁ran” at 4 does not see “▁The” at 1 in layer 3");
  assert.equal(say("slot:3:2"), "slot 3 is not seen from step 2 on");
  assert.equal(say("slot:3:2:zero"), "slot 3 is zero from step 2 on");
  const other = "for “elephant” at 3";
  assert.equal(say("patch:0:4:3:a%20cat"), `at 4, embedding: the state of the text with “a cat” ${other}`);
  assert.equal(
    say("patch:2:2-4:3:gi%2Cr%3Aaffe"),
    `from 2 to 4, after layer 2: the state of the text with “gi,r:affe” ${other}`,
  );
  assert.equal(say("add:2:4:-1.5:3:cat"), "at 4, after layer 2: + −1.5 × (“cat” − “elephant” at 3)");
  assert.equal(lent("mlp:3"), null);
  assert.deepEqual(lent("add:2:4:-1.5:3:c%3At"), { source: 3, word: "c:t" });
});

test("a word is a run of letters and digits, as in Python", () => {
  const texts = ["", "The", " eleph", "ant", "s", " ran", ".", "\n", "2", "3", " th", "", "é", "", "—", ""];
  const spans = new Set(texts.map((_, position) => wordSpan(texts, position).join("-")));
  assert.deepEqual([...spans], ["0-1", "1-2", "2-5", "5-6", "6-7", "7-8", "8-10", "10-13", "13-15", "15-16"]);
  assert.equal(wordAround(texts, texts, 3), "“elephants”");
  assert.equal(wordAround(texts, ["<s>"], 0), "“<s>”");
  assert.equal(wordAround(texts, texts, 7), "“␣”");
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
