import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { Link } from "./driver.ts";
import { Inbox, type InboxLimits, type Item, type Source } from "./inbox.ts";

const test = suite("inbox");

function inbox(limits: Partial<InboxLimits> = {}) {
  const clock = new FakeClock();
  const seen: string[] = [];
  const source: Source = {
    resume: () => seen.push("resume"),
    sent: (item) => seen.push(`sent ${item.wireSize}`),
    settled: () => seen.push("settled"),
    dropped: (item, reason) => seen.push(`dropped ${item.wireSize} ${reason}`),
  };
  const tested = new Inbox({
    maxMessages: 3,
    maxBytes: 1_000,
    maxUnreceipted: 2,
    maxUnreceiptedBytes: 1_000,
    sendTimeoutMs: 0,
    ...limits,
  }, clock);
  const item = (n: number, sequence = 0): Item => ({
    messages: [[Uint8Array.of(n)]],
    size: 1,
    wireSize: n,
    source,
    streamId: "s",
    partition: "",
    sequence,
    isHeartbeat: false,
  });
  return { clock, seen, inbox: tested, item };
}

class FakeLink implements Link {
  readonly written: number[] = [];
  writable = true;
  write(parts: readonly Uint8Array[]): void {
    this.written.push(parts[0]![0]!);
  }
  flush(): void {}
  resume(): void {}
}

test("without an engram its sources stop at the limit, and go on once there is room", () => {
  const { inbox: box, item, seen } = inbox();
  assert.equal([1, 2, 3].map((n) => box.offer(item(n))), [true, true, false]);
  const link = new FakeLink();
  box.attach(link);
  assert.equal(link.written, [1, 2, 3]);
  assert.equal(seen, ["sent 1", "sent 2", "sent 3", "settled", "resume"]);
});

test("a stream that takes no more holds what comes", () => {
  const { inbox: box, item } = inbox();
  const link = new FakeLink();
  box.attach(link);
  link.writable = false;
  box.offer(item(1));
  box.pump();
  assert.equal([link.written, box.messages], [[], 1]);
  link.writable = true;
  box.pump();
  assert.equal([link.written, box.messages], [[1], 0]);
});

test("what has no receipt is bounded, and comes again to a new session before the rest", () => {
  const { inbox: box, item } = inbox();
  const first = new FakeLink();
  box.attach(first);
  for (const n of [1, 2, 3]) box.offer(item(n, n));
  box.pump();
  assert.equal([first.written, box.unreceipted], [[1, 2], 2]);
  assert.ok(box.receipt("s", "", 1));
  assert.not(box.receipt("s", "", 1));
  box.pump();
  assert.equal(first.written, [1, 2, 3]);
  box.detach(first);
  const second = new FakeLink();
  box.attach(second);
  assert.equal(second.written, [2, 3]);
});

test("with a send timeout, what comes last is dropped when it has run out", () => {
  const { inbox: box, item, clock, seen } = inbox({ sendTimeoutMs: 30_000 });
  for (const n of [1, 2, 3]) box.offer(item(n));
  clock.step(30_000);
  assert.equal(seen, ["dropped 3 channel_timeout", "resume"]);
  assert.is(box.messages, 2);
});

test("a packet that receipts for later ones have passed over is sent again", () => {
  const { inbox: box, item, clock } = inbox();
  const link = new FakeLink();
  box.attach(link);
  for (const n of [1, 2]) box.offer(item(n, n));
  box.pump();
  clock.step(60_000);
  assert.equal(link.written, [1, 2], "a slow engram gets nothing twice");
  box.receipt("s", "", 2);
  clock.step(30_000);
  assert.equal(link.written, [1, 2, 1]);
  box.receipt("s", "", 1);
  clock.step(60_000);
  assert.equal(link.written, [1, 2, 1]);
});

test.run();
