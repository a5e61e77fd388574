// A hub that is killed under load and started again, and a hub that is asked to stop.

import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Call, identity, isHeartbeat, large, packet } from "./process/client.ts";
import { grpcJs } from "./process/grpc-js-client.ts";
import { RawCall, rawSession, request } from "./process/raw-client.ts";
import { Signal, within } from "./support/deadline.ts";
import { manifestFolder, startHub } from "./support/hub-process.ts";
import { engram, story, storyRun, transport } from "./support/objects.ts";

const restart = suite("restart");

/** A Story of one sender and two receivers, through the hub, without credits. */
const manifests = () =>
  manifestFolder([
    transport("speech", { flowControl: { mode: "none" }, routing: { mode: "hub" } }),
    ...["a", "b", "c"].map((name) => engram(name)),
    story("restart", ["a", "b[a]", "c[a]"]),
    storyRun("run", "restart"),
  ]);

/** A step that connects again, with growing pauses, whenever its stream ends. */
class Step {
  readonly signal = new Signal();
  /** Numbers of the packets that arrived. */
  readonly got: number[] = [];
  sent = 0;
  streams = 0;
  readonly #name: string;
  readonly #address: string;
  readonly #isOver = new AbortController();
  readonly #done: Promise<void>;
  #call: Call | null = null;

  constructor(name: string, address: string) {
    this.#name = name;
    this.#address = address;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver.abort();
    this.#call?.cancel();
    await within(5_000, `the end of ${this.#name}`, this.#done);
  }

  async #run(): Promise<void> {
    let pauseMs = 50;
    while (!this.#isOver.signal.aborted) {
      const client = grpcJs.connect(this.#address, null);
      const call = this.#call = client.call(identity(this.#name));
      this.streams++;
      if (this.#name === "a") void this.#produce(call);
      for (;;) {
        const response = await call.read();
        if ("code" in response) break;
        pauseMs = 50;
        if (isHeartbeat(response.packet)) continue;
        this.got.push(Number(response.packet?.metadata["id"]));
        this.signal.notify();
      }
      this.#call = null;
      client.close();
      await pause(pauseMs, undefined, { signal: this.#isOver.signal }).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, 500);
    }
  }

  /** A few thousand packets a second for as long as the call is the one in force. */
  async #produce(call: Call): Promise<void> {
    while (this.#call === call) {
      const sends = Array.from({ length: 10 }, () => call.send(packet(String(this.sent++))));
      await Promise.all(sends);
      await pause(2);
    }
  }
}

restart("after a kill -9 under load and a start on the same port all streams deliver again within 5 s", async () => {
  await using folder = await manifests();
  await using first = await startHub(folder.path, 0);
  const [a, b, c] = ["a", "b", "c"].map((name) => new Step(name, first.address)) as [Step, Step, Step];
  try {
    for (const step of [b, c]) await step.signal.until("packets under load", () => step.got.length > 500);
    const killedMs = performance.now();
    assert.is(await first.stop("SIGKILL"), null);
    const sentBefore = a.sent;
    await using second = await startHub(folder.path, Number(first.address.split(":")[1]));
    assert.is(second.address, first.address);
    for (const step of [b, c]) {
      await step.signal.until("packets after the restart", () => (step.got.at(-1) ?? 0) > sentBefore + 100);
    }
    const tookMs = performance.now() - killedMs;
    assert.ok(tookMs < 5_000, `took ${tookMs} ms`);
    for (const { got } of [b, c]) {
      assert.ok(got.every((number, i) => i === 0 || number > got[i - 1]!), "in order, and none twice");
    }
    assert.ok([a, b, c].every(({ streams }) => streams > 1));
  } finally {
    for (const step of [a, b, c]) await step.stop();
  }
});

restart(
  "a hub that is asked to stop gives connected steps what it accepted, says why it ends, and exits 0",
  async () => {
    const count = 80;
    await using folder = await manifests();
    await using hub = await startHub(folder.path, 0);
    await hub.ready();
    using session = rawSession(hub.address);
    // b does not read: what its HTTP/2 window does not take waits in the hub
    const [b, c] = [new RawCall(session, "b"), new RawCall(session, "c").read()];
    const a = new RawCall(session, "a").read();
    for (const call of [a, b, c]) await call.signal.until("the stream", () => call.headers !== null);
    for (let i = 0; i < count; i++) a.stream.write(request(large(String(i), 10_000)));
    a.stream.end();
    assert.is(await a.status(), "0 ", "all of it is accepted");
    assert.is((await c.ids(count)).length, count);
    const stopped = hub.stop("SIGTERM");
    await hub.logged("hub stops");
    const late = new RawCall(session, "a").read();
    assert.is(await late.status(), "14 the hub is stopping");
    b.read();
    assert.equal([...await b.ids(count)], Array.from({ length: count }, (_, i) => String(i)));
    for (const call of [b, c]) {
      assert.is(await call.status(), "14 the hub is stopping");
      assert.is(call.trailers?.["bobravoz-reason"], "HubDraining");
      call.stream.end();
    }
    assert.is(await stopped, 0);
  },
);

restart.run();
