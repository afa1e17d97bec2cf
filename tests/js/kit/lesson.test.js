import assert from "node:assert/strict";
import { test } from "node:test";

import { Follower, LOOK_MS, Teller } from "../../../app/kit/lesson.js";

const REST = { what: "rest" };
const settled = () => new Promise((done) => setImmediate(done));

/** What is sent, and the answers that are still owed. */
function line() {
  /** @type {object[]} */
  const sent = [];
  /** @type {((taken: boolean) => void)[]} */
  const owed = [];
  /** @type {(what: object) => Promise<boolean>} */
  const send = (what) => {
    sent.push(what);
    return new Promise((answer) => owed.push(answer));
  };
  /** @param {boolean} taken */
  const answer = async (taken) => {
    owed.shift()?.(taken);
    await settled();
  };
  return { sent, send, answer };
}

test("one message is on its way at a time, and the next one is the newest", async () => {
  const { sent, send, answer } = line();
  const teller = new Teller(send, REST);
  teller.tell(REST);
  for (const t of [1, 2, 3]) teller.tell({ t });
  assert.deepEqual(sent, [{ t: 1 }]);
  await answer(true);
  for (const t of [3, 3]) teller.tell({ t });
  assert.deepEqual(sent, [{ t: 1 }, { t: 3 }]);
  await answer(true);
  teller.tell({ t: 3 });
  assert.equal(sent.length, 2);
});

test("what was lost is said again, and so is that nobody leads, after a place that is on its way", async () => {
  const { sent, send, answer } = line();
  const teller = new Teller(send, REST);
  for (const taken of [false, false, true]) {
    teller.tell({ t: 1 });
    await answer(taken);
  }
  teller.tell({ t: 1 });
  assert.equal(sent.length, 3);
  teller.tell({ t: 2 });
  teller.tell(REST);
  await answer(true);
  teller.tell(REST);
  await answer(true);
  assert.deepEqual(sent.slice(3), [{ t: 2 }, REST]);
});

test("a line that breaks does not silence what comes after", async () => {
  let calls = 0;
  const teller = new Teller(async () => {
    calls += 1;
    throw new Error("broken");
  }, REST);
  for (const _ of [1, 2]) await teller.tell({ t: 1 }).catch(() => null);
  assert.equal(calls, 2);
});

/** A page that has the place after so many looks.
 * @param {number} late  looks; @param {boolean} address  whether its address is that of the place */
function page(late, address) {
  /** @type {{ at: number, opened: number[], shown: string[] }} */
  const seen = { at: 0, opened: [], shown: [] };
  /** @type {Follower<string>} */
  const follower = new Follower(
    (place) => {
      seen.at += 1;
      if (seen.at <= late) return false;
      seen.shown.push(place);
      return true;
    },
    () => address,
    () => seen.opened.push(seen.at),
  );
  return { seen, follower };
}

test("a page that is late is waited for, longer than a minute, and asked for again a few times", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { seen, follower } = page(300, false);
  follower.go("here");
  for (let i = 0; i < 400; i++) context.mock.timers.tick(LOOK_MS);
  assert.deepEqual(seen.shown, ["here"]);
  assert.deepEqual(seen.opened, [0, 20, 40, 80, 160]);
});

test("a page that is open already is not opened, and is looked at once", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { seen, follower } = page(0, true);
  follower.go("here");
  context.mock.timers.tick(100 * LOOK_MS);
  assert.deepEqual([seen.shown, seen.opened, seen.at], [["here"], [], 1]);
});

test("who is sent elsewhere, or lets go, does not come back to the old place", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  for (const next of ["there", null]) {
    const { seen, follower } = page(2, true);
    follower.go("here");
    follower.go(next);
    for (let i = 0; i < 10; i++) context.mock.timers.tick(LOOK_MS);
    assert.deepEqual(seen.shown, next ? [next] : []);
  }
});
