import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PingStrikes } from "./pings.ts";

const test = suite("pings");
const answer = 17;

test("a third ping that nothing called for is the last", () => {
  const strikes = new PingStrikes();
  assert.equal([0, 1, 2, 3].map((n) => strikes.allows(n * 1000, n * answer)), [true, true, true, false]);
});

test("pings every 5 s pass for as long as one likes", () => {
  const strikes = new PingStrikes();
  for (let n = 0; n < 1000; n++) assert.ok(strikes.allows(n * 5000 - (n % 2) * 100, n * answer));
});

test("a ping for each piece of data passes, and strikes before it are forgotten", () => {
  const strikes = new PingStrikes();
  for (let n = 0; n < 1000; n++) assert.ok(strikes.allows(n, n * (answer + 5)));
  const at = 1000 * (answer + 5);
  assert.equal([1, 2, 3, 4].map((n) => strikes.allows(1000, at + n * answer)), [true, true, true, false]);
});

test("answers that were not written yet hide no flood", () => {
  const strikes = new PingStrikes();
  assert.equal([0, 0, 0, 0].map((bytes) => strikes.allows(0, bytes)), [true, true, true, false]);
});

test.run();
