import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Clock, silentLog } from "../contract/runtime.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Leader, type Lease, type LeaseStore } from "./leader.ts";

const it = suite("leader");

/** One record in memory; `hang` keeps callers waiting, `fail` refuses them. */
class MemoryLease implements LeaseStore {
  lease: Lease | null = null;
  mode: "works" | "fails" | "hangs" = "works";
  writes = 0;
  #version = 0;

  async read(signal: AbortSignal): Promise<Lease | null> {
    await this.#answer(signal);
    return this.lease;
  }

  async write(lease: Lease, signal: AbortSignal): Promise<Lease | null> {
    await this.#answer(signal);
    if (lease.version !== (this.lease?.version ?? "")) return null;
    this.writes++;
    return this.lease = { ...lease, version: String(++this.#version) };
  }

  async #answer(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.mode === "fails") throw new Error("no API server");
    if (this.mode === "hangs") {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
  }
}

function electors(...identities: readonly string[]) {
  const clock = new FakeClock();
  const store = new MemoryLease();
  const all = identities.map((identity) => {
    const leader = new Leader({ store, identity, clock, log: silentLog });
    const stop = new AbortController();
    return { leader, stop, start: () => leader.run(stop.signal) };
  });
  return { clock, store, all };
}

it("the first of two leads, and the other one does not", async () => {
  const { clock, store, all: [a, b] } = electors("a", "b");
  void a!.start();
  await clock.stepAsync(0);
  void b!.start();
  await clock.stepAsync(60_000);
  assert.equal([a!.leader.isLeader, b!.leader.isLeader], [true, false]);
  assert.is(b!.leader.holder, "a");
  assert.is(store.lease?.transitions, 0);
});

it("C-104 a leader that is killed is replaced within the length of the lease and a retry", async () => {
  const { clock, store, all: [a, b] } = electors("a", "b");
  const killed = new MemoryLease();
  void a!.start();
  await clock.stepAsync(0);
  void b!.start();
  await clock.stepAsync(5_000);
  // a's record stays as a dead process leaves it
  killed.lease = store.lease;
  a!.stop.abort();
  await clock.stepAsync(0);
  store.lease = { ...killed.lease!, version: store.lease!.version };
  await clock.stepAsync(12_000);
  assert.is(b!.leader.isLeader, false, "too early");
  await clock.stepAsync(5_000);
  assert.is(b!.leader.isLeader, true);
  assert.is(store.lease?.transitions, 1);
});

it("a leader that stops in order hands over at the next attempt of another", async () => {
  const { clock, store, all: [a, b] } = electors("a", "b");
  const done = a!.start();
  await clock.stepAsync(0);
  void b!.start();
  await clock.stepAsync(100);
  a!.stop.abort();
  await clock.stepAsync(0);
  await done;
  assert.equal([store.lease?.holder, store.lease?.leaseSeconds, a!.leader.isLeader], ["", 1, false]);
  await clock.stepAsync(2_000);
  assert.ok(b!.leader.isLeader);
});

it("the clock of the holder's machine is not looked at", async () => {
  const { clock, store, all: [a] } = electors("a");
  const hour = 3_600_000;
  const foreign = { holder: "x", leaseSeconds: 15, acquiredMs: 0, transitions: 4, version: "" };
  // a holder whose clock is an hour behind renews: it is alive
  void a!.start();
  for (let second = 0; second < 60; second += 5) {
    store.lease = { ...foreign, renewedMs: clock.nowMs() - hour, version: `v${second}` };
    await clock.stepAsync(5_000);
    assert.is(a!.leader.isLeader, false);
  }
  // one whose clock is an hour ahead and that renews no more is gone
  store.lease = { ...foreign, renewedMs: clock.nowMs() + hour, version: "last" };
  await clock.stepAsync(20_000);
  assert.is(a!.leader.isLeader, true);
  assert.is(store.lease?.transitions, 5);
});

for (const mode of ["fails", "hangs"] as const) {
  it(`a leader whose API server ${mode} stops to be one before another may begin, and comes back`, async () => {
    const { clock, store, all: [a] } = electors("a");
    void a!.start();
    await clock.stepAsync(0);
    assert.ok(a!.leader.isLeader);
    store.mode = mode;
    await clock.stepAsync(9_000);
    assert.ok(a!.leader.isLeader);
    await clock.stepAsync(3_000);
    assert.not(a!.leader.isLeader);
    store.mode = "works";
    await clock.stepAsync(20_000);
    assert.ok(a!.leader.isLeader);
    assert.is(store.lease?.transitions, 0);
  });
}

it("a process that stood still leads no more, before any of its timers ran", async () => {
  const clock = new FakeClock();
  let stoodMs = 0;
  const ownClock: Clock = {
    nowMs: () => clock.nowMs() + stoodMs,
    monotonicMs: () => clock.monotonicMs() + stoodMs,
    after: (delayMs, run) => clock.after(delayMs, run),
    every: (intervalMs, run) => clock.every(intervalMs, run),
  };
  const leader = new Leader({ store: new MemoryLease(), identity: "a", clock: ownClock, log: silentLog });
  void leader.run(new AbortController().signal);
  await clock.stepAsync(0);
  assert.ok(leader.isLeader);
  stoodMs = 10_000;
  assert.not(leader.isLeader);
});

it("who subscribes is told once of each change", async () => {
  const { clock, all: [a] } = electors("a");
  const told: boolean[] = [];
  a!.leader.subscribe((isLeader) => told.push(isLeader));
  const done = a!.start();
  await clock.stepAsync(30_000);
  a!.stop.abort();
  await clock.stepAsync(0);
  await done;
  assert.equal(told, [true, false]);
});

it("a record that someone else wrote in between ends the leadership at once", async () => {
  const { clock, store, all: [a] } = electors("a");
  void a!.start();
  await clock.stepAsync(0);
  store.lease = { holder: "x", leaseSeconds: 15, acquiredMs: 0, renewedMs: 1, transitions: 1, version: "x1" };
  await clock.stepAsync(2_000);
  assert.not(a!.leader.isLeader);
  assert.is(a!.leader.holder, "x");
});

it.run();
