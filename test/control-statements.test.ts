/** The statements on StoryRuns and bindings (control-plane 12), beside a workflow operator that the test plays. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryCluster } from "../src/adapters/cluster/memory.ts";
import { annotations, finalizers } from "../src/contract/names.ts";
import type { Condition, JsonObject, Resource, StoryRun, TransportBinding } from "../src/contract/resources.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { pendingDelayMs } from "../src/control/coexistence.ts";
import { Control, type ControlOptions } from "../src/control/loop.ts";
import { FakeClock, settle } from "./support/fake-clock.ts";
import { binding, engram, story, storyRun, transport } from "./support/objects.ts";

const it = suite("statements of the control plane");

const signal = new AbortController().signal;
const hub = "hub-0.hubs.system.svc.cluster.local:9000";
const operator = "bobrapet";

/** A cluster with a run of the Story `voice` and the loop beside it; the test plays the workflow operator. */
async function bed(options: Partial<ControlOptions> = {}, objects: readonly Resource[] = voice()) {
  const clock = new FakeClock();
  const cluster = new MemoryCluster(clock);
  for (const object of objects) cluster.put(object);
  const stop = new AbortController();
  const control = new Control({
    cluster,
    clock,
    log: silentLog,
    bindings: "wait",
    decide: { hubEndpoint: () => hub },
    ...options,
  });
  void control.run(stop.signal);
  await control.synced;
  await settle();
  const run = () => cluster.get("StoryRun", "demo", "voice-1")!;
  const bindingOf = (step: string) => cluster.get("TransportBinding", "demo", `voice-1-${step}-transport`);
  return {
    clock,
    cluster,
    control,
    stop,
    run,
    bindingOf,
    async put(...more: Resource[]): Promise<void> {
      for (const object of more) cluster.put(object);
      await settle();
    },
    /** The workflow operator's first words on the run, and its bindings of some steps. */
    async begin(...steps: string[]): Promise<void> {
      await this.says("Running", [condition("Ready", "False", "StartingExecution")]);
      for (const step of steps) cluster.put(foreign(run(), step));
      await settle();
    },
    async says(phase: string, conditions: readonly Condition[]): Promise<void> {
      const status = { ...phase === "" ? {} : { phase }, conditions } as unknown as JsonObject;
      await cluster.applyStatus("StoryRun", "demo", "voice-1", operator, status, signal);
      await settle();
    },
    ready(): string {
      const found = run().status?.conditions?.find(({ type }) => type === "TransportReady");
      return found === undefined ? "none" : `${found.status} ${found.reason}: ${found.message}`;
    },
    resolved(step: string): string {
      const found = bindingOf(step)?.status?.conditions?.find(({ type }) => type === "EndpointResolved");
      return found === undefined ? "none" : `${found.status} ${found.reason}: ${found.message}`;
    },
    events: () => cluster.events.map(({ type, reason, count }) => `${type} ${reason} ${count}`),
    versions: () => cluster.objects.map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`),
  };
}

function voice(steps: readonly string[] = ["a", "b[a]"]): Resource[] {
  return [
    transport("speech"),
    engram("a"),
    engram("b"),
    engram("c"),
    story("voice", steps),
    storyRun("voice-1", "voice"),
  ];
}

function condition(type: string, status: Condition["status"], reason: string): Condition {
  return { type, status, reason, message: "", lastTransitionTime: "2026-01-01T00:00:00Z" };
}

function foreign(run: StoryRun, step: string): TransportBinding {
  return binding(`${run.metadata.name}-${step}-transport`, run, step);
}

function annotated(key: string, value: string): Resource {
  const object = story("voice", ["a", "b[a]"]);
  return { ...object, metadata: { ...object.metadata, annotations: { [key]: value } } };
}

it("C-060 a batch Story's run gets no finalizer, no condition, no event", async () => {
  const batch = story("voice", ["a", "b[a]"]);
  const world = await bed({}, [...voice(), { ...batch, spec: { ...batch.spec, pattern: "batch" } }]);
  await world.begin("a");
  const before = world.versions();
  await world.clock.stepAsync(120_000);
  assert.equal(world.versions(), before);
  assert.is(world.run().metadata.finalizers, undefined);
  assert.is(world.ready(), "none");
  assert.equal(world.events(), []);
});

it("C-061 no annotation means grpc, an unknown one is a condition and one Warning", async () => {
  const plain = await bed();
  await plain.begin("a", "b");
  assert.match(plain.ready(), /^True TransportReady/);
  for (const value of ["grpc", " grpc ", ""]) {
    const world = await bed({}, [...voice(), annotated(annotations.transportType, value)]);
    await world.begin("a", "b");
    assert.match(world.ready(), /^True TransportReady/, value);
  }
  const odd = await bed({}, [...voice(), annotated(annotations.transportType, "pigeon")]);
  await odd.begin("a", "b");
  assert.match(odd.ready(), /^False InvalidConfiguration: .*"pigeon"/);
  await odd.clock.stepAsync(120_000);
  assert.equal(odd.events(), ["Warning InvalidTransportAnnotation 1"]);
  await odd.put(annotated(annotations.transportType, "grpc"));
  assert.match(odd.ready(), /^True TransportReady/);
});

it("C-065 a missing Story is one Warning and no retry, and its creation wakes the run", async () => {
  const world = await bed({}, voice().filter(({ kind }) => kind !== "Story"));
  await world.begin("a", "b");
  const before = world.versions();
  await world.clock.stepAsync(300_000);
  assert.equal(world.events(), ["Warning ParentStoryMissing 1"]);
  assert.equal(world.versions(), before);
  await world.put(story("voice", ["a", "b[a]"]));
  assert.match(world.ready(), /^True TransportReady/);
});

it("C-066 the last missing binding makes the run ready, without a poll", async () => {
  const world = await bed();
  await world.begin("a");
  assert.match(world.ready(), /^False Reconciling: Waiting for the transport bindings of b$/);
  const atMs = world.clock.nowMs();
  await world.put(foreign(world.run(), "b"));
  assert.match(world.ready(), /^True TransportReady/);
  assert.is(world.clock.nowMs(), atMs);
  assert.is(world.bindingOf("b")?.status?.endpoint, hub);
});

it("C-067 what is missing is looked at again after 2, 4, 8, 16, 30 s by the time waited, without an event", async () => {
  assert.equal([0, 9_999, 10_000, 20_000, 30_000, 40_000, 1e9].map(pendingDelayMs), [
    2_000,
    2_000,
    4_000,
    8_000,
    16_000,
    30_000,
    30_000,
  ]);
  const looks: number[] = [];
  const clock: { now?: FakeClock } = {};
  const decide = {
    hubEndpoint: () => {
      if (clock.now !== undefined) looks.push(clock.now.monotonicMs() / 1000);
      return hub;
    },
  };
  const world = await bed({ decide });
  await world.begin("a");
  clock.now = world.clock;
  await world.clock.stepAsync(120_000);
  assert.equal(looks, [2, 4, 6, 8, 10, 14, 18, 22, 30, 46, 76, 106]);
});

it("C-068 a deleted run with an older operator's finalizer goes away, also without its Story and without a hub", async () => {
  const kept = { finalizers: [finalizers.hub, "example.org/other"], deletionTimestamp: "2026-01-01T00:00:00Z" };
  const gone = { finalizers: [finalizers.hub], deletionTimestamp: "2026-01-01T00:00:00Z" };
  const dying = (metadata: object): Resource => {
    const run = storyRun("voice-1", "voice");
    return { ...run, metadata: { ...run.metadata, ...metadata } };
  };
  for (
    const objects of [voice(), voice().filter(({ kind }) => kind !== "Story"), [
      ...voice(),
      annotated(annotations.transportType, "pigeon"),
    ]]
  ) {
    const others = objects.filter(({ kind }) => kind !== "StoryRun");
    const first = await bed({ decide: { hubEndpoint: () => "" } }, [...others, dying(gone)]);
    assert.is(first.run(), undefined);
    const second = await bed({}, [...others, dying(kept)]);
    assert.equal(second.run().metadata.finalizers, ["example.org/other"]);
    assert.is(second.ready(), "none");
  }
  const alive = await bed();
  await alive.begin("a", "b");
  await alive.put({ ...alive.run(), metadata: { ...alive.run().metadata, finalizers: [finalizers.hub] } });
  assert.equal(alive.run().metadata.finalizers, [finalizers.hub], "a run that lives keeps it");
});

it("C-069 a terminal run is not written to, and not looked at again", async () => {
  for (const phase of ["Succeeded", "Failed", "Finished", "Canceled", "Timeout", "Skipped"]) {
    const world = await bed();
    await world.begin("a");
    await world.says(phase, [condition("Ready", "False", phase)]);
    await settle();
    const before = world.versions();
    world.cluster.remove("TransportBinding", "demo", "voice-1-a-transport");
    await world.clock.stepAsync(120_000);
    assert.equal(world.versions(), before.filter((line) => !line.startsWith("TransportBinding")), phase);
    assert.is(world.clock.pending, 0);
  }
});

it("C-070 a redrive that takes away conditions, phase and bindings leads to a fresh TransportReady", async () => {
  const world = await bed();
  await world.begin("a", "b");
  assert.match(world.ready(), /^True/);
  // a redrive of all: children gone, status reset by a merge patch of the whole list
  for (const step of ["a", "b"]) world.cluster.remove("TransportBinding", "demo", `voice-1-${step}-transport`);
  for (const manager of [operator, "bobravoz-controller"]) {
    await world.cluster.applyStatus("StoryRun", "demo", "voice-1", manager, {}, signal);
  }
  await settle();
  assert.is(world.ready(), "none");
  await world.begin("a");
  assert.match(world.ready(), /^False Reconciling/);
  await world.put(foreign(world.run(), "b"));
  assert.match(world.ready(), /^True/);
  // from a step on, the operator takes all conditions away and never writes one again (cluster/11)
  for (const manager of [operator, "bobravoz-controller"]) {
    await world.cluster.applyStatus("StoryRun", "demo", "voice-1", manager, { phase: "Running" }, signal);
  }
  await world.clock.stepAsync(9_999);
  assert.is(world.ready(), "none");
  await world.clock.stepAsync(1);
  assert.match(world.ready(), /^True/);
});

it("C-071 a Story in another namespace is found through storyRef.namespace, and wakes the run", async () => {
  const run = storyRun("voice-1", "voice");
  const away = { ...run, spec: { storyRef: { name: "voice", namespace: "library" } } };
  const world = await bed({}, [...voice().filter(({ kind }) => kind !== "Story" && kind !== "StoryRun"), away]);
  await world.begin("a", "b");
  assert.equal(world.events(), ["Warning ParentStoryMissing 1"]);
  const library = story("voice", ["a", "b[a]"]);
  await world.put({ ...library, metadata: { ...library.metadata, namespace: "library" } });
  assert.match(world.ready(), /^True/);
});

it("C-072 nobody waits for a job-mode step, and the message names it", async () => {
  const world = await bed({}, [...voice(), engram("b", { mode: "job" })]);
  await world.begin("a");
  assert.match(world.ready(), /without a binding, as their engrams run as jobs: b$/);
  assert.not.match(world.ready(), /Waiting/);
  assert.is(world.clock.pending, 0, "nobody looks again");
});

it("K-09 a binding of a compensation gets the hub's address, and nothing else", async () => {
  const world = await bed();
  await world.begin("a", "b");
  const undo = foreign(world.run(), "undo");
  await world.put(undo);
  assert.is(world.bindingOf("undo")?.status?.endpoint, hub);
  assert.match(world.resolved("undo"), /^True OutsideMainSteps: hub: step "undo"/);
  assert.equal(world.bindingOf("undo")?.spec, undo.spec);
});

it("X-02 where the workflow operator's host is another one it stays, and our condition says so", async () => {
  const world = await bed();
  await world.begin("a", "b");
  assert.not.match(world.resolved("a"), /workflow operator/);
  const status = { upstreamHost: "elsewhere.demo.svc.cluster.local:7000" };
  await world.cluster.applyStatus("TransportBinding", "demo", "voice-1-a-transport", operator, status, signal);
  await settle();
  assert.is(world.bindingOf("a")?.status?.upstreamHost, "elsewhere.demo.svc.cluster.local:7000");
  assert.match(
    world.resolved("a"),
    /publishes upstreamHost elsewhere\.demo\.svc\.cluster\.local:7000, decided is voice-1-b\.demo/,
  );
});

it("X-03 while a workflow operator works on the run nothing is created, however long it takes", async () => {
  const signs: readonly ((world: Awaited<ReturnType<typeof bed>>) => Promise<void>)[] = [
    (world) => world.says("Pending", []),
    (world) => world.says("", [condition("Ready", "False", "StartingExecution")]),
    (world) => world.put({ ...world.run(), metadata: { ...world.run().metadata, finalizers: [finalizers.storyRun] } }),
    (world) =>
      world.put({
        kind: "StepRun",
        metadata: { name: "voice-1-a", namespace: "demo", finalizers: [finalizers.stepRun] },
        spec: { storyRunRef: { name: "voice-1" }, stepId: "a" },
      }),
  ];
  for (const sign of signs) {
    const world = await bed();
    await sign(world);
    await world.clock.stepAsync(300_000);
    assert.is(world.bindingOf("a"), undefined);
  }
  const alone = await bed();
  await alone.clock.stepAsync(10_000);
  assert.ok(alone.bindingOf("a") && alone.bindingOf("b"));
  assert.match(alone.ready(), /^True/);
  await alone.put(story("voice", ["a", "b[a]", "c[b]"]));
  await alone.clock.stepAsync(30_000);
  assert.ok(alone.bindingOf("c"), "our own Ready is no sign of a workflow operator");
});

it("X-09 what another writer's merge patch took away is said again", async () => {
  const world = await bed();
  await world.begin("a", "b");
  await world.cluster.applyStatus("TransportBinding", "demo", "voice-1-a-transport", "bobravoz-controller", {}, signal);
  await world.cluster.applyStatus("StoryRun", "demo", "voice-1", "bobravoz-controller", {}, signal);
  await settle();
  assert.match(world.resolved("a"), /^True/);
  assert.is(world.bindingOf("a")?.status?.endpoint, hub);
  assert.match(world.ready(), /^True/);
});

it("X-04 a binding of ours that the workflow operator takes over is never changed or deleted by us again", async () => {
  const world = await bed();
  await world.clock.stepAsync(10_000);
  const own = world.bindingOf("a")!;
  assert.is(own.status?.upstreamHost, "voice-1-b.demo.svc.cluster.local:50051");
  await world.put({
    kind: "StepRun",
    metadata: { name: "voice-1-a", namespace: "demo", finalizers: [finalizers.stepRun] },
    spec: { storyRunRef: { name: "voice-1" }, stepId: "a" },
  });
  const owner = {
    apiVersion: "runs.bubustack.io/v1alpha1",
    kind: "StepRun",
    name: "voice-1-a",
    uid: "s",
    controller: true,
  };
  const theirs = { ...own.spec, rawSettings: { routing: { maxDownstreams: 7 } } };
  await world.put({
    ...own,
    metadata: { ...own.metadata, ownerReferences: [...own.metadata.ownerReferences ?? [], owner] },
    spec: theirs,
  });
  await world.put(transport("speech", { backpressure: { buffer: { maxMessages: 7 } } }));
  assert.equal(world.bindingOf("a")?.spec, theirs);
  assert.is(world.bindingOf("a")?.status?.upstreamHost, "voice-1-b.demo.svc.cluster.local:50051");
  assert.match(
    world.resolved("a"),
    /decided from Story generation 1, while generation 2 of the binding .* other settings/,
  );
  await world.says("Succeeded", []);
  assert.ok(world.bindingOf("a"), "it goes with its owner");
  assert.is(world.bindingOf("b"), undefined, "one of ours goes when the run is over");
});

it("K-38 after a Story edit the condition of a binding that keeps what was decided before names both generations", async () => {
  const world = await bed();
  await world.begin();
  const made = await bed({ bindings: "create" });
  for (const step of ["a", "b"]) {
    const { labels: _, ...metadata } = made.bindingOf(step)!.metadata;
    const uid = world.run().metadata.uid;
    const { spec } = made.bindingOf(step)!;
    await world.put({
      kind: "TransportBinding",
      metadata,
      spec: { ...spec, storyRunRef: { ...spec.storyRunRef!, uid } },
    });
  }
  assert.not.match(world.resolved("a"), /generation/);
  await world.put(story("voice", ["a", "b[a]", "c[a]"]));
  assert.match(
    world.resolved("a"),
    /decided from Story generation 2, while generation 1 of the binding and its pod keep routing-mode p2p, downstream-steps "b"$/,
  );
  assert.match(world.ready(), /^False Reconciling: Waiting for the transport bindings of c$/);
});

it("S-50 while a run is cancelled its bindings go one by one, and nothing is said or made", async () => {
  const world = await bed();
  await world.begin("a", "b");
  const run = world.run();
  await world.put({ ...run, spec: { ...run.spec, cancelRequested: true } });
  const version = world.run().metadata.resourceVersion;
  world.cluster.remove("TransportBinding", "demo", "voice-1-a-transport");
  await world.clock.stepAsync(120_000);
  assert.is(world.run().metadata.resourceVersion, version);
  assert.is(world.bindingOf("a"), undefined);
});

it("K-36 a run whose name has a dot says that no binding can refer to it", async () => {
  const others = voice().filter(({ kind }) => kind !== "StoryRun");
  const world = await bed({ bindings: "create" }, [...others, storyRun("voice.1", "voice")]);
  await world.clock.stepAsync(60_000);
  const ready = world.cluster.get("StoryRun", "demo", "voice.1")?.status?.conditions?.find((c) =>
    c.type === "TransportReady"
  );
  assert.match(`${ready?.reason}: ${ready?.message}`, /^NotSupported: the name of StoryRun "voice\.1" has a dot/);
});

it("who does not lead writes nothing, and whoever begins to lead writes what is missing and repeats no event", async () => {
  let leads = false;
  const world = await bed({ bindings: "create", isLeader: () => leads });
  const before = world.versions();
  await world.clock.stepAsync(60_000);
  assert.equal(world.versions(), before);
  assert.equal(world.events(), []);
  assert.ok(world.control.get("demo", "voice-1"), "it decides all the same");
  leads = true;
  world.control.lead();
  await settle();
  assert.match(world.ready(), /^True/);
  assert.equal(world.events(), ["Normal TransportReady 1"]);
  world.stop.abort();
  const written = world.versions();
  const next = new Control({
    cluster: world.cluster,
    clock: world.clock,
    log: silentLog,
    bindings: "create",
    decide: { hubEndpoint: () => hub },
  });
  void next.run(signal);
  await next.synced;
  await world.clock.stepAsync(60_000);
  assert.equal(world.versions(), written);
  assert.equal(world.events(), ["Normal TransportReady 1"]);
});

it("a run that was deleted while nobody looked leaves no binding of ours", async () => {
  const world = await bed({ bindings: "create" });
  assert.ok(world.bindingOf("a"));
  world.stop.abort();
  await settle();
  world.cluster.remove("StoryRun", "demo", "voice-1");
  const orphan = binding("voice-1-a-transport", storyRun("voice-1", "voice"), "a");
  const { ownerReferences: _, ...metadata } = orphan.metadata;
  world.cluster.put({ ...orphan, metadata: { ...metadata, labels: { "app.kubernetes.io/managed-by": "bobravoz" } } });
  const next = new Control({
    cluster: world.cluster,
    clock: world.clock,
    log: silentLog,
    bindings: "wait",
    decide: { hubEndpoint: () => hub },
  });
  void next.run(signal);
  await next.synced;
  await settle();
  assert.equal(world.cluster.objects.filter(({ kind }) => kind === "TransportBinding"), []);
});

it("labels and annotations that others put on a binding of ours stay", async () => {
  const world = await bed({ bindings: "create" });
  const made = world.bindingOf("a")!;
  const labels = { ...made.metadata.labels, team: "voice" };
  await world.put({ ...made, metadata: { ...made.metadata, labels, annotations: { note: "mine" } } });
  await world.put(story("voice", ["a", "b", "c[a]"]));
  const { metadata } = world.bindingOf("a")!;
  assert.is(metadata.labels?.["team"], "voice");
  assert.equal([metadata.annotations?.["note"], metadata.annotations?.[annotations.downstreamSteps]], ["mine", "c"]);
  const version = metadata.resourceVersion;
  await world.clock.stepAsync(60_000);
  assert.is(world.bindingOf("a")?.metadata.resourceVersion, version);
});

it("K-12 a connector that refreshed Ready and stopped shows on its binding and on the run, until it comes back", async () => {
  const world = await bed();
  await world.begin("a", "b");
  const beat = async (at: string, message = "connector heartbeat (source=connector)") => {
    const ready = { ...condition("Ready", "True", "TransportReady"), message, lastTransitionTime: at };
    const conditions = [ready] as unknown as JsonObject[];
    await world.cluster.applyStatus(
      "TransportBinding",
      "demo",
      "voice-1-a-transport",
      "connector",
      { conditions },
      signal,
    );
    await settle();
  };
  await beat("2026-01-01T00:00:00Z");
  await world.clock.stepAsync(100_000);
  const before = world.versions().filter((line) => !line.includes("voice-1-a-transport"));
  await beat("2026-01-01T00:01:40Z");
  assert.equal(world.versions().filter((line) => !line.includes("voice-1-a-transport")), before);
  await world.clock.stepAsync(119_999);
  assert.match(world.ready(), /^True/);
  await world.clock.stepAsync(1);
  assert.match(world.ready(), /^False ConnectorStale: Connectors have gone silent: a$/);
  assert.match(world.resolved("a"), /^False ConnectorStale: the connector has gone silent; /);
  assert.match(world.resolved("b"), /^True/);
  assert.is(world.bindingOf("a")?.status?.endpoint, hub);
  // a new process does not take it back
  world.stop.abort();
  await settle();
  const written = world.versions();
  const decide = { hubEndpoint: () => hub };
  const next = new Control({ cluster: world.cluster, clock: world.clock, log: silentLog, bindings: "wait", decide });
  void next.run(signal);
  await next.synced;
  await world.clock.stepAsync(60_000);
  assert.equal(world.versions(), written);
  await beat("2026-01-01T00:09:00Z");
  assert.match(world.ready(), /^True/);
  assert.match(world.resolved("a"), /^True/);
  // one of our connectors says it once
  await beat("2026-01-01T00:10:00Z", "Connector reported negotiated codecs");
  await world.clock.stepAsync(600_000);
  assert.match(world.ready(), /^True/);
});

/** `kind name` of every binding, with whose hub it says. */
function bindingsOf(cluster: MemoryCluster): readonly string[] {
  return cluster.objects.filter(({ kind }) => kind === "TransportBinding").map(({ metadata }) => metadata.name).sort();
}

it("PerStory: the runs of a Story share the bindings that we make, beside a Story whose runs do not", async () => {
  const shared = annotated(annotations.strategy, "PerStory");
  const plain = { ...story("plain", ["a", "b[a]"]) };
  const runs = [storyRun("voice-2", "voice"), storyRun("plain-1", "plain")];
  const world = await bed({}, [...voice(), shared, plain, ...runs]);
  await world.clock.stepAsync(10_000);
  assert.equal(bindingsOf(world.cluster), [
    "plain-1-a-transport",
    "plain-1-b-transport",
    "voice-a-story-transport",
    "voice-b-story-transport",
  ]);
  const { metadata, spec, status } = world.cluster.get("TransportBinding", "demo", "voice-a-story-transport")!;
  assert.is(spec.storyRunRef, undefined);
  assert.is(spec.engramName, "voice-a");
  assert.equal(metadata.ownerReferences?.map(({ kind, name, controller }) => ({ kind, name, controller })), [
    { kind: "Story", name: "voice", controller: undefined },
  ]);
  assert.equal([status?.endpoint, status?.upstreamHost], [hub, undefined]);
  for (const run of ["voice-1", "voice-2", "plain-1"]) {
    const found = world.cluster.get("StoryRun", "demo", run)?.status?.conditions?.map(({ type, status }) =>
      type + status
    );
    assert.equal(found?.sort(), ["ReadyTrue", "TransportReadyTrue"], run);
  }
  const described = world.control.get("demo", "voice-2")!.bindings[0]!;
  assert.match(described.transportBinding, /^\{"name":"voice-a-story-transport","namespace":"demo"/);
  const before = world.versions();
  await world.clock.stepAsync(120_000);
  assert.equal(world.versions(), before, "the runs do not write against each other");
  // they go with the last run
  const over = (run: string) =>
    world.cluster.applyStatus("StoryRun", "demo", run, operator, { phase: "Succeeded" }, signal);
  await over("voice-1");
  await settle();
  assert.is(bindingsOf(world.cluster).length, 4);
  await over("voice-2");
  await settle();
  assert.equal(bindingsOf(world.cluster), ["plain-1-a-transport", "plain-1-b-transport"]);
});

it("PerStory: taken off the Story, each run gets bindings of its own", async () => {
  const world = await bed({ bindings: "create" }, [...voice(), annotated(annotations.strategy, "PerStory")]);
  assert.equal(bindingsOf(world.cluster), ["voice-a-story-transport", "voice-b-story-transport"]);
  await world.put(story("voice", ["a", "b[a]"]));
  assert.equal(bindingsOf(world.cluster), ["voice-1-a-transport", "voice-1-b-transport"]);
  assert.match(world.ready(), /^True/);
});

it("PerStory: on bindings of the workflow operator the condition says that it does not apply", async () => {
  const world = await bed({}, [...voice(), annotated(annotations.strategy, "PerStory")]);
  await world.begin("a", "b");
  await world.clock.stepAsync(60_000);
  assert.match(
    world.ready(),
    /^True TransportReady: .*strategy PerStory does not apply, as the workflow operator makes/,
  );
  assert.equal(bindingsOf(world.cluster), ["voice-1-a-transport", "voice-1-b-transport"]);
});

it.run();
