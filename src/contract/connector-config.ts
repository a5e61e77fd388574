/** What a connector is told by its environment (control-plane 6.4, data-plane 6.3, 7.2). */
import { type EnvelopeFault, readBindingEnvelope } from "./binding-info.ts";
import { formatGoDuration, parseGoDuration } from "./duration.ts";
import { goQuote, lowerCase, parseGoInteger, trimSpace } from "./go-text.ts";
import { defaultGrpcPort } from "./names.ts";
import { protocolFault } from "./protocol.ts";
import { splitHostPort } from "./host-port.ts";

/** Configuration of a connector. Durations are Go texts. */
export interface ConnectorConfig {
  readonly hubEndpoint: string;
  readonly storyRun: string;
  readonly namespace: string;
  readonly step: string;
  readonly generation: number;
  readonly binding: { readonly name: string; readonly namespace: string };
  /** Where it listens for its engram: `host:port` or `unix://path`. */
  readonly localEndpoint: string;
  /** TLS server name of the local listener; empty: none. */
  readonly localServerName: string;
  readonly localDialTimeout: string;
  readonly hubDialTimeout: string;
  readonly heartbeat: string;
  readonly tunables: {
    readonly channelBufferSize: number;
    readonly channelSendTimeout: string;
    readonly hangTimeout: string;
    readonly messageTimeout: string;
  };
}

/** One fault of the environment. */
export interface ConfigFault {
  readonly kind: "other" | EnvelopeFault | "protocolMissing" | "protocolUnsupported";
  readonly message: string;
}

/** Variables of a process; undefined: not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration; with faults, all of them, in the order in which the existing connector looks for them
 * (data-plane D-060), and then the configuration is not to be used.
 */
export function readConnectorConfig(
  env: Environment,
): { readonly config: ConnectorConfig; readonly faults: readonly ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const refuse = (message: string, kind: ConfigFault["kind"] = "other"): void => {
    faults.push({ kind, message });
  };
  const given = (name: string): string => trimSpace(env[name] ?? "");
  const required = (name: string): string => {
    const value = given(name);
    if (value === "") refuse(`${name} must be set`);
    return value;
  };
  const duration = (name: string, otherwise: string): string => {
    const nanoseconds = parseGoDuration(given(name));
    return nanoseconds === null || nanoseconds <= 0n ? otherwise : formatGoDuration(nanoseconds);
  };

  const security = given("BUBU_TRANSPORT_SECURITY_MODE");
  if (security !== "" && lowerCase(security) !== "tls") {
    refuse(`invalid BUBU_TRANSPORT_SECURITY_MODE ${goQuote(security)}: only "tls" is supported`);
  }
  const localEndpoint = readLocalEndpoint(given("BUBU_GRPC_LOCAL_ENDPOINT"), given("BUBU_GRPC_PORT"), refuse);
  const hubEndpoint = required("BUBU_HUB_ENDPOINT");
  const storyRun = required("BUBU_STORYRUN_ID");
  const namespace = required("BUBU_POD_NAMESPACE");
  const step = required("BUBU_STEP_NAME");
  const binding = readBinding(required("BUBU_TRANSPORT_BINDING"), namespace, refuse);
  const generation = readGeneration(required("BUBU_CONNECTOR_GENERATION"), refuse);
  const engram = given("BUBU_ENGRAM_NAME");
  const buffer = parseGoInteger(given("BUBU_GRPC_CHANNEL_BUFFER_SIZE")) ?? 0n;
  const config: ConnectorConfig = {
    hubEndpoint,
    storyRun,
    namespace,
    step,
    generation,
    binding,
    localEndpoint,
    localServerName: engram === "" ? "" : `${engram}.${namespace}.svc.cluster.local`,
    localDialTimeout: duration("BUBU_GRPC_DIAL_TIMEOUT", "5s"),
    hubDialTimeout: duration("BUBU_GRPC_HUB_DIAL_TIMEOUT", "10s"),
    heartbeat: duration("BUBU_TRANSPORT_HEARTBEAT_INTERVAL", "30s"),
    tunables: {
      channelBufferSize: buffer > 0n && buffer < 2n ** 63n ? Number(buffer) : 16,
      channelSendTimeout: duration("BUBU_GRPC_CHANNEL_SEND_TIMEOUT", "0s"),
      hangTimeout: duration("BUBU_GRPC_HANG_TIMEOUT", "0s"),
      messageTimeout: duration("BUBU_GRPC_MESSAGE_TIMEOUT", "30s"),
    },
  };
  return { config, faults };
}

type Refuse = (message: string, kind?: ConfigFault["kind"]) => void;

function readBinding(value: string, namespace: string, refuse: Refuse): ConnectorConfig["binding"] {
  const none = { name: "", namespace };
  if (value === "") return none;
  const read = readBindingEnvelope(value);
  if ("fault" in read) {
    refuse(`parse BUBU_TRANSPORT_BINDING: ${read.message}`, read.fault);
    return none;
  }
  const fault = protocolFault(read.info.protocolVersion);
  if (fault !== null) refuse(`invalid transport protocol version in binding: ${fault.message}`, fault.kind);
  return { name: read.name, namespace: read.namespace || namespace };
}

function readGeneration(value: string, refuse: Refuse): number {
  const generation = parseGoInteger(value) ?? 0n;
  if (value !== "" && (generation < 1n || generation >= 2n ** 31n)) {
    refuse(`invalid BUBU_CONNECTOR_GENERATION ${goQuote(value)}`);
  }
  return Number(generation);
}

/** `unix://path`, `host:port` or a port; without any, loopback and the port of `BUBU_GRPC_PORT`. */
function readLocalEndpoint(endpoint: string, port: string, refuse: Refuse): string {
  const name = "BUBU_GRPC_LOCAL_ENDPOINT";
  if (endpoint === "") {
    if (port === "") return `127.0.0.1:${defaultGrpcPort}`;
    if (!isPort(port)) refuse(`invalid BUBU_GRPC_PORT ${goQuote(port)}; use ${name} for full endpoints`);
    return `127.0.0.1:${parseGoInteger(port) ?? 0n}`;
  }
  if (endpoint.startsWith("unix://")) {
    if (trimSpace(endpoint.slice("unix://".length)) === "") refuse(`${name} unix endpoint missing path`);
    return endpoint;
  }
  if (!endpoint.includes(":")) {
    if (!isPort(endpoint)) refuse(`invalid ${name} ${goQuote(endpoint)}`);
    return `127.0.0.1:${endpoint}`;
  }
  const split = splitHostPort(endpoint);
  if ("fault" in split) {
    refuse(`invalid ${name} ${goQuote(endpoint)}: address ${endpoint}: ${split.fault}`);
    return endpoint;
  }
  if (!isPort(split.port)) refuse(`invalid ${name} ${goQuote(split.port)}`);
  const host = split.host === "" ? "127.0.0.1" : split.host.includes(":") ? `[${split.host}]` : split.host;
  return `${host}:${split.port}`;
}

function isPort(text: string): boolean {
  const port = parseGoInteger(text);
  return port !== null && port >= 1n && port <= 65_535n;
}
