import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { FakeClock, settle } from "../../test/support/fake-clock.ts";
import { KeyQueue, retryDelaysMs } from "./queue.ts";

const queue = suite("key queue");

/** Work that ends when the test says so. */
function harness(concurrency?: number, rate?: { perSecond: number; burst: number }) {
  const clock = new FakeClock();
  const started: string[] = [];
  const failures: number[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const keys = new KeyQueue({
    clock,
    concurrency,
    rate,
    work: (key) => {
      started.push(key);
      return new Promise((resolve, reject) =>
        ends.set(key, (error) => error === undefined ? resolve() : reject(error))
      );
    },
    onFailure: (_key, _error, retryMs) => failures.push(retryMs),
  });
  return { clock, started, failures, keys, end: (key: string, error?: Error) => ends.get(key)!(error) };
}

queue("a key is worked on one at a time, and once more for all that came meanwhile", async () => {
  const { keys, started, end } = harness();
  keys.add("a");
  keys.add("a");
  await settle();
  keys.add("a");
  keys.add("a");
  keys.add("b");
  await settle();
  assert.equal(started, ["a", "b"]);
  end("a");
  end("b");
  await settle();
  assert.equal(started, ["a", "b", "a"]);
  end("a");
  await settle();
  assert.is(keys.size, 0);
});

queue("no more keys than allowed are worked on at the same time", async () => {
  const { keys, started, end } = harness(2);
  for (const key of ["a", "b", "c"]) keys.add(key);
  await settle();
  assert.equal(started, ["a", "b"]);
  end("b");
  await settle();
  assert.equal(started, ["a", "b", "c"]);
});

queue("a key that fails comes back after 2, 4, 8, 16, 30, 30 seconds", async () => {
  const { keys, started, failures, end, clock } = harness();
  keys.add("a");
  await settle();
  for (const delayMs of [...retryDelaysMs, 30_000]) {
    end("a", new Error("no"));
    await settle();
    const tries = started.length;
    await clock.stepAsync(delayMs - 1);
    assert.is(started.length, tries);
    await clock.stepAsync(1);
    assert.is(started.length, tries + 1);
  }
  assert.equal(failures, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  end("a");
  await settle();
  assert.is(keys.size, 0);
});

queue("an event brings a failed key back at once", async () => {
  const { keys, started, end, clock } = harness();
  keys.add("a");
  await settle();
  end("a", new Error("no"));
  await settle();
  keys.add("a");
  await settle();
  assert.equal(started, ["a", "a"]);
  end("a");
  await clock.stepAsync(60_000);
  assert.equal(started, ["a", "a"]);
  assert.is(clock.pending, 0);
});

queue("close waits for what is worked on and takes nothing more", async () => {
  const { keys, started, end } = harness();
  keys.add("a");
  await settle();
  let closed = false;
  const closing = keys.close().then(() => closed = true);
  keys.add("b");
  await settle();
  assert.not(closed);
  end("a");
  await closing;
  assert.equal(started, ["a"]);
});

queue("no more work is begun in a second than allowed, and a pause saves up no more than the burst", async () => {
  const { keys, started, end, clock } = harness(100, { perSecond: 2, burst: 3 });
  for (let i = 0; i < 8; i++) keys.add(`demo/${i}`);
  await settle();
  assert.is(started.length, 3);
  await clock.stepAsync(499);
  assert.is(started.length, 3);
  await clock.stepAsync(1);
  assert.is(started.length, 4);
  await clock.stepAsync(2_000);
  assert.is(started.length, 8);
  for (const key of [...started]) end(key);
  await clock.stepAsync(60_000);
  for (let i = 0; i < 8; i++) keys.add(`demo/${i}`);
  await settle();
  assert.is(started.length, 11);
});

queue("an urgent key has the next free place, before those that waited longer", async () => {
  const { keys, started, end } = harness(1);
  for (const key of ["demo/a", "demo/b", "demo/c"]) keys.add(key);
  await settle();
  keys.add("demo/new", true);
  end("demo/a");
  await settle();
  assert.equal(started, ["demo/a", "demo/new"]);
});

queue("a server that asks to be left alone for longer is", async () => {
  const { keys, started, failures, end, clock } = harness();
  keys.add("a");
  await settle();
  end("a", new Error("too many requests", { cause: { status: 429, retryAfterMs: 7_000 } }));
  await clock.stepAsync(6_999);
  assert.equal(failures, [7_000]);
  assert.is(started.length, 1);
  await clock.stepAsync(1);
  assert.is(started.length, 2);
});

queue(
  "whatever comes and fails, a key is never worked on twice at a time, and what was asked last is done",
  async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("add" as const), key: fc.constantFrom("a/1", "a/2", "b/1"), urgent: fc.boolean() }),
      fc.record({ do: fc.constantFrom("end" as const, "fail" as const), key: fc.constantFrom("a/1", "a/2", "b/1") }),
      fc.record({ do: fc.constant("step" as const), ms: fc.integer({ min: 1, max: 5_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, n) => {
        const clock = new FakeClock();
        const running = new Map<string, (error?: Error) => void>();
        // asked for, and not begun since
        const owed = new Set<string>();
        const keys = new KeyQueue({
          clock,
          concurrency: n,
          rate: { perSecond: 5, burst: 2 },
          onFailure: (key) => owed.add(key),
          work: (key) => {
            assert.not(running.has(key), `${key} is worked on already`);
            assert.ok(running.size < n);
            owed.delete(key);
            return new Promise((resolve, reject) =>
              running.set(key, (error) => {
                running.delete(key);
                if (error === undefined) resolve();
                else reject(error);
              })
            );
          },
        });
        for (const each of steps) {
          if (each.do === "add") {
            owed.add(each.key);
            keys.add(each.key, each.urgent);
            await settle();
          } else if (each.do === "step") await clock.stepAsync(each.ms);
          else running.get(each.key)?.(each.do === "fail" ? new Error("no") : undefined);
          await settle();
        }
        for (let turn = 0; turn < 50 && (owed.size > 0 || running.size > 0); turn++) {
          for (const end of [...running.values()]) end();
          await clock.stepAsync(31_000);
        }
        assert.equal([...owed], []);
        assert.is(keys.size, 0);
        assert.is(clock.pending, 0);
      }),
      { numRuns: 60 },
    );
  },
);

queue.run();
