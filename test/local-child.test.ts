/** One child process, with a clock that the test steps. */
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Child, killAfterMs } from "../src/adapters/process/child.ts";
import { PortPool } from "../src/adapters/process/ports.ts";
import { Signal, within } from "./support/deadline.ts";
import { FakeClock } from "./support/fake-clock.ts";

const child = suite("child process");

function start(command: string, restart = true) {
  const clock = new FakeClock();
  const signal = new Signal();
  const seen: string[] = [];
  const see = (text: string) => {
    seen.push(text);
    signal.notify();
  };
  const subject = new Child({
    spec: { command, directory: process.cwd(), env: { PATH: process.env["PATH"] ?? "" } },
    clock,
    restart,
    onStart: () => see("start"),
    onLine: (stream, line) => see(`${stream} ${line}`),
    onDone: () => see("done"),
    onCrash: (exit, retryMs) => see(`crash ${exit.text} ${retryMs}`),
  });
  return { clock, seen, subject, saw: (text: string) => signal.until(text, () => seen.includes(text)) };
}

child("output comes in lines, the last one without an ending too", async () => {
  const { seen, saw } = start("printf 'a\\nb'; echo c >&2");
  await saw("done");
  assert.equal(seen.toSorted(), ["done", "start", "stderr c", "stdout a", "stdout b"]);
});

child("a program that crashes at its start comes back later each time", async () => {
  const { clock, saw, subject } = start("exit 3");
  for (const retryMs of [500, 1_000, 2_000, 4_000, 8_000, 10_000]) {
    await saw(`crash exit code 3 ${retryMs}`);
    clock.step(retryMs);
  }
  await subject.stop();
});

child("a program that ended with 0 is not started again", async () => {
  const { clock, seen, saw } = start("true");
  await saw("done");
  clock.step(60_000);
  assert.equal(seen, ["start", "done"]);
});

child("a signal that ended it is named", async () => {
  const { saw } = start("kill -SEGV $$", false);
  await saw("crash signal SIGSEGV null");
});

child("a program that ignores SIGTERM is killed after 5 s, and what it started with it", async () => {
  const { clock, saw, subject, seen } = start("trap '' TERM; echo ready; sleep 60 & wait; sleep 60");
  await saw("stdout ready");
  const stopping = subject.stop();
  clock.step(killAfterMs - 1);
  assert.ok(subject.pid !== undefined);
  clock.step(1);
  await within(5_000, "the program ends", stopping);
  assert.not(seen.some((text) => text.startsWith("crash")));
});

child("ports are free, different, and stay with their key", async () => {
  const pool = new PortPool();
  await pool.ready();
  const ports = ["a", "b", "c"].map((key) => pool.take(key));
  assert.is(new Set(ports).size, 3);
  assert.ok(ports.every((port) => port >= 20_000 && port < 32_000));
  assert.equal(["a", "b", "c"].map((key) => pool.take(key)), ports);
  for (let i = 0; i < 200; i++) {
    await pool.ready();
    pool.take(`more ${i}`);
  }
});

child("a pool that has no port says so", () => {
  assert.throws(() => new PortPool().take("demo/voice/a"), /no free loopback port for demo\/voice\/a is known yet/);
});

child.run();
