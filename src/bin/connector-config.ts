/** Everything that a connector is told by its environment, read once; every fault at once (data-plane D-060). */
import { readCertificates } from "../adapters/connector/certificates.ts";
import { projectedToken, tokenFrom } from "../adapters/connector/token-file.ts";
import { hostOf } from "../adapters/drivers/grpc.ts";
import type { Keepalive, TlsFiles } from "../adapters/grpc/options.ts";
import { compose } from "../contract/compose.ts";
import { type ConnectorConfig, readConnectorConfig } from "../contract/connector-config.ts";
import { positiveDurationMs } from "../contract/duration.ts";
import { isLoopback } from "../contract/loopback.ts";
import type { Target } from "../connector/driver.ts";

export type Env = Readonly<Record<string, string | undefined>>;

export interface ConnectorSetup {
  readonly config: ConnectorConfig;
  /** Text of `BUBU_TRANSPORT_BINDING`; empty where only discovery has it. */
  readonly binding: string;
  /** `host:port` of binding discovery; null: there is none. */
  readonly discovery: string | null;
  /** Null: discovery says. */
  readonly hub: Target | null;
  readonly tls: TlsFiles | null;
  /** Reads the certificate files again; null where they are not all there. */
  readonly readTls: () => Promise<TlsFiles | null>;
  /** The pod's ServiceAccount token as it is now; null where there is none. */
  readonly token: () => string | null;
  readonly keepalive: Keepalive | null;
  readonly limits: {
    readonly channelSendTimeoutMs: number;
    readonly hangTimeoutMs: number;
    readonly hubDialTimeoutMs: number;
    readonly peerHeartbeatMs: number;
    /** How long a connector that stops sends what waits. */
    readonly stopLimitMs: number;
    readonly maxReceiveBytes: number;
    readonly maxSendBytes: number;
  };
}

const defaultMessageBytes = 10_485_760;

/** Reads variables and certificate files. With faults, the setup is not to be used. */
export async function readSetup(
  env: Env,
): Promise<{ readonly setup: ConnectorSetup; readonly faults: readonly string[] }> {
  const given = (name: string): string => env[name]?.trim() ?? "";
  const discovery = given("BOBRAVOZ_DISCOVERY_ENDPOINT") || null;
  const read = readConnectorConfig(env);
  // what discovery tells need not stand in the environment as well
  const told = new Set<string>(discovery === null ? [] : ["BUBU_TRANSPORT_BINDING", "BUBU_HUB_ENDPOINT"]);
  if (given("BOBRAVOZ_HUB_ENDPOINT") !== "") told.add("BUBU_HUB_ENDPOINT");
  const faults = read.faults.map(({ message }) => message).filter((message) =>
    ![...told].some((name) => message === `${name} must be set`)
  );
  const { config } = read;
  const local = config.localEndpoint;
  if (!isLoopback(hostOf(local))) {
    faults.push(`the engram is served in cleartext: ${local} is not loopback (BUBU_GRPC_LOCAL_ENDPOINT)`);
  }
  const hub = given("BOBRAVOZ_HUB_ENDPOINT") || config.hubEndpoint;
  const dialled = [hub, discovery ?? ""].filter((address) => address !== "");
  const readFiles = () => readCertificates(env, dialled.every((address) => isLoopback(hostOf(address))));
  const certificates = await readFiles();
  faults.push(...certificates.faults);
  const tokenFile = given("BOBRAVOZ_TOKEN_FILE");
  if (tokenFile !== "" && tokenFrom(tokenFile)() === null) {
    faults.push(`BOBRAVOZ_TOKEN_FILE: ${tokenFile} cannot be read or is empty`);
  }
  const milliseconds = (name: string, otherwise: number): number => positiveDurationMs(given(name)) ?? otherwise;
  const bytes = (...names: readonly string[]): number => {
    const value = Number(names.map(given).find((text) => text !== "") ?? 0);
    return Number.isSafeInteger(value) && value > 0 ? value : defaultMessageBytes;
  };
  const timeMs = milliseconds("BUBU_GRPC_KEEPALIVE_TIME", 0);
  return {
    faults,
    setup: {
      config,
      binding: given("BUBU_TRANSPORT_BINDING"),
      discovery,
      hub: hub === "" ? null : {
        address: hub,
        serverName: given("BUBU_GRPC_HUB_SERVER_NAME"),
        isHub: !isStepOf(hub, config.storyRun, config.namespace),
      },
      tls: certificates.tls,
      readTls: async () => (await readFiles()).tls,
      token: tokenFrom(tokenFile || projectedToken),
      keepalive: timeMs === 0 ? null : { timeMs, timeoutMs: milliseconds("BUBU_GRPC_KEEPALIVE_TIMEOUT", 20_000) },
      limits: {
        channelSendTimeoutMs: milliseconds("BUBU_GRPC_CHANNEL_SEND_TIMEOUT", 0),
        hangTimeoutMs: milliseconds("BUBU_GRPC_HANG_TIMEOUT", 0),
        hubDialTimeoutMs: milliseconds("BUBU_GRPC_HUB_DIAL_TIMEOUT", 10_000),
        stopLimitMs: milliseconds("BUBU_GRPC_GRACEFUL_SHUTDOWN_TIMEOUT", 4_000),
        peerHeartbeatMs: milliseconds("BOBRAVOZ_P2P_HEARTBEAT_INTERVAL", 10_000),
        maxReceiveBytes: bytes("BUBU_GRPC_MAX_RECV_BYTES"),
        maxSendBytes: bytes("BUBU_GRPC_MAX_SEND_BYTES"),
      },
    },
  };
}

/** Whether the address of the "hub" is one of the run's own steps: a webhook gives that where one is sent to directly (control-plane A-30). */
function isStepOf(address: string, storyRun: string, namespace: string): boolean {
  const [first = "", second = ""] = hostOf(address).split(".");
  // a step's Service begins with the run's name, cut where both are too long (control-plane N-10)
  return first.startsWith(`${compose([storyRun])}-`.slice(0, 50)) && second === namespace;
}
