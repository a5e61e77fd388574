import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Engram, JsonObject, Step, StoryTransport, Transport } from "../contract/resources.ts";
import { decide } from "./decide.ts";
import type { Topology, TopologyInput } from "./decide.ts";
import type { Presence } from "./effective.ts";

const test = suite("decide");

interface Scene {
  readonly transports?: readonly StoryTransport[];
  readonly objects?: Readonly<Record<string, Partial<Transport["spec"]>>>;
  /** Engram modes by step name; default deployment. Null: no such Engram. */
  readonly modes?: Readonly<Record<string, string | null>>;
  readonly live?: boolean;
  readonly presence?: (step: string) => Presence;
  readonly drained?: (from: string, to: string) => boolean;
}

const listening: Presence = { reported: true, listener: { endpoint: "127.0.0.1:7000", serverName: "" } };
const silent: Presence = { reported: false, listener: null };

function input(steps: readonly Step[], scene: Scene = {}): TopologyInput {
  const { objects = { speech: {} }, modes = {} } = scene;
  return {
    story: {
      kind: "Story",
      metadata: { name: "voice", generation: 3 },
      spec: { pattern: "realtime", steps, transports: scene.transports ?? [{ name: "rt", transportRef: "speech" }] },
    },
    storyRun: "voice-run-7",
    namespace: "demo",
    transport: (name) => {
      const spec = objects[name];
      if (spec === undefined) return undefined;
      return {
        kind: "Transport",
        metadata: { name },
        spec: { provider: "bobravoz", driver: "bobravoz-grpc", supportedBinary: ["application/json"], ...spec },
      };
    },
    engram: ({ name }): Engram | undefined => {
      const mode = modes[name.replace(/^engram-/, "")];
      if (mode === null) return undefined;
      return { kind: "Engram", metadata: { name }, spec: { templateRef: { name: "t" }, mode: mode ?? "deployment" } };
    },
    ...(scene.presence ? { presence: scene.presence } : scene.live ? { presence: () => listening } : {}),
    ...(scene.drained ? { drained: scene.drained } : {}),
  };
}

/** `"b![a,c]@t"`: step b needs a and c, has an if, and names transport t. `(sleep)b`: a primitive. */
function steps(notation: string): readonly Step[] {
  return notation.split(" ").map((text) => {
    const [, type, name, hub, needs, transport] = /^(?:\((.*)\))?([^![@]+)(!?)(?:\[(.*)\])?(?:@(.+))?$/.exec(text)!;
    return {
      name: name!,
      ...(type ? { type } : { ref: { name: `engram-${name}` } }),
      ...(hub ? { if: "{{ packet.ok }}" } : {}),
      ...(needs === undefined ? {} : { needs: needs.split(",") }),
      ...(transport ? { transport } : {}),
    };
  });
}

function edge(topology: Topology, from: string, to: string) {
  const found = topology.edges.find((e) => e.from === from && e.to === to);
  assert.ok(found, `no edge ${from} to ${to}`);
  return found!;
}

function ways(topology: Topology): string {
  return topology.edges.filter((e) => e.kind === "explicit")
    .map((e) => `${e.from}>${e.to} ${e.published} ${e.effective} ${e.reason}`).join("; ");
}

const forced: readonly StoryTransport[] = [
  { name: "t1", transportRef: "speech" },
  { name: "t2", transportRef: "speech", streaming: { routing: { mode: "hub" } } },
];

test("C-022 example 21: routing.mode hub for every step makes every edge a hub edge", () => {
  const transports = [{ name: "rt", transportRef: "speech", streaming: { routing: { mode: "hub" } } }];
  const topology = decide(input(steps("a b[a] c[b] d[c]"), { transports, live: true }));
  assert.ok(topology.edges.every((e) => e.published === "hub" && e.effective === "hub"));
  assert.ok(topology.steps.every((s) => s.upstreamHost === undefined && s.downstreamHost === undefined));
  assert.is(edge(topology, "a", "b").reason, "RoutingModeHub");
});

test("C-022 example 22: an override on one end binds the edge in fact, and only there (T-12)", () => {
  const topology = decide(input(steps("a@t1 b[a]@t2 c[b]@t1 d[c]@t1"), { transports: forced, live: true }));
  assert.is(
    ways(topology),
    "a>b p2p hub ReceiverRoutingModeHub; b>c hub hub RoutingModeHub; c>d p2p p2p SingleDownstream",
  );
  const hosts = topology.steps.map((s) => [s.step, s.published, !!s.upstreamHost, !!s.downstreamHost]);
  assert.equal(hosts, [["a", "p2p", true, false], ["b", "hub", false, false], ["c", "p2p", true, true], [
    "d",
    "hub",
    false,
    true,
  ]]);
});

test("C-022 example 23: routing.mode p2p never upgrades", () => {
  const transports = [{ name: "rt", transportRef: "speech", streaming: { routing: { mode: "p2p" } } }];
  const topology = decide(input(steps("a b![a] c[b]"), { transports, live: true }));
  assert.is(ways(topology), "a>b hub hub DownstreamNeedsHub; b>c hub hub Condition");
  assert.equal(topology.warnings, ["routing.mode p2p never makes a hub step direct, here not a, b"]);
});

test("C-022 example 19: edges around a primitive are hub edges in fact (T-16)", () => {
  const topology = decide(input(steps("a (sleep)p[a] b[p]"), { live: true }));
  assert.is(ways(topology), "a>p p2p hub PrimitiveEnd; p>b p2p hub PrimitiveEnd");
});

test("C-024 routing.mode hub in any case and with spaces empties both hosts", () => {
  for (const mode of ["hub", "HUB", " hub "]) {
    const transports = [{ name: "rt", transportRef: "speech", settings: { routing: { mode } } }];
    const { steps: decided } = decide(input(steps("a b[a]"), { transports }));
    assert.ok(decided.every((s) => s.published === "hub" && !s.upstreamHost && !s.downstreamHost), mode);
  }
});

test("C-025 a circle is a fault that names its steps, and they are hub", () => {
  const topology = decide(input(steps("s a[s,c] b[a] c[b] d[c]"), { live: true }));
  assert.equal(topology.faults.map((f) => [f.reason, f.message]), [
    ["Cycle", "steps need each other in a circle: a, b, c"],
  ]);
  assert.ok(topology.steps.filter((s) => "abcd".includes(s.step)).every((s) => s.published === "hub"));
});

test("C-026 upstreamHost is there exactly for p2p, downstreamHost exactly for peer upstreams that are not forced", () => {
  const { steps: decided } = decide(input(steps("ingress buffer[ingress] respond![buffer] sink[respond]")));
  const host = "voice-run-7-buffer.demo.svc.cluster.local:50051";
  assert.equal(decided.map((s) => [s.step, s.published, s.upstreamHost, s.downstreamHost]), [
    ["ingress", "p2p", host, undefined],
    ["buffer", "hub", undefined, host],
    ["respond", "hub", undefined, undefined],
    ["sink", "hub", undefined, undefined],
  ]);
});

test("C-029 no primitive is an end of a direct edge in fact", () => {
  for (const type of ["condition", "parallel", "sleep", "stop", "wait", "executeStory", "gate"]) {
    const { edges } = decide(input(steps(`a (${type})p[a] b[p]`), { live: true }));
    assert.ok(edges.every((e) => e.effective === "hub"), type);
  }
});

test("K-08 a job-mode step is no peer and has no binding", () => {
  const topology = decide(input(steps("a b[a]"), { live: true, modes: { b: "job" } }));
  assert.is(ways(topology), "a>b p2p hub JobModeEnd");
  assert.equal(topology.steps.map((s) => s.binding), ["voice-run-7-a-transport", ""]);
});

test("K-24 a step without transport has the first declared one", () => {
  const transports = [{ name: "x", transportRef: " " }, { name: "y", transportRef: "speech" }];
  const topology = decide(input(steps("a b[a]@y"), { transports, live: true }));
  assert.is(ways(topology), "a>b p2p p2p SingleDownstream");
  assert.is(topology.transports.get("a")!.entry.name, "y");
});

test("T-20 ends with different transports or drivers are joined by the hub", () => {
  const transports = [{ name: "x", transportRef: "tx" }, { name: "y", transportRef: "ty" }];
  const list = steps("a@x b[a]@y");
  assert.is(
    ways(decide(input(list, { transports, live: true, objects: { tx: {}, ty: { driver: "other" } } }))),
    "a>b p2p hub DifferentDrivers",
  );
  assert.is(
    ways(decide(input(list, { transports, live: true, objects: { tx: {}, ty: {} } }))),
    "a>b p2p hub DifferentTransports",
  );
});

test("T-15 settings that only the hub provides demote an edge", () => {
  const asked: readonly JsonObject[] = [
    { routing: { rules: [{ name: "r", action: "deny", target: { steps: ["b"] } }] } },
    { fanIn: { mode: "any" } },
    { recording: { mode: "metadata" } },
    { delivery: { replay: { mode: "memory" } } },
    { partitioning: { mode: "hash", key: "metadata.k" } },
  ];
  for (const streaming of asked) {
    const transports = [{ name: "rt", transportRef: "speech", streaming }];
    assert.is(
      ways(decide(input(steps("a b[a]"), { transports, live: true }))),
      "a>b p2p hub HubOnlySetting",
      JSON.stringify(streaming),
    );
  }
});

test("K-17 an edge is p2p in fact once its receiver listens and its sender has reported", () => {
  const list = steps("a b[a]");
  const way = (presence?: (step: string) => Presence) => ways(decide(input(list, presence ? { presence } : {})));
  assert.is(way(), "a>b p2p hub PeerListenerMissing");
  assert.is(way(() => ({ reported: true, listener: null })), "a>b p2p hub PeerListenerMissing");
  assert.is(way((step) => step === "b" ? listening : silent), "a>b p2p hub PeerNotReported");
  assert.is(way(() => listening), "a>b p2p p2p SingleDownstream");
});

test("K-17 an edge goes over to direct only after the hub holds nothing of it", () => {
  const asked: string[] = [];
  const drained = (from: string, to: string) => asked.push(`${from}>${to}`) > 1;
  const scene = input([{ ...steps("a")[0]!, id: "mic" }, ...steps("b[a]")], { live: true, drained });
  const draining = edge(decide(scene), "a", "b");
  assert.equal([draining.effective, draining.reason], ["hub", "EdgeDraining"]);
  assert.is(edge(decide(scene), "a", "b").effective, "p2p");
  assert.equal(asked, ["mic>b", "mic>b"]);
});

test("the message of a step names mode, sentence, reason, rule and cost", () => {
  const { steps: decided } = decide(input(steps("a b[a]"), { live: true }));
  assert.equal(decided.map((s) => s.message), [
    "p2p: one step needs this one, and nothing on the way needs the hub (SingleDownstream, control-plane T-04(6)); " +
    "1 network hop, nothing decoded on the way",
    "hub: no step needs this one (NoDownstream, control-plane T-04(3))",
  ]);
});

test("a hub edge costs two hops and metadata, or the payload where something is evaluated per packet", () => {
  const topology = decide(input(steps("a b![a] c[b]"), { live: true }));
  assert.equal(edge(topology, "a", "b").cost, { networkHops: 2, decodes: "payload" });
  assert.equal(edge(topology, "b", "c").cost, { networkHops: 2, decodes: "metadata" });
});

test("W-15 a step without needs follows every earlier step of its transport, with a warning", () => {
  const transports = [{ name: "rt", transportRef: "speech" }, { name: "other", transportRef: "speech" }];
  const topology = decide(input(steps("a b[a] x@other c d[c]"), { transports, live: true }));
  assert.equal(topology.edges.filter((e) => e.kind === "implicit").map((e) => [e.from, e.to, e.effective, e.reason]), [
    ["a", "c", "hub", "ImplicitFollower"],
    ["b", "c", "hub", "ImplicitFollower"],
  ]);
  assert.equal(topology.warnings, [
    `step "c" has no needs and so follows every earlier step of its transport (a, b): name what it needs, or give it ` +
    `a transport of its own`,
  ]);
});

test("faults of a Story are told all at once, each with its path", () => {
  const list = steps("a b[a,ghost]@nope c[b] a d[c]");
  const topology = decide(input([...list, { name: "e", id: "b", ref: { name: "x" } }], { modes: { d: null } }));
  assert.equal(topology.faults.map((f) => [f.reason, f.subject.path]), [
    ["UnknownStep", "spec.steps[1].needs[1]"],
    ["UnknownTransport", "spec.steps[1].transport"],
    ["BadManifest", "spec.steps[3].name"],
    ["UnknownEngram", "spec.steps[4].ref"],
    ["BadManifest", "spec.steps[5].id"],
  ]);
});

test("C-027, C-028 every edge has one mode, both ends agree on it, and no hub edge is ever promoted", () => {
  fc.assert(fc.property(scenes(), (scene) => {
    const topology = decide(scene);
    const keys = topology.edges.map((e) => `${e.from} ${e.to}`);
    assert.is(new Set(keys).size, keys.length);
    for (const e of topology.edges) assert.ok(e.published === "p2p" || e.effective === "hub");
    for (const step of topology.steps) {
      const direct = topology.edges.filter((e) => e.from === step.step && e.effective === "p2p");
      assert.is(direct.length, step.effective === "p2p" ? 1 : 0);
      assert.ok(step.published === "p2p" || step.effective === "hub");
      // What the receiver's binding says about the edge is the same object.
      for (const { to } of direct) assert.ok(topology.steps.find((s) => s.step === to)!.peerUpstream);
    }
  }));
});

test("deciding twice gives equal results", () => {
  fc.assert(fc.property(scenes(), (scene) => assert.equal(decide(scene), decide(scene))));
});

test("a chain of 10,000 steps is decided in bounded time", () => {
  const chain = Array.from({ length: 10_000 }, (_, i): Step => ({
    name: `s${i}`,
    ref: { name: "engram-s" },
    ...(i === 0 ? {} : { needs: [`s${i - 1}`] }),
  }));
  const started = performance.now();
  const { edges } = decide(input(chain, { live: true }));
  assert.is(edges.filter((e) => e.effective === "p2p").length, 9_999);
  assert.ok(performance.now() - started < 5_000);
});

/** Stories of any shape, circles and unknown needs included, over two transports. */
function scenes(): fc.Arbitrary<TopologyInput> {
  const step = fc.record({
    hub: fc.nat(6),
    primitive: fc.nat(8),
    needs: fc.array(fc.nat(9), { maxLength: 3 }),
    transport: fc.constantFrom("", "t1", "t2", "t2"),
  });
  const facts = fc.record({
    list: fc.array(step, { minLength: 1, maxLength: 9 }),
    forced: fc.boolean(),
    job: fc.nat(12),
    silent: fc.nat(12),
    busy: fc.nat(12),
  });
  return facts.map(({ list, forced: isForced, job, silent: quiet, busy }) =>
    input(
      list.map(({ hub, primitive, needs, transport }, i): Step => ({
        name: `s${i}`,
        ...(primitive === 0 ? { type: "sleep" } : { ref: { name: `engram-s${i}` } }),
        ...(hub === 0 ? { if: "true" } : {}),
        ...(needs.length === 0 ? {} : { needs: needs.map((need) => `s${need}`) }),
        ...(transport === "" ? {} : { transport }),
      })),
      {
        transports: isForced ? forced : forced.map(({ streaming: _, ...entry }) => entry),
        modes: { [`s${job}`]: "job" },
        presence: (name) => name === `s${quiet}` ? silent : listening,
        drained: (from) => from !== `s${busy}`,
      },
    )
  );
}

test("retries and timeouts of a step are named as not bearing on packets", () => {
  const step: Step = { name: "a", ref: { name: "e" }, execution: { retry: { maxRetries: 5 }, timeout: "3s" } };
  assert.equal(decide(input([step])).warnings, [
    "spec.steps[0].execution.retry does not bear on packets: what a step does not take waits in its buffer, by the buffer's limits",
    "spec.steps[0].execution.timeout does not bear on packets: what a step does not take waits in its buffer, by the buffer's limits",
  ]);
});

test("settings that nobody reads are named with their path, in the Story and in the Transport", () => {
  const transports = [{
    name: "rt",
    transportRef: "speech",
    streaming: {
      Backpressure: { buffer: { maxMesages: 5, MAXBYTES: 9 } },
      lane: [],
      lanes: [{ name: "a", kind: "audio", size: 1 }],
    },
    settings: { ownDriverKey: { any: 1 }, routing: { fanout: "parallel", hops: 2 } },
  }];
  const topology = decide(input(steps("a b[a]"), { transports, live: true }));
  assert.equal(topology.warnings, [
    "spec.transports[0].streaming.Backpressure.buffer.maxMesages is no setting: it is ignored",
    "spec.transports[0].streaming.lane is no setting: it is ignored",
    "spec.transports[0].streaming.lanes[0].size is no setting: it is ignored",
    "spec.transports[0].settings.routing.hops is no setting: it is ignored",
  ]);
  assert.equal(topology.faults, []);
});

test.run();
