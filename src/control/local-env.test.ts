import { suite } from "uvu";
import * as assert from "uvu/assert";
import { engram, story, storyRun, transport } from "../../test/support/objects.ts";
import type { JsonObject } from "../contract/resources.ts";
import { decideWith } from "./decisions.ts";
import { localEnv, type LocalEnvInput, localPairEnv } from "./local-env.ts";
import { MemoryWorld } from "./world.ts";

const env = suite("local env");

/** The variables of step `a` of a small Story whose Transport has these raw settings. */
function variables(defaultSettings?: JsonObject, start: { generation: number } = { generation: 1 }) {
  const speech = transport("speech");
  const transports = new Map([["speech", { ...speech, spec: { ...speech.spec, defaultSettings } }]]);
  const program = { ...engram("a"), spec: { ...engram("a").spec, with: { gain: 1, volume: 3 } } };
  const inputs = { story: story("voice", ["a", "b[a]"], { with: { gain: 2 } }), transports, engrams: new Map() };
  const engrams = new Map([["demo/a", program], ["demo/b", engram("b")]]);
  const run = { ...storyRun("voice-1", "voice"), spec: { storyRef: { name: "voice" }, inputs: { lang: "en" } } };
  const decision = decideWith(new MemoryWorld(), run, { ...inputs, engrams }, {
    hubEndpoint: () => "127.0.0.1:9000",
    connectorEndpoint: (_namespace, _run, step) => step === "a" ? "127.0.0.1:20001" : "127.0.0.1:20002",
  });
  assert.is(decision.failure, null);
  const binding = decision.bindings[0]!;
  const input: LocalEnvInput = {
    binding,
    run,
    story: inputs.story,
    step: inputs.story.spec.steps[0]!,
    engram: program,
    transports,
    ...start,
    startedAt: "2026-01-01T00:00:00Z",
    hubEndpoint: "127.0.0.1:9000",
    discoveryEndpoint: "127.0.0.1:9001",
  };
  return { binding, env: localEnv(input), pair: localPairEnv(input) };
}

env("every variable by name (control-plane 6.3, 6.4)", () => {
  const { env: all, binding } = variables();
  assert.equal(all, {
    BOBRAVOZ_DISCOVERY_ENDPOINT: "127.0.0.1:9001",
    BOBRAVOZ_HUB_ENDPOINT: "127.0.0.1:9000",
    BUBU_CONNECTOR_GENERATION: "1",
    BUBU_ENGRAM_NAME: "a",
    BUBU_EXECUTION_MODE: "realtime",
    BUBU_GRPC_CHANNEL_BUFFER_SIZE: "16",
    BUBU_GRPC_CHANNEL_SEND_TIMEOUT: "30s",
    BUBU_GRPC_CLIENT_MAX_RECV_BYTES: "10485760",
    BUBU_GRPC_CLIENT_MAX_SEND_BYTES: "10485760",
    BUBU_GRPC_DIAL_TIMEOUT: "10s",
    BUBU_GRPC_GRACEFUL_SHUTDOWN_TIMEOUT: "4s",
    BUBU_GRPC_HANG_TIMEOUT: "30s",
    BUBU_GRPC_HEARTBEAT_INTERVAL: "10s",
    BUBU_GRPC_MAX_RECV_BYTES: "10485760",
    BUBU_GRPC_MAX_SEND_BYTES: "10485760",
    BUBU_GRPC_MESSAGE_TIMEOUT: "30s",
    BUBU_GRPC_PORT: "20001",
    BUBU_GRPC_RECONNECT_BASE_BACKOFF: "500ms",
    BUBU_GRPC_RECONNECT_MAX_BACKOFF: "30s",
    BUBU_GRPC_RECONNECT_MAX_RETRIES: "10",
    BUBU_HUB_ENDPOINT: "127.0.0.1:9000",
    BUBU_MAX_INLINE_SIZE: "1024",
    BUBU_MAX_RECURSION_DEPTH: "64",
    BUBU_POD_NAME: "voice-1-a-local",
    BUBU_POD_NAMESPACE: "demo",
    BUBU_SERVICE_ACCOUNT_NAME: "voice-1-engram-runner",
    BUBU_STARTED_AT: "2026-01-01T00:00:00Z",
    BUBU_STEPRUN_NAME: "voice-1-a",
    BUBU_STEPRUN_NAMESPACE: "demo",
    BUBU_STEP_CONFIG: '{"gain":2,"volume":3}',
    BUBU_STEP_NAME: "a",
    BUBU_STORAGE_TIMEOUT: "300s",
    BUBU_STORYRUN_ID: "voice-1",
    BUBU_STORY_NAME: "voice",
    BUBU_TRACE_PROPAGATION: "false",
    BUBU_TRANSPORTS:
      '[{"name":"main","kind":"bobravoz","mode":"hot","config":{"modeReason":"streaming-default","transportRef":"speech"}}]',
    BUBU_TRANSPORT_AUDIO_CODECS: "pcm16",
    BUBU_TRANSPORT_BINARY_TYPES: "application/json",
    BUBU_TRANSPORT_BINDING: binding.transportBinding,
    BUBU_TRANSPORT_DRIVER: "bobravoz-grpc",
    BUBU_TRANSPORT_ENDPOINT: "127.0.0.1:20001",
    BUBU_TRANSPORT_HEARTBEAT_INTERVAL: "30s",
    BUBU_TRIGGER_DATA: '{"lang":"en"}',
    BUBU_WORKLOAD_MODE: "deployment",
  });
});

env("settings' env overrides what it may, and nothing that local mode decides (E-20)", () => {
  const { env: all } = variables({
    env: {
      BUBU_GRPC_DIAL_TIMEOUT: "5s",
      BUBU_COUNT: 5,
      BUBU_FLAG: true,
      FOO: "bar",
      "1BAD": "x",
      BUBU_HUB_ENDPOINT: "elsewhere:1",
      BUBU_GRPC_PORT: "1",
      BUBU_TRANSPORT_SECURITY_MODE: "tls",
      BUBU_GRPC_CA_FILE: "/nowhere",
    },
  });
  assert.equal(
    [all.BUBU_GRPC_DIAL_TIMEOUT, all.BUBU_COUNT, all.BUBU_FLAG, all.FOO, all["1BAD"]],
    ["5s", "5", "true", undefined, undefined],
  );
  assert.equal(
    [all.BUBU_HUB_ENDPOINT, all.BUBU_GRPC_PORT, all.BUBU_TRANSPORT_SECURITY_MODE, all.BUBU_GRPC_CA_FILE],
    ["127.0.0.1:9000", "20001", undefined, undefined],
  );
});

env("a generation changes its variable and nothing else", () => {
  const first = variables().env;
  const second = variables(undefined, { generation: 2 }).env;
  assert.equal({ ...second, BUBU_CONNECTOR_GENERATION: "1" }, first);
  assert.is(second.BUBU_CONNECTOR_GENERATION, "2");
});

env("with a connector, hub and discovery are the connector's, the binding is the engram's (control-plane 7.3)", () => {
  const { env: all, pair } = variables({ env: { BUBU_GRPC_DIAL_TIMEOUT: "5s", BUBU_OF_THE_ENGRAM: "1" } });
  const missing = Object.keys(all).filter((name) => pair.engram[name] !== all[name]);
  assert.equal(missing, ["BUBU_HUB_ENDPOINT", "BOBRAVOZ_HUB_ENDPOINT", "BOBRAVOZ_DISCOVERY_ENDPOINT"]);
  const { connector } = pair;
  assert.equal(Object.keys(connector).filter((name) => !name.startsWith("BUBU_GRPC_")).sort(), [
    "BOBRAVOZ_DISCOVERY_ENDPOINT",
    "BOBRAVOZ_HUB_ENDPOINT",
    "BUBU_CONNECTOR_GENERATION",
    "BUBU_ENGRAM_NAME",
    "BUBU_EXECUTION_MODE",
    "BUBU_HUB_ENDPOINT",
    "BUBU_POD_NAMESPACE",
    "BUBU_STEP_NAME",
    "BUBU_STORYRUN_ID",
    "BUBU_STORY_NAME",
    "BUBU_TRACE_PROPAGATION",
    "BUBU_TRANSPORT_HEARTBEAT_INTERVAL",
  ]);
  assert.equal([connector["BUBU_GRPC_PORT"], connector["BUBU_GRPC_DIAL_TIMEOUT"]], ["20001", "5s"]);
  assert.is(connector["BUBU_EXECUTION_MODE"], "streaming");
});

env.run();
