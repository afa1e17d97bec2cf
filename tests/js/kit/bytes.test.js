import assert from "node:assert/strict";
import { test } from "node:test";

import { byteNote, nameBytes } from "../../../app/kit/bytes.js";

/** @param {[text: string, label: string][]} tokens @param {number[]} ends  where payloads end */
function named(tokens, ends) {
  /** @type {string[]} */
  const texts = [];
  /** @type {string[]} */
  const pieces = [];
  /** @type {string[]} */
  const labels = [];
  for (const end of ends) {
    const from = texts.length;
    for (const [text, label] of tokens.slice(from, end)) {
      texts.push(text);
      pieces.push(label);
      labels.push(label);
    }
    nameBytes(texts, pieces, labels, from);
  }
  return labels;
}

/** @type {[string, string][]} */
const TOKENS = [
  ["", "<s>"],
  [" f", "f"],
  ["", "<0xC3>"],
  ["ä", "<0xA4>"],
  ["r", "r"],
  ["", "<0xF0>"],
  ["", "<0x9F>"],
  ["", "<0x91>"],
  ["👨", "<0xA8>"],
  ["", "<0xE2>"],
  ["", "<0x80>"],
  ["\u200d", "<0x8D>"],
  ["\t", "<0x09>"],
  ["", "<0xC3>"],
];
const NAMED = [
  ..."<s> f".split(" "),
  ...["ä 1/2", "ä 2/2", "r", "👨 1/4", "👨 2/4", "👨 3/4", "👨 4/4"],
  ...["\u200d 1/3", "\u200d 2/3", "\u200d 3/3", "<0x09>", "<0xC3>"],
];

test("the bytes of a character are counted and named after it; one that stands alone keeps its name", () => {
  assert.deepEqual(named(TOKENS, [TOKENS.length]), NAMED);
});

test("they are so wherever payloads begin and end", () => {
  for (let cut = 1; cut < TOKENS.length; cut++) assert.deepEqual(named(TOKENS, [cut, TOKENS.length]), NAMED, `${cut}`);
  assert.deepEqual(
    named(
      TOKENS,
      TOKENS.map((_, i) => i + 1),
    ),
    NAMED,
  );
});

test("a token that is a byte of a character says so, and no other one does", () => {
  const noted = NAMED.filter(byteNote);
  assert.deepEqual(
    noted,
    NAMED.filter((label) => label.includes("/")),
  );
  assert.match(byteNote("👨 3/4"), /“👨” .* 4 bytes.*This is byte 3/);
  assert.equal(byteNote("3/4"), "");
  assert.equal(byteNote(undefined), "");
});
