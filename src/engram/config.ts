/** What an engram is told by its environment: its binding, and how it speaks to its connector (data-plane 7.3). */
import type { BindingInfo } from "../../gen/transport/v1/transport_pb.ts";
import { decodeBindingEnvelope } from "../contract/binding-info.ts";
import { positiveDurationMs } from "../contract/duration.ts";
import { TransportError } from "../contract/errors.ts";
import { parseGoInteger } from "../contract/go-text.ts";
import { splitHostPort } from "../contract/host-port.ts";
import { isLoopback } from "../contract/loopback.ts";
import { protocolFault } from "../contract/protocol.ts";
import type { JsonObject } from "../contract/resources.ts";

/** Variables of a process; undefined: not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The step's TransportBinding, as its connector has it too. */
export interface Binding {
  readonly name: string;
  readonly namespace: string;
  readonly info: BindingInfo;
}

export interface EngramConfig {
  readonly binding: Binding;
  /** Variables with the overrides of the binding's settings applied (control-plane E-22). */
  readonly env: Environment;
  /** The step's resolved `with`; empty where there is none. */
  readonly stepConfig: JsonObject;
  readonly dialTimeoutMs: number;
  /** How long the connector may take to say that it is ready. */
  readonly messageTimeoutMs: number;
  readonly dataHeartbeatMs: number;
  readonly controlHeartbeatMs: number;
  readonly gracefulMs: number;
  /** Packets that wait for the engram before no more are read. */
  readonly bufferSize: number;
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  readonly reconnect: {
    /** Attempts after the first; negative: any number. */
    readonly maxRetries: number;
    readonly baseMs: number;
    readonly maxMs: number;
  };
}

/**
 * Reads the environment. Values that do not parse fall back to their defaults (control-plane E-31). Throws
 * `InvalidBinding` or `ProtocolVersion` for the binding, `InvalidConfiguration` for an endpoint that is not loopback.
 */
export function readEngramConfig(variables: Environment): EngramConfig {
  const text = variables["BUBU_TRANSPORT_BINDING"] ?? "";
  if (text.trim() === "") throw new TransportError("InvalidBinding", "BUBU_TRANSPORT_BINDING must be set");
  const { name, namespace, info, env: overrides = {} } = decodeBindingEnvelope(text);
  const fault = protocolFault(info.protocolVersion);
  if (fault !== null) throw new TransportError("ProtocolVersion", `BUBU_TRANSPORT_BINDING: ${fault.message}`);
  const env = withOverrides(variables, overrides);
  checkEndpoint(info.endpoint);
  const duration = (variable: string, otherwise: number) => positiveDurationMs(env[variable] ?? "") ?? otherwise;
  const integer = (variable: string, otherwise: number, least: number) => {
    const value = parseGoInteger((env[variable] ?? "").trim());
    return value === null || value < least || value > 2 ** 31 ? otherwise : Number(value);
  };
  const messageTimeoutMs = duration("BUBU_GRPC_MESSAGE_TIMEOUT", 30_000);
  return {
    binding: { name, namespace: namespace || env["BUBU_POD_NAMESPACE"]?.trim() || "", info },
    env,
    stepConfig: readObject(env["BUBU_STEP_CONFIG"]),
    dialTimeoutMs: duration("BUBU_GRPC_DIAL_TIMEOUT", 10_000),
    messageTimeoutMs,
    dataHeartbeatMs: Math.min(duration("BUBU_GRPC_HEARTBEAT_INTERVAL", 10_000), messageTimeoutMs / 2),
    controlHeartbeatMs: duration("BUBU_TRANSPORT_HEARTBEAT_INTERVAL", 30_000),
    gracefulMs: duration("BUBU_GRPC_GRACEFUL_SHUTDOWN_TIMEOUT", 20_000),
    bufferSize: integer("BUBU_GRPC_CHANNEL_BUFFER_SIZE", 16, 1),
    maxReceiveBytes: integer("BUBU_GRPC_CLIENT_MAX_RECV_BYTES", 10_485_760, 1),
    maxSendBytes: integer("BUBU_GRPC_CLIENT_MAX_SEND_BYTES", 10_485_760, 1),
    reconnect: {
      maxRetries: integer("BUBU_GRPC_RECONNECT_MAX_RETRIES", 10, -(2 ** 31)),
      baseMs: duration("BUBU_GRPC_RECONNECT_BASE_BACKOFF", 500),
      maxMs: duration("BUBU_GRPC_RECONNECT_MAX_BACKOFF", 30_000),
    },
  };
}

function withOverrides(env: Environment, overrides: Readonly<Record<string, string>>): Environment {
  const all = { ...env };
  for (const [key, value] of Object.entries(overrides)) {
    const name = key.trim();
    const isKnown = name.startsWith("BUBU_") || Object.hasOwn(env, name);
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && isKnown && value.trim() !== "") all[name] = value;
  }
  return all;
}

/** A connector stands beside its engram; what lies further would need certificates, which an engram has none of. */
function checkEndpoint(endpoint: string): void {
  if (endpoint === "") throw new TransportError("InvalidBinding", "BUBU_TRANSPORT_BINDING has no endpoint");
  if (endpoint.startsWith("unix:")) return;
  const parts = splitHostPort(endpoint);
  if (!("fault" in parts) && isLoopback(parts.host)) return;
  const text = `endpoint ${JSON.stringify(endpoint)} of BUBU_TRANSPORT_BINDING is not on this machine's loopback`;
  throw new TransportError("InvalidConfiguration", text);
}

function readObject(text = ""): JsonObject {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TransportError("InvalidConfiguration", "BUBU_STEP_CONFIG is not JSON", {}, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject; // from JSON
  throw new TransportError("InvalidConfiguration", "BUBU_STEP_CONFIG is not a JSON object");
}
