import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "../contract/errors.ts";
import type { Engram, JsonObject, Step, Story, Transport } from "../contract/resources.ts";
import { describeBindings, toTransportBinding } from "./binding.ts";
import type { BindingDescription, BindingOptions } from "./binding.ts";
import { decide } from "./decide.ts";
import type { TopologyInput } from "./decide.ts";
import type { Presence } from "./effective.ts";
import { maxEnvelopeBytes } from "./envelope-size.ts";

const test = suite("binding");

const hubEndpoint = "bobravoz-grpc-hub.bobrapet-system.svc.cluster.local:9000";

/** The worked example of control-plane 4.8 and 4.9. */
const steps: readonly Step[] = [
  { name: "ingress", ref: { name: "mic" } },
  { name: "transcribe", ref: { name: "stt" }, needs: ["ingress"] },
  { name: "respond", ref: { name: "llm" }, needs: ["transcribe"] },
];

const speech: Transport["spec"] = {
  provider: "bobravoz",
  driver: "bobravoz-grpc",
  supportedAudio: [{ name: "pcm16" }, { name: "opus" }],
  supportedBinary: ["application/json"],
  defaultSettings: { env: { BUBU_GRPC_DIAL_TIMEOUT: "5s" } },
};

function inputOf(streaming: JsonObject, spec: Transport["spec"] = speech, presence?: Presence): TopologyInput {
  const transports = [{ name: "main", transportRef: "speech", streaming }];
  const story: Story = {
    kind: "Story",
    metadata: { name: "voice", generation: 5 },
    spec: { pattern: "realtime", steps, transports },
  };
  return {
    story,
    storyRun: "voice-run-7",
    namespace: "demo",
    transport: (name) => name === "speech" ? { kind: "Transport", metadata: { name }, spec } : undefined,
    engram: ({ name }): Engram => {
      return { kind: "Engram", metadata: { name }, spec: { templateRef: { name: "t" }, mode: "deployment" } };
    },
    ...(presence ? { presence: () => presence } : {}),
  };
}

function describe(input: TopologyInput, options: Partial<BindingOptions> = {}): readonly BindingDescription[] {
  return describeBindings(input, decide(input), { hubEndpoint, ...options });
}

const forcedToHub: JsonObject = { routing: { mode: "hub" }, lanes: [{ name: "speech", kind: "audio" }] };

test("C-080 the binding of 4.8 gives the documented 713 bytes", () => {
  const { transportBinding } = describe(inputOf(forcedToHub))[1]!;
  assert.is(transportBinding.length, 713);
  assert.match(transportBinding, `{"name":"voice-run-7-transcribe-transport","namespace":"demo","binding":{`);
});

test("C-047 engramName is the StepRun's name and transportRef the Transport's", () => {
  const { spec } = toTransportBinding(describe(inputOf(forcedToHub))[1]!);
  assert.equal([spec.engramName, spec.transportRef], ["voice-run-7-transcribe", "speech"]);
});

test("C-048 the object is what the workflow operator would write", () => {
  const description = describe(inputOf(forcedToHub), { runUid: "0b7e" })[1]!;
  const { metadata, spec, status } = toTransportBinding(description);
  assert.is(metadata.name, "voice-run-7-transcribe-transport");
  assert.equal(metadata.annotations, {
    "transport.bubustack.io/routing-mode": "hub",
    "transport.bubustack.io/downstream-steps": "respond",
  });
  assert.equal(spec, {
    transportRef: "speech",
    storyRunRef: { name: "voice-run-7", namespace: "demo", uid: "0b7e" },
    stepName: "transcribe",
    engramName: "voice-run-7-transcribe",
    driver: "bobravoz-grpc",
    audio: { direction: "bidirectional", codecs: [{ name: "pcm16" }, { name: "opus" }] },
    binary: { direction: "bidirectional", mimeTypes: ["application/json"] },
    connectorEndpoint: "127.0.0.1:50051",
    rawSettings: {
      env: { BUBU_GRPC_DIAL_TIMEOUT: "5s" },
      flowControl: {
        mode: "credits",
        ackEvery: { maxDelay: "250ms", messages: 10 },
        pauseThreshold: { bufferPct: 90 },
        resumeThreshold: { bufferPct: 50 },
      },
      lanes: [{ name: "speech", kind: "audio", direction: "bidirectional", maxBytes: 1048576, maxMessages: 100 }],
      routing: { mode: "hub", maxDownstreams: 32 },
    },
  });
  assert.equal(status, { endpoint: hubEndpoint });
});

test("C-049 only a StepRun becomes controller owner", () => {
  const description = describe(inputOf(forcedToHub))[0]!;
  const owner = { apiVersion: "runs.bubustack.io/v1alpha1", name: "voice-run-7", uid: "u" };
  const run = toTransportBinding(description, { ...owner, kind: "StoryRun" }).metadata.ownerReferences![0]!;
  assert.is(run.controller, undefined);
  const stepRun = toTransportBinding(description, { ...owner, kind: "StepRun" }).metadata.ownerReferences![0]!;
  assert.ok(stepRun.controller && stepRun.blockOwnerDeletion);
  assert.is(toTransportBinding(description).metadata.ownerReferences, undefined);
});

test("status hosts are the published ones, whatever is in effect", () => {
  const status = describe(inputOf({})).map((description) => toTransportBinding(description).status);
  const host = (step: string) => `voice-run-7-${step}.demo.svc.cluster.local:50051`;
  assert.equal(status, [
    { endpoint: hubEndpoint, upstreamHost: host("transcribe") },
    { endpoint: hubEndpoint, upstreamHost: host("respond"), downstreamHost: host("transcribe") },
    { endpoint: hubEndpoint, downstreamHost: host("respond") },
  ]);
});

test("an edge is told to both ends, each with the other one as its peer", () => {
  const listener = { endpoint: "10.0.0.7:50051", serverName: "peer.demo" };
  const [ingress, transcribe] = describe(inputOf({}, speech, { reported: true, listener }));
  assert.equal(ingress!.upstreams, []);
  const { peer, ...edge } = ingress!.downstreams[0]!;
  assert.equal(peer, { step: "transcribe", ...listener });
  assert.equal([edge.effective, edge.published], ["p2p", "p2p"]);
  const { peer: back, ...same } = transcribe!.upstreams[0]!;
  assert.equal(same, edge);
  assert.is(back.step, "ingress");
});

test("what is configured per step is in its binding", () => {
  const [, transcribe] = describe(inputOf({}), {
    hubServerName: "hub.demo",
    hubReady: false,
    connectorEndpoint: (step) => step === "transcribe" ? "127.0.0.1:7002" : undefined,
    generation: () => 4,
    peerTls: true,
  });
  const { connectorEndpoint, generation, serverName, state, storyGeneration, engram } = transcribe!;
  assert.equal({ connectorEndpoint, generation, serverName, state, storyGeneration, engram }, {
    connectorEndpoint: "127.0.0.1:7002",
    generation: 4,
    serverName: "voice-run-7-transcribe.demo.svc.cluster.local",
    state: "HubStarting",
    storyGeneration: 5,
    engram: "stt",
  });
  assert.match(transcribe!.transportBinding, `"endpoint":"127.0.0.1:7002"`);
});

test("merged settings are as published, effective ones keep what the Transport asks for", () => {
  const spec = { ...speech, streaming: { routing: { maxDownstreams: 8 } } };
  const { mergedSettings, effectiveSettings, lanes } = describe(inputOf({}, spec))[0]!;
  assert.match(mergedSettings, `"maxDownstreams":32`);
  assert.match(effectiveSettings, `"maxDownstreams":8`);
  assert.equal(lanes[0], {
    name: "audio",
    kind: "audio",
    direction: "bidirectional",
    maxMessages: 100,
    maxBytes: 1048576,
  });
});

test("a step whose transport is not there has no binding", () => {
  const input = inputOf({});
  assert.equal(describe({ ...input, transport: () => undefined }), []);
});

test("C-110 an envelope above 120 KiB is refused with the setting that is large", () => {
  const large = (bytes: number) => ({
    ...speech,
    defaultSettings: { env: { BUBU_A: "x", BUBU_PROMPT: "p".repeat(bytes) } },
  });
  assert.ok(describe(inputOf({}, large(90_000)))[0]!.transportBinding.length < maxEnvelopeBytes);
  try {
    describe(inputOf({}, large(100_000)));
    assert.unreachable();
  } catch (error) {
    assert.ok(isTransportError(error, "EnvelopeTooLarge"));
    assert.match(error.message, /"ingress" has \d+ bytes and at most 122880 fit/);
    assert.match(error.message, "Transport speech: spec.defaultSettings.env.BUBU_PROMPT has 100002");
  }
});

test.run();
