import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { TransportError } from "../contract/errors.ts";
import type { ClientLink, ClientLinkEvents, Driver } from "./driver.ts";
import type { Outgoing } from "./outbox.ts";
import { hubRedial } from "./redial.ts";
import { Way } from "./way.ts";

const test = suite("way");

/** A driver whose streams the test opens, fills and ends. */
class FakeDriver implements Driver {
  readonly streams: { readonly events: ClientLinkEvents; readonly written: number[]; isWritable: boolean }[] = [];

  open(...[, , , events]: Parameters<Driver["open"]>): ClientLink {
    const stream = { events, written: [] as number[], isWritable: true };
    this.streams.push(stream);
    return {
      get writable() {
        return stream.isWritable;
      },
      write: (parts) => void stream.written.push(parts[0]![0]!),
      flush() {},
      resume() {},
      halfClose() {},
      cancel() {},
    };
  }

  listen(): never {
    throw new Error("not asked for");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  get last() {
    return this.streams.at(-1)!;
  }
}

function way(more: { isReliable?: boolean; countsAcks?: boolean; maxMessages?: number } = {}) {
  const clock = new FakeClock();
  const driver = new FakeDriver();
  const seen: string[] = [];
  const tested = new Way({ address: "hub:1", serverName: "" }, {
    driver,
    headers: () => ({}),
    limits: { maxMessages: more.maxMessages ?? 64, maxBytes: 1 << 20 },
    redial: hubRedial,
    dialTimeoutMs: 1_000,
    stallLimitMs: 5_000,
    isReliable: () => more.isReliable ?? false,
    countsAcks: more.countsAcks ?? false,
    clock,
    random: () => 0,
  }, {
    opened: (again) => seen.push(again ? "again" : "opened"),
    lost: (error) => seen.push(`lost ${error?.reason}`),
    failed: (error) => seen.push(`failed ${error.reason}`),
    message: () => true,
    endOfChunk() {},
    delivered: (messages) => seen.push(`delivered ${messages}`),
    dropped: (reason) => seen.push(`dropped ${reason}`),
    room: () => seen.push("room"),
    drained: () => seen.push("drained"),
  });
  return { clock, driver, seen, way: tested };
}

const packet = (n: number, hasFrame = false): Outgoing => ({ parts: [Uint8Array.of(n)], size: 10, hasFrame });
const away = new TransportError("Unavailable", "away");

test("what waits goes out in order once the stream is accepted", () => {
  const { driver, seen, way: w } = way();
  w.start();
  for (const n of [1, 2, 3]) w.offer(packet(n));
  w.pump();
  assert.equal(driver.last.written, []);
  driver.last.events.accepted();
  assert.equal([driver.last.written, seen], [[1, 2, 3], ["opened", "delivered 3", "drained"]]);
});

test("a hub that says nothing is taken for one that accepts, after a moment", () => {
  const { clock, driver, way: w } = way();
  w.start();
  w.offer(packet(1));
  driver.last.events.connected();
  clock.step(249);
  assert.not(w.isOpen);
  clock.step(1);
  assert.equal([w.isOpen, driver.last.written], [true, [1]]);
});

test("the first attempt after a loss is at once, the next after 1, 2, 4 … 32 s", () => {
  const { clock, driver, seen, way: w } = way();
  w.start();
  driver.last.events.accepted();
  driver.last.events.end(away, false);
  const delays: number[] = [];
  for (let n = 0; n < 8; n++) {
    const before = driver.streams.length;
    let waited = 0;
    while (driver.streams.length === before) {
      clock.step(n === 0 ? 0 : 500);
      waited += n === 0 ? 0 : 500;
    }
    delays.push(waited / 1000);
    driver.last.events.end(away, false);
  }
  assert.equal(delays, [0, 1, 2, 4, 8, 16, 32, 32]);
  assert.equal(seen, ["opened", "lost Unavailable", "drained"]);
});

test("after 200 failures in a row it is given up, and at once where another attempt would fail alike", () => {
  const many = way();
  many.way.start();
  for (let n = 0; n <= 200; n++) {
    many.driver.last.events.end(away, false);
    many.clock.step(60_000);
  }
  assert.equal([many.seen, many.driver.streams.length], [["failed Unavailable"], 201]);
  const final = way();
  final.way.start();
  final.driver.last.events.end(new TransportError("PermissionDenied", "no"), true);
  assert.equal([final.seen, final.clock.pending], [["failed PermissionDenied"], 0]);
});

test("a superseded one waits before it comes back, so that two of one generation do not throw each other out", () => {
  const { clock, driver, way: w } = way();
  w.start();
  driver.last.events.accepted();
  driver.last.events.end(new TransportError("Superseded", "another"), false);
  clock.step(4_999);
  assert.is(driver.streams.length, 1);
  clock.step(1);
  assert.is(driver.streams.length, 2);
});

test("a full outbox holds the engram for 5 s, then the oldest packet with a frame goes first", () => {
  const { clock, driver, seen, way: w } = way({ maxMessages: 3 });
  w.start();
  w.offer(packet(1));
  w.offer(packet(2, true));
  w.offer(packet(3));
  assert.ok(w.isFull);
  clock.step(5_000);
  assert.not(w.isFull);
  assert.equal(seen, ["room"]);
  w.offer(packet(4, true));
  w.offer(packet(5));
  w.offer(packet(6));
  assert.equal(seen, ["room", "dropped outbox_full", "dropped outbox_full", "dropped outbox_full"]);
  driver.last.events.accepted();
  assert.equal(driver.last.written, [3, 5, 6]);
});

test("where nothing may be dropped the engram is held however long it takes", () => {
  const { clock, way: w } = way({ maxMessages: 1, isReliable: true });
  w.start();
  w.offer(packet(1));
  assert.ok(w.isFull);
  clock.step(1_000_000);
  assert.ok(w.isFull);
});

test("a peer's packets are delivered when it says so, and lost with its connection", () => {
  const { driver, seen, way: w } = way({ countsAcks: true });
  w.start();
  driver.last.events.accepted();
  for (const n of [1, 2, 3]) w.offer(packet(n));
  w.pump();
  assert.equal([seen, w.buffered], [["opened"], 3]);
  w.acknowledge(2);
  assert.equal([seen.at(-1), w.buffered], ["delivered 2", 1]);
  driver.last.events.end(away, false);
  assert.equal(seen.slice(2), ["dropped peer_lost", "lost Unavailable", "drained"]);
});

test("a stream that takes no more gets the rest when it does", () => {
  const { driver, way: w } = way();
  w.start();
  driver.last.events.accepted();
  driver.last.isWritable = false;
  w.offer(packet(1));
  w.pump();
  assert.equal(driver.last.written, []);
  driver.last.isWritable = true;
  driver.last.events.writable();
  assert.equal(driver.last.written, [1]);
});

test("what waits for its next attempt makes it when it is told where to go, also where that is the same", () => {
  const { clock, driver, way: w } = way();
  w.start();
  for (let attempt = 0; attempt < 4; attempt++) {
    driver.last.events.end(away, false);
    clock.step(attempt === 3 ? 0 : 5_000);
  }
  const attempts = driver.streams.length;
  w.retarget({ address: "hub:1", serverName: "" });
  assert.is(driver.streams.length, attempts + 1);
  driver.last.events.end(away, false);
  w.retarget({ address: "hub:2", serverName: "" });
  assert.is(driver.streams.length, attempts + 2);
  // one that dials already is left alone, and no attempt is left over
  w.retarget({ address: "hub:2", serverName: "" });
  clock.step(60_000);
  assert.is(driver.streams.length, attempts + 2);
});

test.run();
