import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock, settle } from "../../test/support/fake-clock.ts";
import { silentLog } from "../contract/runtime.ts";
import { HubScaler } from "./scaler.ts";

const test = suite("scaler");

const delayMs = 300_000;

/** A StatefulSet as the API server has it: writes come back as events. */
class StatefulSet {
  readonly clock = new FakeClock();
  readonly writes: number[] = [];
  replicas: number;
  fails = 0;
  isLeader = true;
  delayMs = delayMs;
  readonly scaler = new HubScaler({
    scale: (replicas) => {
      if (this.fails > 0) {
        this.fails--;
        return Promise.reject(new Error("429"));
      }
      this.writes.push(replicas);
      this.set(replicas);
      return Promise.resolve();
    },
    delayMs: () => this.delayMs,
    isLeader: () => this.isLeader,
    clock: this.clock,
    log: silentLog,
  });

  constructor(replicas: number) {
    this.replicas = replicas;
    this.scaler.setReplicas(replicas);
  }

  /** Somebody writes, and everybody sees it. */
  set(replicas: number): void {
    this.replicas = replicas;
    this.scaler.setReplicas(replicas);
  }
}

test("the first active run wakes a hub at once, and the last one that is over lets it go after the window", async () => {
  const set = new StatefulSet(0);
  set.scaler.setActive(false);
  await set.clock.stepAsync(delayMs * 2);
  assert.equal(set.writes, []);
  set.scaler.setActive(true);
  await settle();
  assert.equal(set.writes, [1]);
  await set.clock.stepAsync(delayMs * 2);
  assert.equal(set.writes, [1]);
  set.scaler.setActive(false);
  await set.clock.stepAsync(delayMs - 1);
  assert.equal(set.writes, [1]);
  await set.clock.stepAsync(1);
  assert.equal(set.writes, [1, 0]);
  assert.is(set.clock.pending, 0);
});

test("a run that comes within the window keeps the hub, and the window begins anew", async () => {
  const set = new StatefulSet(1);
  set.scaler.setActive(false);
  await set.clock.stepAsync(delayMs - 1);
  set.scaler.setActive(true);
  await set.clock.stepAsync(delayMs);
  set.scaler.setActive(false);
  await set.clock.stepAsync(delayMs - 1);
  assert.equal(set.writes, []);
  await set.clock.stepAsync(1);
  assert.equal(set.writes, [0]);
});

test("nothing is done before runs and replicas are known", async () => {
  const set = new StatefulSet(1);
  await set.clock.stepAsync(delayMs * 3);
  assert.equal(set.writes, []);
  const unseen = new HubScaler({
    scale: () => Promise.reject(new Error("must not be called")),
    delayMs: () => 1,
    clock: set.clock,
    log: silentLog,
  });
  unseen.setActive(true);
  await set.clock.stepAsync(10);
  assert.is(set.clock.pending, 0);
});

test("what an autoscaler decides between 1 and N is left alone, busy or idle, until it has come back to 1", async () => {
  const set = new StatefulSet(1);
  set.scaler.setActive(true);
  for (const replicas of [2, 5, 3]) {
    set.set(replicas);
    await set.clock.stepAsync(delayMs * 2);
  }
  set.scaler.setActive(false);
  await set.clock.stepAsync(delayMs * 5);
  assert.equal(set.writes, []);
  set.set(1);
  await set.clock.stepAsync(delayMs - 1);
  assert.equal(set.writes, [], "the window begins when somebody else has changed the number");
  await set.clock.stepAsync(1);
  assert.equal(set.writes, [0]);
});

test("somebody who starts a hub by hand has it for a window, and who stops the one that is needed gets it back", async () => {
  const set = new StatefulSet(0);
  set.scaler.setActive(false);
  await set.clock.stepAsync(delayMs * 4);
  set.set(1);
  await set.clock.stepAsync(delayMs - 1);
  assert.equal(set.writes, []);
  set.scaler.setActive(true);
  set.set(0);
  await settle();
  assert.equal(set.writes, [1]);
});

test("a write that fails is tried again, and given up when it is not wanted any more", async () => {
  const set = new StatefulSet(0);
  set.fails = 3;
  set.scaler.setActive(true);
  await set.clock.stepAsync(3_000);
  assert.equal(set.writes, [1]);
  set.fails = 5;
  set.scaler.setActive(false);
  await set.clock.stepAsync(delayMs + 1_000);
  set.scaler.setActive(true);
  await set.clock.stepAsync(60_000);
  assert.equal(set.writes, [1]);
});

test("only the leader writes, and a new one begins where it stands", async () => {
  const set = new StatefulSet(0);
  set.isLeader = false;
  set.scaler.setActive(true);
  await set.clock.stepAsync(delayMs);
  assert.equal(set.writes, []);
  set.isLeader = true;
  set.scaler.look();
  await settle();
  assert.equal(set.writes, [1]);
});

test("a shorter window counts from the next look on", async () => {
  const set = new StatefulSet(1);
  set.scaler.setActive(false);
  await set.clock.stepAsync(10_000);
  set.delayMs = 5_000;
  set.scaler.look();
  await settle();
  assert.equal(set.writes, [0]);
});

test("whatever others write and whenever, every write goes from 0 to 1 or from 1 to 0 and only when it is due", async () => {
  const step = fc.record({
    replicas: fc.option(fc.nat(4), { nil: null, freq: 2 }),
    active: fc.option(fc.boolean(), { nil: null, freq: 2 }),
    waitMs: fc.constantFrom(0, 1, delayMs / 2, delayMs - 1, delayMs, delayMs * 2),
    fails: fc.constantFrom(0, 0, 0, 1, 2),
  });
  await fc.assert(
    fc.asyncProperty(fc.nat(3), fc.array(step, { maxLength: 20 }), async (start, steps) => {
      const set = new StatefulSet(start);
      let isActive: boolean | null = null;
      let before = start;
      let quietMs = 0;
      const nowMs = () => set.clock.monotonicMs();
      const check = () => {
        for (const written of set.writes.splice(0)) {
          assert.is(before, 1 - written, `from ${before} to ${written}`);
          if (written === 1) assert.ok(isActive === true, "nothing was active");
          else assert.ok(isActive === false && nowMs() - quietMs >= delayMs, `after ${nowMs() - quietMs} ms`);
          before = written;
        }
      };
      for (const { replicas, active, waitMs, fails } of steps) {
        set.fails = fails;
        if (active !== null && active !== isActive) {
          isActive = active;
          quietMs = nowMs();
          set.scaler.setActive(active);
          await settle();
          check();
        }
        if (replicas !== null && replicas !== set.replicas) {
          before = replicas;
          quietMs = nowMs();
          set.set(replicas);
          await settle();
          check();
        }
        await set.clock.stepAsync(waitMs);
        check();
      }
      // in the end what is wanted is there
      await set.clock.stepAsync(delayMs * 2);
      check();
      if (isActive === true) assert.ok(set.replicas > 0);
      if (isActive === false) assert.not(set.replicas === 1);
    }),
    { numRuns: 200 },
  );
});

test.run();
