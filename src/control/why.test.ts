import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bindingName, stepRunName } from "../contract/compose.ts";
import { annotations } from "../contract/names.ts";
import type { Condition, JsonObject, Resource, StepRun, StoryRun, TransportBinding } from "../contract/resources.ts";
import { binding, engram, story, storyRun, transport } from "../../test/support/objects.ts";
import { type Wait, why, type WhyFacts } from "./why.ts";
import { MemoryWorld } from "./world.ts";

const test = suite("why");

const condition = (type: string, status: Condition["status"], reason: string, message = ""): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: "2026-01-01T12:00:00Z",
});

const hub = "hub-0.hub-pods:9000";

/** A binding as the controller leaves it, with more conditions. */
function bound(run: StoryRun, step: string, ...more: readonly Condition[]): TransportBinding {
  const made = binding(bindingName(run.metadata.name, step), run, step);
  return { ...made, status: { endpoint: hub, conditions: [condition("EndpointResolved", "True", "X"), ...more] } };
}

function stepRunOf(run: StoryRun, step: string, status: JsonObject): StepRun {
  return {
    kind: "StepRun",
    metadata: { name: stepRunName(run.metadata.name, step), namespace: "demo" },
    spec: { storyRunRef: { name: run.metadata.name }, stepId: step },
    status: status as StepRun["status"],
  };
}

const ready = condition("Ready", "True", "TransportReady");
const run: StoryRun = {
  ...storyRun("run", "talk"),
  status: { conditions: [condition("TransportReady", "True", "TransportReady")] },
};
const good = {
  run,
  story: story("talk", ["a", "b[a]"]),
  transport: transport("speech") as Resource,
  a: engram("a") as Resource,
  b: engram("b") as Resource,
  bindingA: bound(run, "a", ready) as Resource,
  bindingB: bound(run, "b", ready) as Resource,
};

/** The answer where these objects stand in the place of good ones; null: one is missing. */
function ask(
  changed: Partial<Record<keyof typeof good, Resource | null>>,
  more: readonly Resource[] = [],
  facts: Partial<WhyFacts> = {},
): Wait {
  const world = new MemoryWorld();
  for (const object of [...Object.values({ ...good, ...changed }), ...more]) if (object !== null) world.upsert(object);
  return why({ world, namespace: "demo", storyRun: "run", hubs: null, ...facts });
}

const named = (wait: Wait) => [wait.cause, wait.actor, wait.step ?? ""];

test("a run that is served waits for nothing", () => {
  const wait = ask({}, [], { hubs: [{ name: "hub-0", address: hub, ready: true }] });
  assert.equal(named(wait), ["Nothing", "nobody", ""]);
});

test("an unknown run is said to be unknown", () => {
  assert.equal(named(ask({ run: null })), ["RunMissing", "you", ""]);
});

test("a run that has ended, is cancelled or held by a finalizer says so before all else", () => {
  const over = { ...run, status: { ...run.status, phase: "Failed" } };
  assert.equal(named(ask({ run: over, story: null })), ["RunOver", "nobody", ""]);
  const canceled = { ...run, spec: { ...run.spec, cancelRequested: true } };
  assert.equal(named(ask({ run: canceled })), ["RunCanceling", "the workflow operator", ""]);
  const held = (finalizer: string): StoryRun => ({
    ...run,
    metadata: { ...run.metadata, deletionTimestamp: "2026-01-01T12:00:00Z", finalizers: [finalizer] },
  });
  const actors = ["storyrun.bubustack.io/finalizer", "transport.bobravoz.bubustack.io/finalizer", "other/finalizer"]
    .map(
      (finalizer) => ask({ run: held(finalizer) }),
    );
  assert.equal(actors.map(({ cause }) => cause), ["RunDeleting", "RunDeleting", "RunDeleting"]);
  assert.equal(actors.map(({ actor }) => actor), [
    "the workflow operator",
    "the bobravoz controller",
    "a cluster administrator",
  ]);
  assert.match(actors[2]!.message, "held by finalizer other/finalizer");
});

test("a Story that is missing, a batch one, and one with an unknown annotation are told apart", () => {
  const missing = ask({ story: null });
  assert.equal(named(missing), ["StoryMissing", "you", ""]);
  assert.match(missing.message, "Story demo/talk, which does not exist");
  const batch = { ...good.story, spec: { ...good.story.spec, pattern: "batch" } };
  assert.equal(named(ask({ story: batch })), ["StoryNotRealtime", "nobody", ""]);
  const annotated = {
    ...good.story,
    metadata: { ...good.story.metadata, annotations: { [annotations.transportType]: "nats" } },
  };
  const unknown = ask({ story: annotated });
  assert.equal(named(unknown), ["UnknownTransportType", "you", ""]);
  assert.match(unknown.message, '"nats"');
  assert.match(unknown.hint, "kubectl annotate story -n demo talk bobravoz.bubustack.io/transport-");
});

test("a missing Transport and Engram are named, and who makes them", () => {
  const transportless = ask({ transport: null });
  assert.equal(named(transportless).slice(0, 2), ["TransportMissing", "a cluster administrator"]);
  assert.match(transportless.message, '"speech" not found');
  const undeclared = { ...good.story, spec: { ...good.story.spec, transports: [] } };
  assert.equal(named(ask({ story: undeclared })).slice(0, 2), ["TransportUndeclared", "you"]);
  const engramless = ask({ b: null });
  assert.equal(named(engramless).slice(0, 2), ["EngramMissing", "you"]);
  assert.match(engramless.message, "Engram demo/b");
});

test("a setting that is not valid is named with its path, a feature that is not there as not supported", () => {
  const invalid = ask({ transport: transport("speech", { backpressure: { buffer: { maxMessages: -1 } } }) });
  assert.equal(named(invalid).slice(0, 2), ["InvalidSettings", "you"]);
  assert.match(invalid.message, "Transport speech: spec.streaming.backpressure.buffer.maxMessages");
  const durable = ask({ transport: transport("speech", { delivery: { replay: { mode: "durable" } } }) });
  assert.equal(named(durable).slice(0, 2), ["NotSupported", "you"]);
  assert.match(durable.message, "delivery.replay.mode");
});

test("a missing binding is the workflow operator's where it is at work, else the controller's", () => {
  const idle = ask({ bindingB: null });
  assert.equal(named(idle), ["BindingFromController", "the bobravoz controller", "b"]);
  const busy = ask({ bindingB: null, run: { ...run, status: { ...run.status, phase: "Running" } } });
  assert.equal(named(busy), ["BindingFromOperator", "the workflow operator", "b"]);
});

test("a binding of somebody else, and a run that none can refer to", () => {
  const foreign = bound(run, "other");
  const taken = { ...foreign, metadata: { ...foreign.metadata, name: bindingName("run", "b") } };
  const collision = ask({ bindingB: taken });
  assert.equal(named(collision), ["BindingCollision", "you", "b"]);
  assert.match(collision.message, 'belongs to step "other"');
  const dotted = { ...run, metadata: { ...run.metadata, name: "a.run" } };
  const world = new MemoryWorld();
  for (const object of [dotted, good.story, good.transport, good.a, good.b]) world.upsert(object);
  assert.is(why({ world, namespace: "demo", storyRun: "a.run", hubs: null }).cause, "RunUnnameable");
});

test("a step that the workflow operator can not go on with says what it says, a missing certificate by name", () => {
  const text = "Failed to construct Deployment: transport TLS secret not configured and insecure transport disabled";
  for (const phase of ["Blocked", "Paused"]) {
    const tls = ask({}, [stepRunOf(run, "a", { phase, lastFailureMsg: text })]);
    assert.equal(named(tls), ["TlsSecretMissing", "you", "a"]);
    assert.match(tls.message, text);
  }
  const other = ask({}, [
    stepRunOf(run, "b", { phase: "Blocked", conditions: [{ ...ready, status: "False", message: "no" }] }),
  ]);
  assert.equal(named(other), ["StepBlocked", "the workflow operator", "b"]);
  assert.match(other.message, "is Blocked: no");
  const waiting = ask({ bindingA: bound(run, "a") }, [stepRunOf(run, "a", { phase: "Paused" })]);
  assert.equal(named(waiting), ["ConnectorMissing", "the connector", "a"]);
});

test("a controller that has said nothing is named", () => {
  const unresolved = { ...bound(run, "a"), status: undefined };
  assert.equal(named(ask({ bindingA: unresolved })), ["ControllerSilent", "the bobravoz controller", "a"]);
  const { status: _, ...young } = run;
  assert.equal(named(ask({ run: young })), ["ControllerSilent", "the bobravoz controller", ""]);
});

test("hubs that start, and one that is lost, are told apart", () => {
  const starting = {
    ...bound(run, "a"),
    status: { endpoint: hub, conditions: [condition("EndpointResolved", "False", "HubStarting")] },
  };
  assert.equal(named(ask({ bindingA: starting })), ["HubStarting", "a cluster administrator", ""]);
  const pods = [{ name: "hub-0", address: hub, ready: false }, { name: "hub-1", address: "hub-1:9000", ready: true }];
  assert.equal(named(ask({ bindingA: starting }, [], { hubs: pods })), [
    "ControllerSilent",
    "the bobravoz controller",
    "",
  ]);
  assert.match(ask({ bindingA: starting }, [], { hubs: pods.slice(0, 1) }).message, "hub-0 not ready");
  assert.equal(named(ask({}, [], { hubs: pods.slice(0, 1) })), ["HubStarting", "a cluster administrator", ""]);
  assert.equal(named(ask({}, [], { hubs: pods })), ["HubLost", "the bobravoz controller", ""]);
});

test("connectors that refuse, have failed, are not ready or never came are told apart", () => {
  const rejections = new Map([["b", "unknown driver"]]);
  const rejected = ask({}, [], { rejections });
  assert.equal(named(rejected), ["BindingRejected", "you", "b"]);
  assert.match(rejected.message, "unknown driver");
  const failed = bound(run, "b", condition("Ready", "False", "ConnectorFailed", "no engram"));
  assert.equal(named(ask({ bindingB: failed })), ["ConnectorFailed", "the connector", "b"]);
  const starting = bound(run, "b", condition("Ready", "False", "ConnectorStarting", "starts"));
  assert.equal(named(ask({ bindingB: starting })), ["ConnectorNotReady", "the connector", "b"]);
  assert.equal(named(ask({ bindingB: bound(run, "b") })), ["ConnectorMissing", "the connector", "b"]);
});

test.run();
