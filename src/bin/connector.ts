/** `bobravoz connector`: the sidecar of one engram. Configured by its environment alone (data-plane 6.2, 7.2). */
import { readFile } from "node:fs/promises";
import { GrpcDriver, hostOf } from "../adapters/drivers/grpc.ts";
import { listenForEngram } from "../adapters/connector/engram-port.ts";
import { systemClock } from "../adapters/clock.ts";
import { createLog } from "../adapters/log.ts";
import type { TlsFiles } from "../adapters/grpc/options.ts";
import { bindingOfEnvironment } from "../connector/binding.ts";
import { Connector } from "../connector/connector.ts";
import { readConnectorConfig } from "../contract/connector-config.ts";
import { positiveDurationMs } from "../contract/duration.ts";
import { TransportError } from "../contract/errors.ts";
import { isLoopback } from "../contract/loopback.ts";
import type { Io } from "./io.ts";
import { readOptions } from "./options.ts";

/** How long a connector that stops sends what waits. */
const stopLimitMs = 4_000;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  readOptions("connector", argv, {}, [0, 0]);
  const { env } = io;
  const { config, faults } = readConnectorConfig(env);
  if (faults.length > 0) {
    for (const { message } of faults) io.err(`bobravoz: ${message}\n`);
    return 1;
  }
  const log = createLog({ level: env["BUBU_DEBUG"] ? "debug" : "info" });
  const clock = systemClock;
  const hub = { address: config.hubEndpoint, serverName: env["BUBU_GRPC_HUB_SERVER_NAME"]?.trim() ?? "" };
  const tls = await readCertificates(env, isLoopback(hostOf(hub.address)));
  const milliseconds = (text: string): number => positiveDurationMs(text) ?? 0;
  const binding = bindingOfEnvironment(env["BUBU_TRANSPORT_BINDING"] ?? "", config.namespace, (error) => {
    log.warn("settings ignored", { reason: error.reason, detail: error.message });
  });
  const maxReceiveBytes = positive(env["BUBU_GRPC_MAX_RECV_BYTES"]);
  const driver = new GrpcDriver({ clock, log, tls, maxReceiveBytes });
  const connector = new Connector({
    namespace: config.namespace,
    storyRun: config.storyRun,
    step: config.step,
    generation: config.generation,
    binding,
    hub,
    reports: false,
    limits: {
      channelBufferSize: config.tunables.channelBufferSize,
      channelSendTimeoutMs: milliseconds(config.tunables.channelSendTimeout),
      hangTimeoutMs: milliseconds(config.tunables.hangTimeout),
      hubDialTimeoutMs: milliseconds(config.hubDialTimeout),
      maxSendBytes: positive(env["BUBU_GRPC_MAX_SEND_BYTES"]),
      peerHeartbeatMs: positiveDurationMs(env["BOBRAVOZ_P2P_HEARTBEAT_INTERVAL"] ?? "") ?? 10_000,
      stallLimitMs: 5_000,
    },
    driver,
    clock,
    log,
    random: Math.random,
  });
  const port = await listenForEngram({
    address: config.localEndpoint,
    connector,
    missing: () => [],
    takesPeers: true,
    clock,
    log,
    maxReceiveBytes,
  });
  log.info("connector listens", { address: port.address, step: config.step, generation: config.generation });
  connector.start();
  const stopped = new Promise<"signal">((resolve) => {
    io.signal.addEventListener("abort", () => resolve("signal"), { once: true });
  });
  try {
    await Promise.race([stopped, connector.failed, firstDial(connector, milliseconds(config.hubDialTimeout))]);
    return 0;
  } catch (error) {
    const { reason, message } = error as TransportError;
    log.error("connector gives up", { reason, detail: message });
    return 1;
  } finally {
    await connector.stop(stopLimitMs);
    await port.close(500);
    await driver.close();
  }
}

/** Rejects where the hub does not answer in time (data-plane 6.2, 4); else never settles. */
async function firstDial(connector: Connector, limitMs: number): Promise<never> {
  const late = Promise.withResolvers<never>();
  const timer = systemClock.after(limitMs, () => {
    late.reject(new TransportError("Unavailable", `the hub did not answer within ${limitMs} ms`));
  });
  await Promise.race([late.promise, connector.connected]);
  timer.cancel();
  return await new Promise<never>(() => {});
}

/** Client certificates (data-plane 2.1): all three files, or none where everything that is dialled is loopback. */
async function readCertificates(env: Io["env"], isOptional: boolean): Promise<TlsFiles | null> {
  const variables = {
    cert: "BUBU_GRPC_CLIENT_CERT_FILE",
    key: "BUBU_GRPC_CLIENT_KEY_FILE",
    ca: "BUBU_GRPC_CA_FILE",
  } as const;
  const named = Object.values(variables).filter((variable) => env[variable]?.trim());
  if (named.length === 0 && isOptional) return null;
  const faults: string[] = [];
  const read = async (variable: string): Promise<string> => {
    const path = env[variable]?.trim();
    if (!path) faults.push(`${variable} must be set`);
    else {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        faults.push(`${variable}: ${path} cannot be read: ${error instanceof Error ? error.message : error}`);
      }
    }
    return "";
  };
  const tls = { cert: await read(variables.cert), key: await read(variables.key), ca: await read(variables.ca) };
  if (faults.length > 0) throw new TransportError("InvalidConfiguration", faults.join("\n"));
  return tls;
}

function positive(text: string | undefined): number {
  const value = Number(text?.trim() || 0);
  return Number.isSafeInteger(value) && value > 0 ? value : 10_485_760;
}
