/** Variables of a container that follow from its binding (control-plane 6.2, 6.3). */
import type { BindingInfo } from "../../gen/transport/v1/transport_pb.ts";
import { formatGoDuration } from "./duration.ts";
import { formatGoFloat, trimSpace } from "./go-text.ts";
import { jsonValue, parseJson } from "./json-text.ts";
import { compareUtf8, quoteJson } from "./json-write.ts";
import type { JsonValue } from "./resources.ts";
import { foldKey, isJsonArray, isJsonObject } from "./settings-schema.ts";

/** A variable of a container: a value, or a field of its pod. */
export interface EnvVariable {
  readonly name: string;
  readonly value?: string;
  readonly fieldPath?: string;
}

/**
 * Overrides in merged settings: the members of `env`, its key in any case, each value as Go's `%v` text (E-20, E-21).
 * Undefined where the text is no object or has none.
 */
export function environmentOf(settings: string): Readonly<Record<string, string>> | undefined {
  const parsed = parseJson(settings);
  if ("fault" in parsed || parsed.node.kind !== "object") return undefined;
  const found = new Map<string, string>();
  for (const { name, value } of parsed.node.members) {
    if (foldKey(name) !== "env" || value.kind === "null") continue;
    const env = jsonValue(value);
    // One number beyond float64 makes the whole text undecodable, and so does another type.
    if ("fault" in env || !isJsonObject(env.value)) return undefined;
    for (const [key, member] of Object.entries(env.value)) found.set(key, goText(member));
  }
  return found.size === 0 ? undefined : Object.fromEntries(found);
}

function goText(value: JsonValue): string {
  if (value === null) return "<nil>";
  if (typeof value === "number") return formatGoFloat(value);
  if (isJsonArray(value)) return `[${value.map(goText).join(" ")}]`;
  if (!isJsonObject(value)) return String(value);
  const members = Object.entries(value).sort(([a], [b]) => compareUtf8(a, b));
  return `map[${members.map(([key, member]) => `${key}:${goText(member)}`).join(" ")}]`;
}

/** Sets a variable: replaced in place where it exists, else appended. */
function set(env: readonly EnvVariable[], name: string, value: string): readonly EnvVariable[] {
  const variable = { name, value };
  if (!env.some((existing) => existing.name === name)) return [...env, variable];
  return env.map((existing) => existing.name === name ? variable : existing);
}

/**
 * Applies overrides in sorted order of their trimmed names. Skipped is what is no variable name, and what neither
 * begins with `BUBU_` nor exists already (E-20).
 */
export function applyOverrides(
  env: readonly EnvVariable[],
  overrides: Readonly<Record<string, string>>,
): readonly EnvVariable[] {
  const trimmed = new Map(
    Object.keys(overrides).sort(compareUtf8).map((key) => [trimSpace(key), overrides[key] ?? ""]),
  );
  return [...trimmed].sort(([a], [b]) => compareUtf8(a, b)).reduce((list, [name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return list;
    const isKnown = name.startsWith("BUBU_") || list.some((variable) => variable.name === name);
    return isKnown ? set(list, name, value) : list;
  }, env);
}

/** What the engram container's own variables are made from. */
export interface EngramEnvironment {
  readonly info: Partial<Pick<BindingInfo, "driver" | "endpoint" | "audioCodecs" | "videoCodecs" | "binaryTypes">>;
  /** Text of the merged settings. */
  readonly settings: string;
  /** Heartbeat interval; 0 sets none. */
  readonly heartbeatNanoseconds: bigint;
}

/** Variables of an engram container: metadata of the binding, heartbeat, overrides, and the security mode last (E-22, E-23). */
export function engramEnvironment(
  env: readonly EnvVariable[],
  { info, settings, heartbeatNanoseconds }: EngramEnvironment,
): readonly EnvVariable[] {
  const metadata: readonly (readonly [string, string])[] = [
    ["DRIVER", trimSpace(info.driver ?? "")],
    ["ENDPOINT", trimSpace(info.endpoint ?? "")],
    ["AUDIO_CODECS", (info.audioCodecs ?? []).join(",")],
    ["VIDEO_CODECS", (info.videoCodecs ?? []).join(",")],
    ["BINARY_TYPES", (info.binaryTypes ?? []).join(",")],
    ["HEARTBEAT_INTERVAL", heartbeatNanoseconds > 0n ? formatGoDuration(heartbeatNanoseconds) : ""],
  ];
  const withMetadata = metadata.reduce(
    (list, [name, value]) => value === "" ? list : set(list, `BUBU_TRANSPORT_${name}`, value),
    env,
  );
  return set(applyOverrides(withMetadata, environmentOf(settings) ?? {}), "BUBU_TRANSPORT_SECURITY_MODE", "tls");
}

/** Defaults of the workflow operator for realtime workloads; 0 or less is unset. */
export interface WorkloadDefaults {
  readonly DefaultGRPCPort?: number;
  readonly DefaultGRPCHeartbeatIntervalSeconds?: number;
  readonly DefaultMaxInlineSize?: number;
  readonly DefaultStorageTimeoutSeconds?: number;
  readonly DefaultGracefulShutdownTimeoutSeconds?: number;
  readonly DefaultMaxRecvMsgBytes?: number;
  readonly DefaultMaxSendMsgBytes?: number;
  readonly DefaultDialTimeoutSeconds?: number;
  readonly DefaultChannelBufferSize?: number;
  readonly DefaultReconnectMaxRetries?: number;
  readonly DefaultReconnectBaseBackoffMillis?: number;
  readonly DefaultReconnectMaxBackoffSeconds?: number;
  readonly DefaultHangTimeoutSeconds?: number;
  readonly DefaultMessageTimeoutSeconds?: number;
}

/** Who the workload is; empty names are left out. */
export interface WorkloadIdentity {
  readonly StoryName?: string;
  readonly StoryRunName?: string;
  readonly StepName?: string;
  readonly StepRunName?: string;
  readonly StepRunNamespace?: string;
  readonly WorkloadMode?: string;
}

/** Variables that every realtime engram container starts from, in the operator's order (control-plane 6.3). */
export function baseEnvironment(
  config: WorkloadDefaults,
  identity: WorkloadIdentity,
  tracePropagation: boolean,
): readonly EnvVariable[] {
  const positive = (value: number | undefined, otherwise: number): number =>
    value !== undefined && value > 0 ? value : otherwise;
  const port = positive(config.DefaultGRPCPort, 50_051);
  const received = positive(config.DefaultMaxRecvMsgBytes, 10_485_760);
  const sent = positive(config.DefaultMaxSendMsgBytes, 10_485_760);
  const messageTimeout = `${positive(config.DefaultMessageTimeoutSeconds, 30)}s`;
  const values: readonly (readonly [string, string | number])[] = [
    ["MAX_INLINE_SIZE", positive(config.DefaultMaxInlineSize, 1_024)],
    ["STORAGE_TIMEOUT", `${positive(config.DefaultStorageTimeoutSeconds, 300)}s`],
    ["TRACE_PROPAGATION", String(tracePropagation)],
    ["GRPC_GRACEFUL_SHUTDOWN_TIMEOUT", `${positive(config.DefaultGracefulShutdownTimeoutSeconds, 20)}s`],
    ["GRPC_MAX_RECV_BYTES", received],
    ["GRPC_MAX_SEND_BYTES", sent],
    ["GRPC_CLIENT_MAX_RECV_BYTES", received],
    ["GRPC_CLIENT_MAX_SEND_BYTES", sent],
    ["GRPC_DIAL_TIMEOUT", `${positive(config.DefaultDialTimeoutSeconds, 10)}s`],
    ["GRPC_CHANNEL_BUFFER_SIZE", positive(config.DefaultChannelBufferSize, 16)],
    ["GRPC_RECONNECT_MAX_RETRIES", positive(config.DefaultReconnectMaxRetries, 10)],
    ["GRPC_RECONNECT_BASE_BACKOFF", `${positive(config.DefaultReconnectBaseBackoffMillis, 500)}ms`],
    ["GRPC_RECONNECT_MAX_BACKOFF", `${positive(config.DefaultReconnectMaxBackoffSeconds, 30)}s`],
    ["GRPC_HANG_TIMEOUT", `${positive(config.DefaultHangTimeoutSeconds, 0)}s`],
    ["GRPC_MESSAGE_TIMEOUT", messageTimeout],
    ["GRPC_CHANNEL_SEND_TIMEOUT", messageTimeout],
    ["GRPC_HEARTBEAT_INTERVAL", `${positive(config.DefaultGRPCHeartbeatIntervalSeconds, 10)}s`],
  ];
  const names: readonly (readonly [string, string | undefined])[] = [
    ["STORY_NAME", identity.StoryName],
    ["STORYRUN_ID", identity.StoryRunName],
    ["STEP_NAME", identity.StepName],
    ["STEPRUN_NAME", identity.StepRunName],
    ["STEPRUN_NAMESPACE", identity.StepRunNamespace],
  ];
  return [
    { name: "BUBU_WORKLOAD_MODE", value: identity.WorkloadMode || "deployment" },
    { name: "BUBU_EXECUTION_MODE", value: "realtime" },
    { name: "BUBU_GRPC_PORT", value: String(port <= 65_535 ? port : 50_051) },
    { name: "BUBU_MAX_RECURSION_DEPTH", value: "64" },
    { name: "BUBU_POD_NAME", fieldPath: "metadata.name" },
    { name: "BUBU_POD_NAMESPACE", fieldPath: "metadata.namespace" },
    { name: "BUBU_SERVICE_ACCOUNT_NAME", fieldPath: "spec.serviceAccountName" },
    ...values.map(([name, value]) => ({ name: `BUBU_${name}`, value: String(value) })),
    ...names.flatMap(([name, value]) => value ? [{ name: `BUBU_${name}`, value }] : []),
  ];
}

/** What of a Story its `BUBU_TRANSPORTS` tells. */
export interface TransportsSource {
  readonly spec: { readonly transports?: readonly { readonly name: string; readonly transportRef: string }[] };
  readonly status?: {
    readonly transports?: readonly { readonly name: string; readonly mode?: string; readonly modeReason?: string }[];
  };
}

/** A Transport as far as `BUBU_TRANSPORTS` names it. */
export interface TransportKind {
  readonly provider?: string;
  readonly driver?: string;
}

/** Value of `BUBU_TRANSPORTS`: the Story's transports as JSON; empty for none (control-plane 6.3). */
export function transportsEnvironment(
  { spec, status }: TransportsSource,
  transport: (name: string) => TransportKind | undefined,
): string {
  const entries = (spec.transports ?? []).map((entry) => {
    const ref = trimSpace(entry.transportRef);
    const object = transport(ref);
    const known = status?.transports?.find((candidate) => candidate.name === entry.name);
    const kind = trimSpace(object?.provider ?? "") || trimSpace(object?.driver ?? "") || ref;
    const config = [member("modeReason", known?.modeReason), member("transportRef", ref)].filter(isPresent);
    const members = [
      `"name":${quoteJson(entry.name)}`,
      member("kind", kind),
      member("mode", known?.mode),
      config.length === 0 ? "" : `"config":{${config.join(",")}}`,
    ];
    return `{${members.filter(isPresent).join(",")}}`;
  });
  return entries.length === 0 ? "" : `[${entries.join(",")}]`;
}

function member(name: string, value: string | undefined): string {
  return value ? `"${name}":${quoteJson(value)}` : "";
}

function isPresent(text: string): boolean {
  return text !== "";
}
