/**
 * The variables of the programs that local mode starts: those that a pod would have (control-plane 6.3, 6.4, 7.3), and
 * where hub and discovery are. Pure. What only a cluster has (certificates, the security mode) is absent.
 */
import {
  baseEnvironment,
  engramEnvironment,
  type EnvVariable,
  transportsEnvironment,
} from "../contract/binding-env.ts";
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

type Variables = Readonly<Record<string, string>>;

// As shipped (control-plane 6.3), except that local mode kills what has not ended 5 s after SIGTERM.
const defaults = { DefaultGracefulShutdownTimeoutSeconds: 4, DefaultHangTimeoutSeconds: 30 };
const heartbeatNanoseconds = 30_000_000_000n;

// Loopback speaks cleartext: a setting that asks for TLS must not reach a program that has no certificates.
const clusterOnly =
  /^BUBU_(TRANSPORT_SECURITY_MODE|GRPC_REQUIRE_TLS|HUB_CA_FILE|\w+_TLS_\w+|GRPC_CLIENT_\w+_FILE|GRPC_CA_FILE)$/;

/**
 * The variables of an engram that speaks to the hub itself, by name. Settings' `env` overrides apply as in a pod
 * (E-20), except to what local mode itself decides: hub, discovery, binding, port and generation.
 */
export function localEnv(input: LocalEnvInput): Variables {
  const { binding } = input;
  const known: readonly EnvVariable[] = [
    ...Object.entries(asVariables(baseEnvironment(defaults, identity(input), false))),
    ...Object.entries(program(input)),
  ].map(([name, value]) => ({ name, value }));
  const info = { ...binding, endpoint: binding.connectorEndpoint, audioCodecs: [...binding.audioCodecs] };
  const whole = engramEnvironment(known, {
    info: { ...info, videoCodecs: [...binding.videoCodecs], binaryTypes: [...binding.binaryTypes] },
    settings: binding.mergedSettings,
    heartbeatNanoseconds,
  });
  const kept = Object.entries(asVariables(whole)).filter(([name]) => !clusterOnly.test(name));
  return { ...Object.fromEntries(kept), ...addresses(input) };
}

/** Where hub and discovery are: for connectors, and for programs that speak to them. */
const peers = ["BUBU_HUB_ENDPOINT", "BOBRAVOZ_HUB_ENDPOINT", "BOBRAVOZ_DISCOVERY_ENDPOINT"];

/** What the webhook copies from the engram's container (control-plane 7.3), as far as it exists here. */
const ofConnector: ReadonlySet<string> = new Set([
  ...peers,
  "BUBU_ENGRAM_NAME",
  "BUBU_STORY_NAME",
  "BUBU_STEP_NAME",
  "BUBU_STORYRUN_ID",
  "BUBU_POD_NAMESPACE",
  "BUBU_CONNECTOR_GENERATION",
  "BUBU_TRACE_PROPAGATION",
  "BUBU_TRANSPORT_HEARTBEAT_INTERVAL",
]);
const copiedPrefix = "BUBU_GRPC_";

/**
 * The variables of an engram with a connector beside it, and those of the connector. The binding is not among the
 * latter: a connector of ours asks discovery for it, and locally there is no other source.
 */
export function localPairEnv(input: LocalEnvInput): { readonly engram: Variables; readonly connector: Variables } {
  const all = Object.entries(localEnv(input));
  return {
    engram: Object.fromEntries(all.filter(([name]) => !peers.includes(name))),
    connector: {
      ...Object.fromEntries(all.filter(([name]) => ofConnector.has(name) || name.startsWith(copiedPrefix))),
      BUBU_EXECUTION_MODE: "streaming",
      // what the engram gave it before its end goes out first; where local mode ends, it does not wait for that
      BUBU_GRPC_GRACEFUL_SHUTDOWN_TIMEOUT: "30s",
    },
  };
}

/** Variables that have a value; fields of a pod have none here. */
function asVariables(variables: readonly EnvVariable[]): Variables {
  return Object.fromEntries(variables.flatMap(({ name, value }) => value === undefined ? [] : [[name, value]]));
}

function identity({ binding, engram }: LocalEnvInput) {
  return {
    StoryName: binding.story,
    StoryRunName: binding.storyRun,
    StepName: binding.step,
    StepRunName: binding.stepRun,
    StepRunNamespace: binding.namespace,
    WorkloadMode: engram.spec.mode?.trim().toLowerCase(),
  };
}

function program({ binding, run, story, step, engram, transports, startedAt }: LocalEnvInput): Variables {
  const { namespace, storyRun, stepRun } = binding;
  const hot = (story.spec.transports ?? []).map(({ name }) => ({ name, mode: "hot", modeReason: "streaming-default" }));
  return {
    BUBU_ENGRAM_NAME: engram.metadata.name,
    BUBU_POD_NAME: `${stepRun}-local`,
    BUBU_POD_NAMESPACE: namespace,
    BUBU_SERVICE_ACCOUNT_NAME: serviceAccountName(storyRun),
    BUBU_STARTED_AT: startedAt,
    BUBU_STEP_CONFIG: JSON.stringify({ ...objectOf(engram.spec.with), ...objectOf(step.with) }),
    BUBU_TRIGGER_DATA: JSON.stringify(objectOf(run.spec.inputs)),
    // The workflow operator reads the mode from the Story's status, which it writes itself (control-plane R-06).
    BUBU_TRANSPORTS: transportsEnvironment(
      { spec: story.spec, status: { transports: hot } },
      (name) => transports.get(name)?.spec,
    ),
  };
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

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : {};
}
