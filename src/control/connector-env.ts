/**
 * Variables of an injected connector, in the existing webhook's order (control-plane 7.3, C-090), and after them where
 * ours finds discovery and its hub (ARCHITECTURE 3 and 4).
 */
import type { DecodedBinding } from "../contract/binding-info.ts";
import { engramEnvironment, type EnvVariable } from "../contract/binding-env.ts";
import { utf8Text } from "../contract/json-text.ts";
import { defaultGrpcPort } from "../contract/names.ts";
import type { JsonObject, JsonValue } from "../contract/resources.ts";
import { isJsonArray, isJsonObject } from "../contract/settings-schema.ts";

export interface ConnectorEnvInput {
  /** Text of the envelope as the pod or the Engram has it. */
  readonly value: string;
  readonly binding: DecodedBinding;
  readonly engram: string;
  readonly story: string;
  readonly step: string;
  readonly storyRun: string;
  /** The hub, or the peer of a peer-to-peer step (7.4). */
  readonly hubEndpoint: string;
  /** The hub that holds the run, also of a peer-to-peer step. */
  readonly ownHubEndpoint: string;
  readonly discoveryEndpoint: string;
  /** Where ours answers probes; null: nowhere. */
  readonly healthListen: string | null;
  /** Variables of the pod's first container. */
  readonly main: readonly JsonObject[];
}

/** Copied from the first container where they have a literal value (7.3, line 10). */
const copied = [
  "BUBU_TRANSPORT_SECURITY_MODE",
  "BUBU_CONNECTOR_GENERATION",
  "BUBU_TRACE_PROPAGATION",
  "BUBU_DEBUG",
  "BUBU_GRPC_MAX_RECV_BYTES",
  "BUBU_GRPC_MAX_SEND_BYTES",
  "BUBU_GRPC_CLIENT_MAX_RECV_BYTES",
  "BUBU_GRPC_CLIENT_MAX_SEND_BYTES",
  "BUBU_GRPC_DIAL_TIMEOUT",
  "BUBU_GRPC_CHANNEL_BUFFER_SIZE",
  "BUBU_GRPC_RECONNECT_MAX_RETRIES",
  "BUBU_GRPC_RECONNECT_BASE_BACKOFF",
  "BUBU_GRPC_RECONNECT_MAX_BACKOFF",
  "BUBU_GRPC_HANG_TIMEOUT",
  "BUBU_GRPC_MESSAGE_TIMEOUT",
  "BUBU_GRPC_CHANNEL_SEND_TIMEOUT",
  "BUBU_GRPC_HEARTBEAT_INTERVAL",
  "BUBU_TRANSPORT_HEARTBEAT_INTERVAL",
  "BUBU_GRPC_TLS_CERT_FILE",
  "BUBU_GRPC_TLS_KEY_FILE",
  "BUBU_GRPC_CA_FILE",
  "BUBU_GRPC_CLIENT_CERT_FILE",
  "BUBU_GRPC_CLIENT_KEY_FILE",
  "BUBU_HUB_TLS_CERT_FILE",
  "BUBU_HUB_TLS_KEY_FILE",
  "BUBU_GRPC_KEEPALIVE_TIME",
  "BUBU_GRPC_KEEPALIVE_TIMEOUT",
  "BUBU_POD_NAMESPACE",
] as const;

/** Set from another variable where they are absent (7.3, line 11). */
const derived = [
  ["BUBU_GRPC_CLIENT_CERT_FILE", "BUBU_GRPC_TLS_CERT_FILE"],
  ["BUBU_GRPC_CLIENT_KEY_FILE", "BUBU_GRPC_TLS_KEY_FILE"],
  ["BUBU_HUB_TLS_CERT_FILE", "BUBU_GRPC_TLS_CERT_FILE"],
  ["BUBU_HUB_TLS_KEY_FILE", "BUBU_GRPC_TLS_KEY_FILE"],
  ["BUBU_HUB_CA_FILE", "BUBU_GRPC_CA_FILE"],
] as const;

/** The variables as a container has them. Overrides of the settings reach all but the security mode and our own. */
export function connectorEnv(input: ConnectorEnvInput): JsonObject[] {
  const main = literals(input.main);
  const variables = new Map<string, EnvVariable>();
  const put = (name: string, value: string): void => void variables.set(name, { name, value });
  put("BUBU_EXECUTION_MODE", "streaming");
  put("BUBU_TRANSPORT_BINDING", input.value);
  put("BUBU_ENGRAM_NAME", input.engram);
  put("BUBU_STORY_NAME", input.story);
  put("BUBU_STEP_NAME", input.step);
  put("BUBU_STORYRUN_ID", input.storyRun);
  put("BUBU_HUB_ENDPOINT", input.hubEndpoint);
  variables.set("BUBU_POD_NAMESPACE", { name: "BUBU_POD_NAMESPACE", fieldPath: "metadata.namespace" });
  put("BUBU_GRPC_PORT", main.get("BUBU_GRPC_PORT") || String(defaultGrpcPort));
  for (const name of copied) {
    const value = main.get(name);
    if (value !== undefined) put(name, value);
  }
  for (const [name, source] of derived) {
    const value = variables.get(source)?.value;
    if (!variables.has(name) && value) put(name, value);
  }
  const { info } = input.binding;
  const known = engramEnvironment([...variables.values()], {
    info,
    settings: utf8Text(info.payload),
    heartbeatNanoseconds: 0n, // copied already
  });
  const own = [
    { name: "BOBRAVOZ_DISCOVERY_ENDPOINT", value: input.discoveryEndpoint },
    { name: "BOBRAVOZ_HUB_ENDPOINT", value: input.ownHubEndpoint },
    ...input.healthListen === null ? [] : [{ name: "BOBRAVOZ_HEALTH_LISTEN", value: input.healthListen }],
  ];
  return [...known, ...own].map(asContainerVariable);
}

function asContainerVariable({ name, value, fieldPath }: EnvVariable): JsonObject {
  if (fieldPath !== undefined) return { name, valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } } };
  return { name, value: value ?? "" };
}

/** Variables that are plain values, by name; of two of one name the last counts, as in a container. */
export function literals(env: readonly JsonObject[]): ReadonlyMap<string, string> {
  return new Map(env.flatMap(({ name, value, valueFrom }) =>
    // the API server leaves out an empty value
    typeof name === "string" && valueFrom === undefined ? [[name, typeof value === "string" ? value : ""]] : []
  ));
}

/** Members of a list that are objects; none where `value` is no list. */
export function objectsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return value !== undefined && isJsonArray(value) ? value.filter(isJsonObject) : [];
}
