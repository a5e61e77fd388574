import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { type AckPolicy, Acks } from "./acks.ts";
import type { FlowUpdate } from "./flow.ts";

const test = suite("acks");

function acks(policy: Partial<AckPolicy> = {}) {
  const clock = new FakeClock();
  const told: FlowUpdate[] = [];
  const tracker = new Acks(
    { ordering: "per_stream", grantsCredits: true, messages: 1, bytes: 0, maxDelayMs: 250, ...policy },
    clock,
    (update) => told.push(update),
  );
  const receipt = (sequence: number, size = 1) => {
    const known = tracker.receipt("s", "", sequence, size);
    tracker.flush();
    return known;
  };
  return { clock, told, tracker, receipt };
}

test("receipts in any order acknowledge the highest contiguous sequence, and each grants its credit once", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), fc.shuffledSubarray([0, 1, 2, 3, 4, 5]), (first, order) => {
    const { told, tracker, receipt } = acks();
    for (let n = 0; n < 6; n++) tracker.received("s", "", first + n, 1);
    const done = new Set<number>();
    for (const each of order) {
      done.add(each);
      assert.ok(receipt(first + each));
      assert.not(receipt(first + each), "a receipt counts once");
      let contiguous = 0;
      while (done.has(contiguous)) contiguous++;
      const acked = told.findLast(({ ack }) => ack > 0)?.ack ?? 0;
      assert.is(acked, contiguous === 0 ? 0 : first + contiguous - 1);
    }
    assert.is(told.reduce((sum, { messages }) => sum + messages, 0), order.length);
  }));
});

test("a lower sequence that comes after a higher one is waited for while nothing was acknowledged", () => {
  const { told, tracker, receipt } = acks();
  tracker.received("s", "", 5, 1);
  tracker.received("s", "", 4, 1);
  receipt(5);
  assert.is(told.at(-1)?.ack, 0);
  receipt(4);
  assert.is(told.at(-1)?.ack, 5);
});

test("another stream id is another sequence space, and receipts of the old one are nobody's", () => {
  const { told, tracker, receipt } = acks();
  tracker.received("s", "", 9, 1);
  tracker.received("s2", "", 1, 1);
  assert.not(receipt(9));
  assert.ok(tracker.receipt("s2", "", 1, 3));
  tracker.flush();
  assert.equal(told, [{ ack: 1, partitionAcks: [], messages: 1, bytes: 3 }]);
});

test("the first is told at once, the next by count, and the rest by the timer", () => {
  const { clock, told, tracker } = acks({ messages: 3, maxDelayMs: 250 });
  const done = () => {
    tracker.done(10);
    tracker.flush();
  };
  done();
  assert.is(told.length, 1);
  done();
  done();
  assert.is(told.length, 1);
  done();
  assert.equal([told.length, told[1]?.messages, told[1]?.bytes], [2, 3, 30]);
  done();
  clock.step(249);
  assert.is(told.length, 2);
  clock.step(1);
  assert.equal([told.length, told[2]?.messages, clock.pending], [3, 1, 0]);
});

test("without credits and without progress there is nothing to tell", () => {
  const { clock, told, tracker } = acks({ grantsCredits: false });
  tracker.done(10);
  tracker.flush();
  clock.step(1_000);
  assert.equal(told, []);
});

test("a sequence that never came is given up after 30 s, one without receipt is not", () => {
  const { clock, told, tracker, receipt } = acks();
  for (const n of [1, 3, 4]) tracker.received("s", "", n, 1);
  receipt(1);
  receipt(3);
  clock.step(29_999);
  assert.is(told.at(-1)?.ack, 0);
  clock.step(1);
  assert.is(told.at(-1)?.ack, 3);
  tracker.received("s", "", 5, 1);
  receipt(5);
  clock.step(60_000);
  assert.is(told.findLast(({ ack }) => ack > 0)?.ack, 3, "4 is with the engram");
});

test("credit that conversion made smaller is made up for once nothing is with the engram", () => {
  const { told, tracker, receipt } = acks();
  for (let n = 1; n <= 3; n++) tracker.received("s", "", n, 600_000);
  for (let n = 1; n <= 3; n++) receipt(n, 100_000);
  assert.is(told.reduce((sum, { bytes }) => sum + bytes, 0), 1_800_000);
});

test.run();
