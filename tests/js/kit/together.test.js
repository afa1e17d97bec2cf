import assert from "node:assert/strict";
import { test } from "node:test";

import { companion, join, lead, part, parting } from "../../../app/kit/together.js";

class Picture {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.root = /** @type {HTMLElement} */ (/** @type {unknown} */ ({ isConnected: true }));
    /** @type {object | null} */
    this.run = {};
    /** @type {object[]} */
    this.followed = [];
    this.drawn = 0;
  }
  shared() {
    return { t: this.name };
  }
  /** @param {object} shared */
  follow(shared) {
    this.followed.push(shared);
  }
  draw() {
    this.drawn += 1;
  }
}
class Other extends Picture {}

test("what one does the other does, and nobody follows himself or a picture of another kind", () => {
  const [one, two, foreign] = [new Picture("one"), new Picture("two"), new Other("three")];
  for (const picture of [one, foreign]) join(picture);
  lead(one);
  assert.equal(companion(one), null);
  join(two);
  lead(one);
  assert.deepEqual(two.followed, [{ t: "one" }]);
  assert.deepEqual([one.followed, foreign.followed], [[], []]);
  assert.equal(companion(two), one);
  part(two);
  assert.equal(one.drawn, 1);
  assert.equal(companion(one), null);
  part(one);
});

test("a picture that has left the page, or shows nothing yet, is no companion", () => {
  const [one, two] = [new Picture("one"), new Picture("two")];
  join(one);
  join(two);
  two.run = null;
  assert.equal(companion(one), null);
  two.run = {};
  Object.assign(two.root, { isConnected: false });
  assert.equal(companion(one), null);
});

test("texts part at the first token that differs, or where the shorter one ends", () => {
  const text = (/** @type {number[]} */ ...ids) => ({ ids, count: ids.length });
  assert.equal(parting(text(1, 2, 3), text(1, 5, 3)), 1);
  assert.equal(parting(text(1, 2), text(1, 2, 3)), 2);
  assert.equal(parting(text(), text(1)), 0);
  assert.equal(parting(text(4), text(4)), 1);
});
