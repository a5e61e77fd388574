import { setImmediate } from "node:timers";
import * as assert from "uvu/assert";
import { suite } from "uvu";
import { paced } from "./pace.ts";

const test = suite("pace");

test("what waits goes on in order, a few in each turn", async () => {
  const breathe = paced(2);
  const order: (number | string)[] = [];
  const all = Promise.all([1, 2, 3, 4, 5].map((n) => breathe().then(() => order.push(n))));
  for (const turn of ["a", "b"]) {
    await new Promise((resolve) => setImmediate(resolve));
    order.push(turn);
  }
  await all;
  assert.equal(order, [1, 2, "a", 3, 4, "b", 5]);
});

test("a later wait begins anew", async () => {
  const breathe = paced(1);
  await breathe();
  await breathe();
});

test.run();
