/** A whole connector: its ports, its stream to the hub, its peers and what it tells discovery, and their orderly end. */
import { createSecureContext } from "node:tls";
import { listenForEngram } from "../adapters/connector/engram-port.ts";
import { podAddress } from "../adapters/connector/pod-address.ts";
import { hostOf } from "../adapters/drivers/grpc.ts";
import { drivers } from "../adapters/drivers/table.ts";
import { bindingOfEnvironment, type ConnectorBinding } from "../connector/binding.ts";
import { Connector } from "../connector/connector.ts";
import type { PeerListener } from "../connector/driver.ts";
import type { Reporter } from "../connector/reporter.ts";
import { TransportError } from "../contract/errors.ts";
import { isLoopback } from "../contract/loopback.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import { renewCertificates } from "./certificate-renewal.ts";
import type { ConnectorSetup } from "./connector-config.ts";

export interface ConnectorNode {
  readonly connector: Connector;
  /** Null without discovery. */
  readonly reporter: Reporter | null;
  /** Where the engram finds it. */
  readonly address: string;
  /** What keeps it from being ready, in words. */
  missing(): readonly string[];
  /** Rejects with why it cannot go on (W-44). */
  readonly failed: Promise<never>;
  /** Sends what waits for at most `limitMs`, then ends everything. */
  close(limitMs: number): Promise<void>;
}

const stallLimitMs = 5_000;
const defaultDriver = "bobravoz-grpc";

/** Starts it; settles once the engram can connect. Throws `PortInUse`, or why there is no binding. */
export async function startConnector(setup: ConnectorSetup, clock: Clock, log: Log): Promise<ConnectorNode> {
  const { config, limits, token, keepalive } = setup;
  const shown = { tls: setup.tls, token };
  const { namespace, storyRun, step, generation } = config;
  const identity = { namespace, storyRun, step };
  const discovery = setup.discovery === null
    ? null
    : (await import("./connector-discovery.ts")).openDiscovery(setup.discovery, identity, shown, clock, log);
  let binding: ConnectorBinding;
  try {
    binding = setup.binding === "" && discovery !== null
      // discovery has as long as the hub would have
      ? await discovery.first(limits.hubDialTimeoutMs)
      : bindingOfEnvironment(setup.binding, namespace, (error) => {
        log.warn("settings ignored", { ...identity, reason: error.reason, detail: error.message });
      });
  } catch (error) {
    await discovery?.close();
    throw error;
  }
  const hub = setup.hub ?? (binding.hub === null ? null : { ...binding.hub, isHub: true });
  if (hub === null) throw new TransportError("InvalidConfiguration", "neither environment nor discovery names a hub");
  // existing bindings name a driver as they like, and all mean this one
  const driver = drivers[binding.driver === "memory" ? "memory" : defaultDriver]({
    clock,
    log,
    get tls() {
      return shown.tls;
    },
    token,
    keepalive,
    maxReceiveBytes: limits.maxReceiveBytes,
    memory: new Map(),
  });
  const connector = new Connector({
    ...identity,
    generation,
    binding,
    hub,
    reports: discovery !== null,
    awaitsDiscovery: discovery !== null && binding.version === "",
    limits: { ...limits, channelBufferSize: config.tunables.channelBufferSize, stallLimitMs },
    driver,
    clock,
    log,
    random: Math.random,
  });
  const missing = () => connector.isConnected ? [] : ["the hub is not connected"];
  const port = await listenForEngram({
    address: config.localEndpoint,
    connector,
    missing: () => [],
    takesPeers: true,
    clock,
    log,
    maxReceiveBytes: limits.maxReceiveBytes,
  });
  const peers = setup.tls === null ? null : await listenForPeers();
  const renewal = setup.tls === null ? null : renewCertificates({
    tls: setup.tls,
    read: setup.readTls,
    server: {
      renew(next) {
        // throws for a key that does not fit its certificate, as while both are being replaced
        createSecureContext(next);
        shown.tls = next;
        peers?.renewed?.();
      },
    },
    clock,
    log,
  });
  connector.start();
  const isLocal = setup.discovery !== null && isLoopback(hostOf(setup.discovery));
  const told = discovery?.attach(connector, generation, () => {
    const { takesPeers, serverName } = connector.binding;
    if (!takesPeers) return null;
    if (peers !== null) return { endpoint: peers.address, serverName };
    return isLocal && !port.address.startsWith("unix:") ? { endpoint: port.address, serverName: "" } : null;
  });
  const answered = discovery === null ? firstDial() : connector.failed;
  answered.catch(() => {});

  /** Peers in other pods: TLS on the pod's own address, the same port (W-06). */
  async function listenForPeers(): Promise<PeerListener | null> {
    const host = podAddress();
    const local = config.localEndpoint;
    if (host === null || local.startsWith("unix:")) return null;
    const address = `${host}${local.slice(local.lastIndexOf(":"))}`;
    try {
      return await driver.listen(address, (headers, link) => connector.openPeer(headers, link));
    } catch (error) {
      log.warn("no listener for peers", { ...identity, address, detail: String(error) });
      return null;
    }
  }

  /** Rejects where the hub does not answer in time (data-plane 6.2, 4), or is given up later. */
  async function firstDial(): Promise<never> {
    const late = Promise.withResolvers<never>();
    const timer = clock.after(limits.hubDialTimeoutMs, () => {
      const text = `${hub?.address} did not answer within ${limits.hubDialTimeoutMs} ms`;
      late.reject(new TransportError("Unavailable", text));
    });
    await Promise.race([late.promise, connector.connected, connector.failed]);
    timer.cancel();
    return await connector.failed;
  }

  return {
    connector,
    reporter: told?.reporter ?? null,
    address: port.address,
    missing,
    failed: answered,
    async close(limitMs) {
      renewal?.cancel();
      const stopped = connector.stop(limitMs);
      await (told?.close(stopped) ?? stopped);
      await Promise.all([port.close(500), peers?.close(500)]);
      await discovery?.close();
      await driver.close();
    },
  };
}
