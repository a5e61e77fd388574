// The discovery service as its clients see it: one call at a time. Watches have a file of their own.

import * as assert from "uvu/assert";
import { suite } from "uvu";
import type { JsonObject } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { BindingState, ConnectorState, DiscoveryService, EdgeMode } from "../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { reasonOf } from "../src/adapters/rpc/status.ts";
import { TransportError } from "../src/contract/errors.ts";
import type { Traffic } from "../src/contract/traffic.ts";
import { within } from "./support/deadline.ts";
import { discoveryBed, step, TestWatch } from "./support/discovery-bed.ts";
import { describe, refused } from "./support/fake-decisions.ts";

const test = suite("discovery service");

async function fails(call: Promise<unknown>, code: Code, reason: string | null, message: RegExp | string = "") {
  try {
    await within(5_000, "answer", call);
  } catch (error) {
    const failure = ConnectError.from(error);
    assert.is(Code[failure.code], Code[code], failure.message);
    assert.is(reasonOf(failure), reason);
    assert.match(failure.rawMessage, message);
    return;
  }
  assert.unreachable("the call did not fail");
}

const seconds = (ms: number) => ({ seconds: 0n, nanos: ms * 1_000_000 });

test("GetBinding answers everything that a connector needs, over each protocol", async () => {
  await using bed = await discoveryBed();
  bed.put("voice-7", { vad: "TransportReady" });
  const { url: baseUrl } = bed.server;
  const description = describe("demo", "voice-7", "vad");
  const versions = new Set<string>();
  for (
    const transport of [
      createGrpcTransport({ baseUrl }),
      createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
      createConnectTransport({ baseUrl, httpVersion: "2" }),
      createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
    ]
  ) {
    const client = createClient(DiscoveryService, transport);
    const { binding } = await within(5_000, "answer", client.getBinding(step("vad")));
    assert.is(binding?.transportBinding, description.transportBinding);
    assert.is(binding?.mergedSettings, description.mergedSettings);
    assert.is(binding?.state, BindingState.READY);
    assert.equal(binding?.downstreams.map(({ to, effective, peer }) => [to, effective, peer?.step]), [
      ["writer", EdgeMode.HUB, "writer"],
      ["meter", EdgeMode.HUB, "meter"],
    ]);
    versions.add(binding?.version ?? "");
  }
  assert.is(versions.size, 1);
});

test("GetBinding says whether a step is unknown, or known and not decidable", async () => {
  await using bed = await discoveryBed();
  bed.put("voice-7", { vad: "1" });
  const failure = new TransportError("NotSupported", "spec.steps[1].if is not supported");
  bed.decisions.set(refused("demo", "voice-8", "vad", failure));
  const { client } = bed;
  await fails(client.getBinding(step("vad", "voice-9")), Code.NotFound, "NotFound", "demo/voice-9");
  await fails(client.getBinding(step("nobody")), Code.NotFound, "UnknownStep", `"nobody"`);
  await fails(client.getBinding(step("vad", "voice-8")), Code.FailedPrecondition, "NotSupported", "spec.steps[1].if");
  await fails(client.getBinding({ step: "vad" }), Code.InvalidArgument, "InvalidRequest", "namespace, story_run");
});

test("GetBinding waits until the binding is decided", async () => {
  await using bed = await discoveryBed();
  const answer = bed.client.getBinding({ ...step("vad"), wait: { seconds: 4n } });
  const failure = new TransportError("UnknownEngram", "no Engram demo/vad");
  bed.decisions.set(refused("demo", "voice-7", "vad", failure));
  bed.put("voice-7", { vad: "1" });
  assert.is((await within(2_000, "answer", answer)).binding?.reason, "1");
});

test("GetBinding's wait ends with the request's time, before the call's deadline, or when objects are listed", async () => {
  await using bed = await discoveryBed({ isSynced: false });
  const short = { ...step("vad"), wait: seconds(30) };
  await fails(bed.client.getBinding(short), Code.Unavailable, "Unavailable");
  const long = bed.client.getBinding({ ...step("vad"), wait: { seconds: 60n } }, { timeoutMs: 400 });
  bed.decisions.sync();
  await fails(long, Code.NotFound, "NotFound");
  await fails(bed.client.getBinding(short), Code.NotFound, "NotFound");
});

test("a call that is given up no longer waits", async () => {
  await using bed = await discoveryBed();
  const stop = new AbortController();
  const call = bed.client.getBinding({ ...step("vad"), wait: { seconds: 60n } }, { signal: stop.signal });
  stop.abort();
  await fails(call, Code.Canceled, null);
});

test("a report becomes the binding's status, and a lower generation is refused", async () => {
  await using bed = await discoveryBed();
  bed.put("voice-7", { vad: "1" });
  const report = {
    ...step("vad"),
    generation: 2,
    state: ConnectorState.READY,
    audio: { name: "pcm16", sampleRateHz: 16000, channels: 1 },
    listener: { endpoint: "127.0.0.1:50061" },
  };
  const { version } = await within(5_000, "answer", bed.client.reportConnector(report));
  const { binding } = await within(5_000, "answer", bed.client.getBinding(step("vad")));
  assert.is(version, binding?.version);
  const status = bed.cluster.get("TransportBinding", "demo", "voice-7-vad-transport")?.status;
  assert.equal(status?.negotiatedAudio, { name: "pcm16", sampleRateHz: 16000, channels: 1 });
  assert.equal(status?.conditions?.map(({ type, status, message }) => [type, status, message]), [
    ["Ready", "True", "Connector reported negotiated codecs"],
    ["PeerListening", "True", "127.0.0.1:50061"],
  ]);
  const { resourceVersion } = bed.cluster.get("TransportBinding", "demo", "voice-7-vad-transport")!.metadata;
  await within(5_000, "answer", bed.client.reportConnector(report));
  const after = bed.cluster.get("TransportBinding", "demo", "voice-7-vad-transport")!.metadata.resourceVersion;
  assert.is(after, resourceVersion);
  const older = bed.client.reportConnector({ ...report, generation: 1 });
  await fails(older, Code.FailedPrecondition, "StaleGeneration", "generation 1");
  await fails(bed.client.reportConnector({ ...report, step: "nobody" }), Code.NotFound, "UnknownStep");
  await fails(bed.client.reportConnector({ ...report, generation: 0 }), Code.FailedPrecondition, "InvalidGeneration");
});

test("K-12: a connector that is gone loses its listener", async () => {
  await using bed = await discoveryBed({ graceMs: 20 });
  bed.put("voice-7", { vad: "1" });
  const gone = new Promise<void>((resolve) => {
    void bed.cluster.watch((event) => {
      if (event.type !== "upserted" || event.object.kind !== "TransportBinding") return;
      const listening = event.object.status?.conditions?.find(({ type }) => type === "PeerListening");
      if (listening?.status === "False") resolve();
    }, AbortSignal.timeout(5_000));
  });
  {
    using watch = new TestWatch(bed.client);
    watch.subscribe([step("vad")]);
    await watch.take();
    const report = { ...step("vad"), generation: 1, state: ConnectorState.READY, listener: { endpoint: "h:1" } };
    await within(5_000, "answer", bed.client.reportConnector(report));
  }
  await within(5_000, "PeerListening=False", gone);
});

test("ListBindings pages in a stable order, with what is known of each connector", async () => {
  const count = { receivedBytes: 0, delivered: 1, deliveredBytes: 0, buffered: 0, dropped: new Map([["full", 2]]) };
  const traffic: Traffic = {
    edges: () => [
      { from: "microphone", to: "vad", mode: "hub", received: 3, ...count },
      { from: "vad", to: "writer", mode: "hub", received: 3, ...count },
      { from: "writer", to: "other", mode: "hub", received: 3, ...count },
    ],
    connected: (_namespace, _run, name) => name === "vad",
  };
  await using bed = await discoveryBed({ traffic });
  bed.put("voice-7", { vad: "1", writer: "1" });
  bed.put("voice-8", { vad: "1", writer: "1", meter: "1" });
  const names: string[] = [];
  let pageToken = "";
  do {
    const page = await within(5_000, "page", bed.client.listBindings({ pageSize: 2, pageToken }));
    assert.ok(page.bindings.length <= 2);
    names.push(...page.bindings.map(({ binding }) => binding!.name));
    pageToken = page.nextPageToken;
    // What appears before the page does not shift the ones after it.
    bed.put("voice-1", { vad: "1" });
  } while (pageToken !== "");
  assert.equal(names, [...names].sort());
  assert.is(names.length, 5);
  const edges = [
    { from: "microphone", to: "vad", mode: EdgeMode.P2P, received: 7n, delivered: 7n },
    { from: "vad", to: "writer", mode: EdgeMode.HUB, received: 99n },
  ];
  const report = { ...step("vad"), generation: 4, state: ConnectorState.READY, edges };
  await within(5_000, "answer", bed.client.reportConnector(report));
  const { bindings } = await within(5_000, "page", bed.client.listBindings({ selector: step("vad") }));
  assert.is(bindings.length, 1);
  const [status] = bindings;
  assert.is(status?.connectorState, ConnectorState.READY);
  assert.is(status?.connectorGeneration, 4);
  assert.is(status?.connected, true);
  assert.equal(status?.edges.map(({ from, to, mode, received }) => [from, to, mode, received]), [
    ["microphone", "vad", EdgeMode.HUB, 3n],
    ["vad", "writer", EdgeMode.HUB, 3n],
    ["microphone", "vad", EdgeMode.P2P, 7n],
  ]);
  assert.equal(status?.edges[0]?.dropped, { full: 2n });
  const invalid = bed.client.listBindings({ pageToken: "!" });
  await fails(invalid, Code.InvalidArgument, "InvalidRequest", "page_token");
});

const story = (steps: JsonObject[]): JsonObject => ({
  apiVersion: "bubustack.io/v1alpha1",
  kind: "Story",
  metadata: { name: "voice", namespace: "demo" },
  spec: { pattern: "realtime", transports: [{ name: "main", transportRef: "speech" }], steps },
});
const voice = (more: JsonObject = {}) =>
  story([
    { name: "microphone", ref: { name: "microphone" } },
    { name: "vad", ref: { name: "vad" }, needs: ["microphone"] },
    { name: "writer", ref: { name: "writer" }, needs: ["vad"] },
    { name: "meter", ref: { name: "meter" }, needs: ["vad"], ...more },
  ]);

test("ExplainTopology decides a Story that is sent along, with a reason and rule for each edge", async () => {
  await using bed = await discoveryBed();
  const { steps, edges, faults } = await within(5_000, "answer", bed.client.explainTopology({ story: voice() }));
  assert.equal(faults, []);
  assert.equal(edges.map(({ from, to, published }) => [from, to, published]), [
    ["microphone", "vad", EdgeMode.P2P],
    ["vad", "writer", EdgeMode.HUB],
    ["vad", "meter", EdgeMode.HUB],
  ]);
  for (const edge of edges) assert.ok(edge.reason !== "" && edge.rule !== "" && edge.cost!.networkHops > 0);
  assert.equal(steps.map(({ step, downstreams }) => [step, downstreams]), [
    ["microphone", ["vad"]],
    ["vad", ["writer", "meter"]],
    ["writer", []],
    ["meter", []],
  ]);
  assert.is(steps[1]?.binding, "voice-vad-transport");
});

test("ExplainTopology says why a Story is refused, or what in the objects is wrong", async () => {
  await using bed = await discoveryBed();
  const { client } = bed;
  const answer = await within(5_000, "answer", client.explainTopology({ story: voice({ if: "{{ true }}" }) }));
  assert.is(answer.faults.length, 1);
  assert.match(answer.faults[0]!, /^NotSupported: .*spec\.steps\[3\]\.if/);
  assert.is(answer.edges.length, 3);
  const broken = client.explainTopology({ story: story([{ ref: {} }]), engrams: [{ kind: "Engram" }] });
  await fails(broken, Code.InvalidArgument, "BadManifest", /story\.spec\.steps\[0\].*engrams\[0\]/);
  await fails(client.explainTopology({}), Code.InvalidArgument, "InvalidRequest", "story");
});

test("W-01: what the caller's identity does not own is denied, and topology is explained to anybody", async () => {
  await using bed = await discoveryBed({
    authorize(call, action, { namespace }) {
      if (call.requestHeader.get("x-namespace") === namespace && action === "read") return;
      throw new TransportError("PermissionDenied", `${action} of namespace "${namespace}" is not yours`);
    },
  });
  bed.put("voice-7", { vad: "1" });
  const headers = { "x-namespace": "demo" };
  await within(5_000, "answer", bed.client.getBinding(step("vad"), { headers }));
  await fails(bed.client.getBinding(step("vad")), Code.PermissionDenied, "PermissionDenied");
  await fails(bed.client.listBindings({}, { headers }), Code.PermissionDenied, "PermissionDenied");
  const report = bed.client.reportConnector({ ...step("vad"), generation: 1 }, { headers });
  await fails(report, Code.PermissionDenied, "PermissionDenied");
  using watch = new TestWatch(bed.client);
  watch.subscribe([step("vad")]);
  await fails(watch.raw(), Code.PermissionDenied, "PermissionDenied");
  await within(5_000, "answer", bed.client.explainTopology({ story: voice() }));
});

test.run();
