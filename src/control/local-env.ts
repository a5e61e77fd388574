/**
 * The variables of an engram that local mode starts: those that a pod would have (control-plane 6.3, 6.4), and where
 * hub and discovery are. Pure. What only a cluster has (certificates, the security mode) is absent.
 */
import { serviceAccountName } from "../contract/compose.ts";
import type { Engram, JsonObject, JsonValue, Step, Story, StoryRun, Transport } from "../contract/resources.ts";
import type { BindingDescription } from "../topology/binding.ts";

export interface LocalEnvInput {
  readonly binding: BindingDescription;
  readonly run: StoryRun;
  readonly story: Story;
  readonly step: Step;
  readonly engram: Engram;
  readonly transports: ReadonlyMap<string, Transport>;
  readonly generation: number;
  /** RFC 3339. */
  readonly startedAt: string;
  /** `host:port`. */
  readonly hubEndpoint: string;
  readonly discoveryEndpoint: string;
}

type Variables = Record<string, string>;

// As the workflow operator gives them with its shipped configuration (control-plane 6.3).
const tunables: Readonly<Variables> = {
  BUBU_MAX_RECURSION_DEPTH: "64",
  BUBU_MAX_INLINE_SIZE: "1024",
  BUBU_TRACE_PROPAGATION: "false",
  BUBU_GRPC_MAX_RECV_BYTES: "10485760",
  BUBU_GRPC_MAX_SEND_BYTES: "10485760",
  BUBU_GRPC_CLIENT_MAX_RECV_BYTES: "10485760",
  BUBU_GRPC_CLIENT_MAX_SEND_BYTES: "10485760",
  BUBU_GRPC_DIAL_TIMEOUT: "10s",
  BUBU_GRPC_CHANNEL_BUFFER_SIZE: "16",
  BUBU_GRPC_RECONNECT_MAX_RETRIES: "10",
  BUBU_GRPC_RECONNECT_BASE_BACKOFF: "500ms",
  BUBU_GRPC_RECONNECT_MAX_BACKOFF: "30s",
  BUBU_GRPC_HANG_TIMEOUT: "30s",
  BUBU_GRPC_MESSAGE_TIMEOUT: "30s",
  BUBU_GRPC_CHANNEL_SEND_TIMEOUT: "30s",
  BUBU_GRPC_HEARTBEAT_INTERVAL: "10s",
  // Local mode kills what has not ended 5 s after SIGTERM.
  BUBU_GRPC_GRACEFUL_SHUTDOWN_TIMEOUT: "4s",
  BUBU_TRANSPORT_HEARTBEAT_INTERVAL: "30s",
};

// Loopback speaks cleartext: a setting that asks for TLS must not reach a program that has no certificates.
const clusterOnly =
  /^BUBU_(TRANSPORT_SECURITY_MODE|GRPC_REQUIRE_TLS|HUB_CA_FILE|\w+_TLS_\w+|GRPC_CLIENT_\w+_FILE|GRPC_CA_FILE)$/;

/**
 * The variables by name. Settings' `env` overrides apply as in a pod (E-20, integers printed as integers), except to
 * what local mode itself decides: hub, discovery, binding, port and generation.
 */
export function localEnv(input: LocalEnvInput): Readonly<Record<string, string>> {
  const { binding } = input;
  const env: Variables = { ...tunables, ...identity(input), ...program(input), ...metadata(binding) };
  for (const [name, value] of overridesOf(binding.mergedSettings)) {
    if (name.startsWith("BUBU_") || Object.hasOwn(env, name)) env[name] = value;
  }
  for (const name of Object.keys(env)) if (clusterOnly.test(name)) delete env[name];
  return { ...env, ...addresses(input) };
}

function identity({ binding, engram }: LocalEnvInput): Variables {
  const { story, storyRun, step, stepRun, namespace } = binding;
  return {
    BUBU_STORY_NAME: story,
    BUBU_STORYRUN_ID: storyRun,
    BUBU_STEP_NAME: step,
    BUBU_STEPRUN_NAME: stepRun,
    BUBU_STEPRUN_NAMESPACE: namespace,
    BUBU_ENGRAM_NAME: engram.metadata.name,
    BUBU_POD_NAME: `${stepRun}-local`,
    BUBU_POD_NAMESPACE: namespace,
    BUBU_SERVICE_ACCOUNT_NAME: serviceAccountName(storyRun),
    BUBU_EXECUTION_MODE: "realtime",
    BUBU_WORKLOAD_MODE: engram.spec.mode?.trim().toLowerCase() || "deployment",
  };
}

function program({ run, story, step, engram, transports, startedAt }: LocalEnvInput): Variables {
  const config = { ...objectOf(engram.spec.with), ...objectOf(step.with) };
  return {
    BUBU_STARTED_AT: startedAt,
    BUBU_STEP_CONFIG: JSON.stringify(config),
    BUBU_TRIGGER_DATA: JSON.stringify(objectOf(run.spec.inputs)),
    BUBU_TRANSPORTS: JSON.stringify((story.spec.transports ?? []).map(({ name, transportRef }) => {
      const spec = transports.get(transportRef.trim())?.spec;
      const kind = spec?.provider.trim() || spec?.driver.trim() || transportRef.trim();
      const config = { modeReason: "streaming-default", transportRef: transportRef.trim() };
      return { name, kind, mode: "hot", config };
    })),
  };
}

/** Variables that repeat what the envelope says (control-plane E-23). */
function metadata({ driver, connectorEndpoint, audioCodecs, videoCodecs, binaryTypes }: BindingDescription): Variables {
  const variables = {
    BUBU_TRANSPORT_DRIVER: driver,
    BUBU_TRANSPORT_ENDPOINT: connectorEndpoint,
    BUBU_TRANSPORT_AUDIO_CODECS: audioCodecs.join(","),
    BUBU_TRANSPORT_VIDEO_CODECS: videoCodecs.join(","),
    BUBU_TRANSPORT_BINARY_TYPES: binaryTypes.join(","),
  };
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ""));
}

function addresses({ binding, generation, hubEndpoint, discoveryEndpoint }: LocalEnvInput): Variables {
  return {
    BUBU_TRANSPORT_BINDING: binding.transportBinding,
    BUBU_CONNECTOR_GENERATION: String(generation),
    BUBU_GRPC_PORT: binding.connectorEndpoint.slice(binding.connectorEndpoint.lastIndexOf(":") + 1),
    BUBU_HUB_ENDPOINT: hubEndpoint,
    BOBRAVOZ_HUB_ENDPOINT: hubEndpoint,
    BOBRAVOZ_DISCOVERY_ENDPOINT: discoveryEndpoint,
  };
}

/** Overrides of the settings' `env`, in order of their keys (control-plane E-20, E-21). */
function overridesOf(mergedSettings: string): readonly (readonly [string, string])[] {
  const settings = objectOf(JSON.parse(mergedSettings) as JsonValue);
  const key = Object.keys(settings).find((name) => name.toLowerCase() === "env");
  return Object.entries(objectOf(key === undefined ? undefined : settings[key]))
    .map(([name, value]) => [name.trim(), textOf(value)] as const)
    .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .sort(([a], [b]) => a < b ? -1 : 1);
}

function textOf(value: JsonValue): string {
  return typeof value === "string" ? value : value === null ? "<nil>" : JSON.stringify(value);
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : {};
}
