import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeClock, settle } from "../../test/support/fake-clock.ts";
import { KeyQueue, retryDelaysMs } from "./queue.ts";

const queue = suite("key queue");

/** Work that ends when the test says so. */
function harness(concurrency?: number) {
  const clock = new FakeClock();
  const started: string[] = [];
  const failures: number[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const keys = new KeyQueue({
    clock,
    concurrency,
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

queue.run();
