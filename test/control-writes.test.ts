/** How often the control loop writes, and what is left when it is cut off in the midst of it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryCluster } from "../src/adapters/cluster/memory.ts";
import { TransportError } from "../src/contract/errors.ts";
import type { Resource } from "../src/contract/resources.ts";
import { silentLog } from "../src/contract/runtime.ts";
import type { Cluster } from "../src/control/cluster.ts";
import { Control } from "../src/control/loop.ts";
import { FakeClock, settle } from "./support/fake-clock.ts";
import { engram, story, storyRun, transport } from "./support/objects.ts";

const it = suite("writes of the control loop");

const steps = ["a", "b[a]", "c[b]", "d[c]"];

/** A cluster that counts writes, and does none after `left` of them. */
class Counted {
  readonly memory: MemoryCluster;
  readonly writes: string[] = [];
  left = Infinity;

  constructor(clock: FakeClock, runs: number) {
    this.memory = new MemoryCluster(clock);
    const objects: Resource[] = [transport("speech"), ...["a", "b", "c", "d"].map((name) => engram(name))];
    objects.push(story("voice", steps));
    for (let i = 0; i < runs; i++) objects.push(storyRun(`voice-${i}`, "voice"));
    for (const object of objects) this.memory.put(object);
  }

  get cluster(): Cluster {
    const { memory } = this;
    const count = (write: string) => {
      if (this.left <= 0) throw new TransportError("Unavailable", "the process is gone");
      this.left -= 1;
      this.writes.push(write);
    };
    return {
      watch: (onEvent, signal) => memory.watch(onEvent, signal),
      create: (object, signal) => {
        count(`create ${object.metadata.name}`);
        return memory.create(object, signal);
      },
      replace: (object, signal) => {
        count(`replace ${object.metadata.name}`);
        return memory.replace(object, signal);
      },
      delete: (kind, namespace, name, signal) => {
        count(`delete ${name}`);
        return memory.delete(kind, namespace, name, signal);
      },
      removeFinalizer: (kind, namespace, name, finalizer, signal) =>
        memory.removeFinalizer(kind, namespace, name, finalizer, signal),
      applyStatus: (kind, namespace, name, manager, status, signal) => {
        count(`status ${name}`);
        return memory.applyStatus(kind, namespace, name, manager, status, signal);
      },
      recordEvent: (event) => memory.recordEvent(event),
    };
  }
}

function control(counted: Counted, clock: FakeClock, isLeader = () => true) {
  const stop = new AbortController();
  const decide = { hubEndpoint: () => "hub:9000" };
  const { cluster } = counted;
  const loop = new Control({ cluster, clock, log: silentLog, bindings: "create", decide, isLeader });
  const running = loop.run(stop.signal);
  return {
    loop,
    async stop(): Promise<void> {
      stop.abort();
      await running;
    },
  };
}

function state(counted: Counted): readonly unknown[] {
  return counted.memory.objects
    .map(({ kind, metadata: { name, generation }, ...rest }) => ({ kind, name, generation, ...rest }))
    .sort((a, b) => `${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1);
}

it("a binding costs one create and one status write, a run two status writes, and a restart none", async () => {
  const clock = new FakeClock();
  const counted = new Counted(clock, 20);
  const first = control(counted, clock);
  await first.loop.synced;
  for (let turn = 0; turn < 50; turn++) await clock.stepAsync(100);
  const times = Map.groupBy(counted.writes, (write) => write);
  for (const [write, all] of times) assert.is(all.length, /^status voice-\d+$/.test(write) ? 2 : 1, write);
  assert.is(counted.writes.length, 20 * (4 + 4 + 2));
  await first.stop();
  const second = control(counted, clock);
  await second.loop.synced;
  await clock.stepAsync(600_000);
  assert.is(counted.writes.length, 20 * (4 + 4 + 2));
  await second.stop();
});

it("cut off after any write, the next process does the rest and nothing twice", async () => {
  const clock = new FakeClock();
  const whole = new Counted(clock, 2);
  const reference = control(whole, clock);
  await reference.loop.synced;
  await clock.stepAsync(5_000);
  await reference.stop();
  const wanted = state(whole);
  for (let cut = 0; cut <= whole.writes.length; cut++) {
    const clock = new FakeClock();
    const counted = new Counted(clock, 2);
    counted.left = cut;
    const first = control(counted, clock);
    await first.loop.synced;
    await settle();
    await first.stop();
    counted.left = Infinity;
    const second = control(counted, clock);
    await second.loop.synced;
    await clock.stepAsync(60_000);
    await second.stop();
    assert.equal(state(counted), wanted, `cut off after ${cut} writes`);
    assert.is(counted.writes.length, whole.writes.length, `cut off after ${cut} writes`);
  }
});

it("two processes of which one leads write once, and after a change of leader no write is missing or doubled", async () => {
  const clock = new FakeClock();
  const counted = new Counted(clock, 5);
  let leader = "one";
  const one = control(counted, clock, () => leader === "one");
  const two = control(counted, clock, () => leader === "two");
  await one.loop.synced;
  await two.loop.synced;
  counted.left = 13;
  await settle();
  // the first one is held in the midst of its writes, and the other one leads
  leader = "two";
  counted.left = Infinity;
  two.loop.lead();
  for (let turn = 0; turn < 50; turn++) await clock.stepAsync(1_000);
  assert.is(counted.writes.length, 5 * (4 + 4 + 2));
  for (const run of counted.memory.objects.filter(({ kind }) => kind === "StoryRun")) {
    const conditions = (run.status as { conditions?: readonly { type: string; status: string }[] }).conditions ?? [];
    assert.equal(conditions.map(({ type, status }) => type + status).sort(), ["ReadyTrue", "TransportReadyTrue"]);
  }
  await one.stop();
  await two.stop();
});

it.run();
