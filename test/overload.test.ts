// A producer that is ten times too fast: what is dropped, what arrives, what is counted, and what it costs.

import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JsonObject } from "../src/contract/resources.ts";
import { decideRun } from "../src/control/decisions.ts";
import { MemoryWorld } from "../src/control/world.ts";
import type { RunPlan } from "../src/routing/plan.ts";
import { large } from "./process/client.ts";
import { RawCall, rawSession, request } from "./process/raw-client.ts";
import { eventually } from "./support/eventually.ts";
import { engram, story, storyRun, transport } from "./support/objects.ts";
import { serveHub } from "./support/serve-hub.ts";

const overload = suite("overload");

const perRound = 10;
/** Credits of the receiver before it grants any: the first round passes whole. */
const initialCredits = perRound;
const packetBytes = 20_000;

/** The plan of `demo/run` with the steps a and b, as manifests with these streaming settings give it. */
function planOf(ofTransport: JsonObject, ofStory?: JsonObject): RunPlan {
  const world = new MemoryWorld();
  const each = story("overload", ["a", "b[a]"]);
  const [entry] = each.spec.transports ?? [];
  const objects = [
    transport("speech", ofTransport),
    engram("a"),
    engram("b"),
    {
      ...each,
      spec: { ...each.spec, transports: [{ name: "main", transportRef: "speech", ...entry, streaming: ofStory }] },
    },
    storyRun("run", "overload"),
  ];
  for (const object of objects) world.upsert(object);
  const decision = decideRun(world, "demo", "run", { hubEndpoint: () => "127.0.0.1:9000" });
  if (decision === null || decision.failure !== null) throw decision?.failure ?? new Error("no decision");
  return decision.plan;
}

function settings(buffer: JsonObject, more: JsonObject = {}): JsonObject {
  return {
    backpressure: { buffer },
    flowControl: { mode: "credits", initialCredits: { messages: initialCredits, bytes: 10_485_760 } },
    routing: { mode: "hub" },
    ...more,
  };
}

const lane = (maxMessages: number) => ({ lanes: [{ name: "all", kind: "binary", maxMessages, maxBytes: 10_485_760 }] });

interface Outcome {
  /** Ids that arrived at the overloaded pace, one for each ten that were sent. */
  readonly during: readonly string[];
  /** Ids that still waited when the producer stopped. */
  readonly waiting: readonly string[];
  readonly sent: number;
  readonly delivered: number;
  readonly dropped: Readonly<Record<string, number>>;
  /** Growth of the process between the first third and the end. */
  readonly grownBytes: number;
}

/** Sends ten packets for each that the receiver has credit for, then lets it take the rest. */
async function run(plan: RunPlan, rounds: number, expectWaiting: number): Promise<Outcome> {
  await using hub = await serveHub(plan);
  using session = rawSession(hub.address);
  const [from, to] = [new RawCall(session, "a").read(), new RawCall(session, "b").read()];
  await eventually("both streams", () => hub.hub.facts().activeStreams === 2);
  let rssBytes = 0;
  let sent = 0;
  for (let round = 0; round < rounds; round++) {
    if (round > 0) to.stream.write(request({ flow: { creditsMessages: 1, creditsBytes: 1 << 20 } }));
    for (let i = 0; i < perRound; i++) from.stream.write(request(large(String(sent++), packetBytes)));
    await eventually("the round at the hub", () => hub.edge("a>b").received === sent);
    await to.ids(initialCredits + round);
    if (round === Math.floor(rounds / 3)) rssBytes = process.memoryUsage().rss;
  }
  const during = [...to.packets];
  const grownBytes = process.memoryUsage().rss - rssBytes;
  const waiting = hub.edge("a>b").buffered;
  assert.is(waiting, expectWaiting);
  for (let left = waiting; left > 0; left -= initialCredits) {
    to.stream.write(request({ flow: { creditsMessages: initialCredits, creditsBytes: 10_485_760 } }));
    await to.ids(during.length + waiting - Math.max(left - initialCredits, 0));
  }
  const edge = hub.edge("a>b");
  const dropped = Object.fromEntries(edge.dropped);
  const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  assert.is(edge.received, edge.delivered + edge.buffered + lost, "received = delivered + buffered + dropped");
  assert.is(edge.buffered, 0);
  const all = [...to.packets];
  for (const call of [from, to]) call.stream.close(8); // CANCEL
  return { during, waiting: all.slice(during.length), sent, delivered: edge.delivered, dropped, grownBytes };
}

function newest(sent: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(sent - count + i));
}

overload("drop_oldest with a lane as large as its buffer keeps the newest 500, and memory stays flat", async () => {
  const buffer = { maxMessages: 500, maxBytes: 10_485_760, dropPolicy: "drop_oldest" };
  const { during, waiting, sent, delivered, dropped, grownBytes } = await run(
    planOf(settings(buffer, lane(500))),
    500,
    500,
  );
  assert.equal(waiting, newest(sent, 500));
  assert.is(delivered, during.length + 500);
  assert.equal(dropped, { drop_oldest_lane: sent - delivered });
  assert.equal(during, [...during].sort((a, b) => Number(a) - Number(b)), "in order");
  // about 67 MB passed meanwhile
  assert.ok(grownBytes < 30_000_000, `grew by ${grownBytes} bytes`);
});

overload("with the default lanes it keeps the newest of a lane, and says so", async () => {
  const buffer = { maxMessages: 500, maxBytes: 10_485_760, dropPolicy: "drop_oldest" };
  // the default lane takes 100 messages and 1 MiB, which is less here
  const fits = Math.floor((1 << 20) / (packetBytes + 150));
  const { waiting, sent, dropped } = await run(planOf(settings(buffer)), 100, fits);
  assert.equal(waiting, newest(sent, fits));
  assert.equal(Object.keys(dropped), ["drop_oldest_lane"]);
});

overload("the Transport's settings are the default, and the Story's entry overrides them", async () => {
  const ofTransport = settings({ maxMessages: 500, maxBytes: 10_485_760, dropPolicy: "drop_newest" }, lane(500));
  const ofStory = { backpressure: { buffer: { maxMessages: 60, dropPolicy: "drop_oldest" } } };
  const { waiting, sent, dropped, delivered } = await run(planOf(ofTransport, ofStory), 60, 60);
  assert.equal(waiting, newest(sent, 60));
  assert.equal(dropped, { drop_oldest: sent - delivered });
});

overload("drop_newest keeps what came first", async () => {
  const buffer = { maxMessages: 50, maxBytes: 10_485_760, dropPolicy: "drop_newest" };
  const { during, waiting, dropped, sent, delivered } = await run(planOf(settings(buffer, lane(50))), 40, 50);
  assert.equal([...during, ...waiting].slice(0, 50), newest(50, 50));
  assert.is(waiting.length, 50);
  assert.equal(dropped, { lane_full: sent - delivered });
});

overload("without a drop policy the producer is slowed, and everything arrives", async () => {
  const count = 400;
  await using hub = await serveHub(planOf(settings({ maxMessages: 50, maxBytes: 10_485_760 }, lane(50))), {
    config: { stallLimitMs: 20_000 },
  });
  using session = rawSession(hub.address);
  const [from, to] = [new RawCall(session, "a").read(), new RawCall(session, "b").read()];
  await eventually("both streams", () => hub.hub.facts().activeStreams === 2);
  let written = 0;
  const feed = () => {
    while (written < count && from.stream.write(request(large(String(written++), packetBytes))));
  };
  from.stream.on("drain", feed);
  feed();
  await eventually("a full buffer", () => hub.edge("a>b").buffered > 50);
  assert.ok(written < 200, `${written} were taken from a producer that nobody keeps up with`);
  while (to.packets.length < count) {
    const before = to.packets.length;
    to.stream.write(request({ flow: { creditsMessages: initialCredits, creditsBytes: 10_485_760 } }));
    await to.ids(Math.min(before + 1, count));
  }
  assert.equal(to.packets, newest(count, count));
  assert.is(hub.edge("a>b").dropped.size, 0);
  for (const call of [from, to]) call.stream.close(8); // CANCEL
});

overload.run();
