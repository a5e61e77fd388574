/** The control loop over a cluster in memory, with a clock that the test steps. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryCluster } from "../src/adapters/cluster/memory.ts";
import type { Condition, JsonObject, Resource } from "../src/contract/resources.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { connectorConditions } from "../src/control/decisions.ts";
import { Control, type ControlOptions } from "../src/control/loop.ts";
import { FakeClock, settle } from "./support/fake-clock.ts";
import { binding, engram, story, storyRun, transport } from "./support/objects.ts";

const loop = suite("control loop");

const signal = new AbortController().signal;

function harness(options: Partial<ControlOptions> = {}) {
  const clock = new FakeClock();
  const cluster = new MemoryCluster(clock);
  const changes: string[] = [];
  const control = new Control({
    cluster,
    clock,
    log: silentLog,
    decide: { hubEndpoint: () => "127.0.0.1:9000" },
    bindings: "create",
    ...options,
  });
  control.subscribe((namespace, run) => changes.push(`${namespace}/${run}`));
  return {
    clock,
    cluster,
    control,
    changes,
    async put(...objects: Resource[]): Promise<void> {
      for (const object of objects) cluster.put(object);
      await settle();
    },
    async start(): Promise<void> {
      void control.run(signal);
      await control.synced;
      await settle();
    },
    binding: (name: string) => cluster.get("TransportBinding", "demo", name),
    condition: (type: string) =>
      cluster.get("StoryRun", "demo", "voice-1")?.status?.conditions?.find((c) => c.type === type),
    bindings: () => cluster.objects.filter(({ kind }) => kind === "TransportBinding").map((o) => o.metadata.name),
    events: () => cluster.events.map(({ type, reason, message, count }) => `${type} ${reason}: ${message} (${count})`),
    versions: () => cluster.objects.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`),
    report: (step: string, listener: string | null) =>
      cluster.applyStatus("TransportBinding", "demo", `voice-1-${step}-transport`, "bobravoz-connector", {
        conditions: [
          condition(connectorConditions.ready, "reported"),
          ...listener === null ? [] : [condition(connectorConditions.peerListening, listener)],
        ] as unknown as JsonObject[],
      }, signal),
  };
}

function condition(type: string, message: string): Condition {
  return { type, status: "True", reason: "Any", message, lastTransitionTime: "2026-01-01T00:00:00Z" };
}

const objects = () => [
  transport("speech"),
  engram("a"),
  engram("b"),
  engram("c"),
  story("voice", ["a", "b[a]", "c[b]"]),
  storyRun("voice-1", "voice"),
];

loop("a realtime run gets its bindings with address and decision, and is ready (C-061, C-066)", async () => {
  const world = harness();
  await world.put(...objects());
  await world.start();
  assert.equal(world.bindings(), ["voice-1-a-transport", "voice-1-b-transport", "voice-1-c-transport"]);
  const status = world.binding("voice-1-a-transport")?.status;
  assert.is(status?.endpoint, "127.0.0.1:9000");
  assert.is(status?.upstreamHost, "voice-1-b.demo.svc.cluster.local:50051");
  const resolved = status?.conditions?.find(({ type }) => type === "EndpointResolved");
  assert.is(resolved?.reason, "PeerListenerMissing");
  assert.match(
    resolved?.message ?? "",
    /^hub: .*PeerListenerMissing, control-plane K-17.*2 network hops, metadata decoded/,
  );
  assert.is(world.condition("TransportReady")?.status, "True");
  assert.is(world.condition("Ready")?.status, "True");
  assert.equal(world.events(), ["Normal TransportReady: Transport is ready (1)"]);
});

loop("reconciling twice changes nothing (C-054)", async () => {
  const world = harness();
  await world.put(...objects());
  await world.start();
  const before = world.versions();
  world.clock.step(60_000);
  world.control.touch("demo", "voice-1");
  await settle();
  assert.equal(world.versions(), before);
  assert.equal(world.changes, ["demo/voice-1"]);
});

loop("an edge is direct once its receiver listens and its sender reported (K-17)", async () => {
  const world = harness();
  await world.put(...objects());
  await world.start();
  const edge = () => world.control.get("demo", "voice-1")?.topology?.edges[0];
  assert.equal([edge()?.published, edge()?.effective], ["p2p", "hub"]);
  await world.report("b", "127.0.0.1:7001");
  await settle();
  assert.equal([edge()?.effective, edge()?.reason], ["hub", "PeerNotReported"]);
  await world.report("a", null);
  await settle();
  assert.is(edge()?.effective, "p2p");
  const sender = world.control.get("demo", "voice-1")?.bindings[0];
  assert.equal(sender?.downstreams[0]?.peer, { step: "b", endpoint: "127.0.0.1:7001", serverName: "" });
  assert.is(world.control.get("demo", "voice-1")?.plan.steps.get("a")?.targets[0]?.mode, "p2p");
});

loop("an edge that drains is looked at again without an event", async () => {
  let isDrained = false;
  const world = harness({ decide: { hubEndpoint: () => "h:1", drained: () => isDrained } });
  await world.put(...objects());
  await world.start();
  await world.report("b", "127.0.0.1:7001");
  await world.report("a", null);
  await settle();
  const edge = () => world.control.get("demo", "voice-1")?.topology?.edges[0];
  assert.is(edge()?.reason, "EdgeDraining");
  await world.clock.stepAsync(200);
  assert.is(edge()?.effective, "hub");
  isDrained = true;
  await world.clock.stepAsync(200);
  assert.is(edge()?.effective, "p2p");
  assert.is(world.clock.pending, 0);
});

loop("a batch Story's run is left alone (C-060)", async () => {
  const world = harness();
  const batch = story("voice", ["a"]);
  await world.put(
    ...objects().slice(0, 4),
    { ...batch, spec: { ...batch.spec, pattern: "batch" } },
    storyRun("voice-1", "voice"),
  );
  await world.start();
  assert.is(world.control.get("demo", "voice-1"), null);
  assert.equal(world.bindings(), []);
  assert.is(world.cluster.get("StoryRun", "demo", "voice-1")?.status, undefined);
  assert.equal(world.events(), []);
});

loop("an unknown transport type is refused by condition and event (C-061)", async () => {
  const world = harness();
  const odd = story("voice", ["a"]);
  const annotations = { "bobravoz.bubustack.io/transport": "pigeon" };
  await world.put(
    ...objects().slice(0, 4),
    { ...odd, metadata: { ...odd.metadata, annotations } },
    storyRun("voice-1", "voice"),
  );
  await world.start();
  const ready = world.condition("TransportReady");
  assert.equal([ready?.status, ready?.reason], ["False", "InvalidConfiguration"]);
  assert.match(world.events().join(), /^Warning InvalidTransportAnnotation: .*"pigeon": only grpc is known \(1\)$/);
});

loop("a missing Story gives one event, and wakes the run when it comes (C-065)", async () => {
  const world = harness();
  await world.put(...objects().slice(0, 4), storyRun("voice-1", "voice"));
  await world.start();
  await world.clock.stepAsync(120_000);
  assert.equal(world.events(), [
    "Warning ParentStoryMissing: UnknownStory: StoryRun demo/voice-1 refers to Story demo/voice, which does not exist (1)",
  ]);
  assert.is(world.cluster.get("StoryRun", "demo", "voice-1")?.status, undefined);
  assert.is(world.control.get("demo", "voice-1")?.failure?.reason, "UnknownStory");
  await world.put(story("voice", ["a"]));
  assert.is(world.condition("TransportReady")?.status, "True");
});

loop("a Story in another namespace is found through the reference (C-071)", async () => {
  const world = harness();
  const other = story("voice", ["a"]);
  const run = storyRun("voice-1", "voice");
  await world.put(
    transport("speech"),
    engram("a"),
    { ...other, metadata: { ...other.metadata, namespace: "library" } },
    { ...run, spec: { storyRef: { name: "voice", namespace: "library" } } },
  );
  await world.start();
  assert.is(world.condition("TransportReady")?.status, "True");
});

loop("a cycle and an unknown engram are refused and named", async () => {
  const world = harness();
  await world.put(...objects().slice(0, 3), story("voice", ["a[b]", "b[a]"]), storyRun("voice-1", "voice"));
  await world.start();
  assert.equal(world.condition("TransportReady")?.reason, "Cycle");
  assert.match(world.condition("TransportReady")?.message ?? "", /a, b/);
  await world.put(story("voice", ["a", "ghost[a]"]));
  assert.equal(world.condition("TransportReady")?.reason, "UnknownEngram");
  assert.match(world.condition("TransportReady")?.message ?? "", /demo\/ghost/);
  assert.equal(world.bindings(), []);
  await world.put(engram("ghost"));
  assert.is(world.condition("TransportReady")?.status, "True");
});

loop("an edit that is refused leaves the decision before in force, and says why (K-38)", async () => {
  const world = harness();
  await world.put(...objects());
  await world.start();
  await world.put(story("voice", ["a", "b[a]", "ghost[b]"]));
  const kept = world.control.get("demo", "voice-1");
  assert.is(kept?.failure, null);
  assert.is(kept?.lastFault?.reason, "UnknownEngram");
  assert.equal([kept?.plan.refusal, kept?.plan.storyGeneration], [null, 1]);
  assert.is(world.bindings().length, 3);
  assert.is(world.condition("TransportReady")?.status, "True");
  assert.match(world.condition("TransportReady")?.message ?? "", /an edit is refused: .*demo\/ghost/);
  assert.is(
    world.events().filter((text) => text.startsWith("Warning TransportReconcileFailed: UnknownEngram")).length,
    1,
  );
  // Peers still come and go meanwhile.
  await world.report("b", "127.0.0.1:7001");
  await world.report("a", null);
  await settle();
  assert.is(world.control.get("demo", "voice-1")?.topology?.edges[0]?.effective, "p2p");
  await world.put(story("voice", ["a", "b[a]"]));
  const next = world.control.get("demo", "voice-1");
  assert.equal([next?.lastFault, next?.plan.storyGeneration], [null, 3]);
  assert.equal(world.bindings(), ["voice-1-a-transport", "voice-1-b-transport"]);
});

loop("an edited setting changes the binding in place", async () => {
  const world = harness();
  await world.put(...objects());
  await world.start();
  await world.report("a", null);
  const before = world.binding("voice-1-a-transport");
  await world.put(transport("speech", { backpressure: { buffer: { maxMessages: 7 } } }));
  const after = world.binding("voice-1-a-transport");
  assert.is(after?.metadata.uid, before?.metadata.uid);
  assert.is(after?.metadata.generation, 2);
  assert.match(JSON.stringify(after?.spec.rawSettings), /"maxMessages":7/);
  assert.ok(after?.status?.conditions?.some(({ type }) => type === "Ready"));
  assert.is(world.control.get("demo", "voice-1")?.plan.steps.get("a")?.delivery.buffer.maxMessages, 7);
});

loop("C-069 a run that is over loses its bindings, is not written to and not looked at again", async () => {
  const world = harness();
  await world.put(...objects());
  await world.start();
  await world.cluster.applyStatus("StoryRun", "demo", "voice-1", "operator", { phase: "Succeeded" }, signal);
  await settle();
  assert.is(world.control.get("demo", "voice-1"), null);
  assert.equal(world.bindings(), []);
  const version = world.cluster.get("StoryRun", "demo", "voice-1")?.metadata.resourceVersion;
  await world.clock.stepAsync(120_000);
  assert.is(world.cluster.get("StoryRun", "demo", "voice-1")?.metadata.resourceVersion, version);
});

loop("conditions that were taken away come back (X-09)", async () => {
  const world = harness();
  await world.put(...objects());
  await world.start();
  await world.cluster.applyStatus("StoryRun", "demo", "voice-1", "bobravoz-controller", {}, signal);
  await settle();
  assert.is(world.condition("TransportReady")?.status, "True");
});

loop(
  "C-050, C-056 a foreign binding keeps its spec, labels and owner; one of another run is not adopted",
  async () => {
    const world = harness();
    await world.put(...objects());
    const run = world.cluster.get("StoryRun", "demo", "voice-1")!;
    const foreign = binding("voice-1-a-transport", run, "a");
    const stranger = binding("voice-1-b-transport", run, "b");
    await world.put(foreign, {
      ...stranger,
      spec: { ...stranger.spec, storyRunRef: { name: "voice-1", namespace: "demo", uid: "other" } },
    });
    await world.start();
    const kept = world.binding("voice-1-a-transport");
    assert.equal(kept?.spec, foreign.spec);
    assert.is(kept?.metadata.labels, undefined);
    assert.is(kept?.status?.endpoint, "127.0.0.1:9000");
    assert.is(kept?.status?.upstreamHost, undefined);
    assert.is(world.binding("voice-1-b-transport")?.status, undefined);
    const ready = world.condition("TransportReady");
    assert.equal([ready?.status, ready?.reason], ["False", "BindingCollision"]);
    assert.match(ready?.message ?? "", /binding "voice-1-b-transport" belongs to a StoryRun .* of uid other/);
    assert.match(world.events().join(), /Warning BindingCollision: binding "voice-1-b-transport" belongs to/);
  },
);

loop("beside a workflow operator missing bindings are left to it for the grace (K-01)", async () => {
  const world = harness({ bindings: "wait" });
  await world.put(...objects());
  await world.start();
  await world.clock.stepAsync(9_999);
  assert.equal(world.bindings(), []);
  assert.is(world.condition("TransportReady"), undefined);
  await world.clock.stepAsync(1);
  assert.is(world.bindings().length, 3);
  assert.is(world.condition("TransportReady")?.status, "True");
});

loop.run();
