/** What a hub process consists of: the gRPC port with all services, the admin port, and their orderly end. */
import * as os from "node:os";
import process from "node:process";
import type { ConnectRouter } from "@connectrpc/connect";
import type { AdminOptions } from "../adapters/http/admin.ts";
import type { Http2Port } from "../adapters/grpc/listen.ts";
import type { TlsFiles } from "../adapters/grpc/options.ts";
import type { IdentityGates } from "../adapters/identity/gate.ts";
import { hubMetrics, type Metrics } from "../adapters/metrics.ts";
import type { Discovery } from "../adapters/rpc/discovery-server.ts";
import { addHub } from "../adapters/rpc/process.ts";
import type { HubConfig } from "../contract/hub-config.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import { Hub } from "../hub/hub.ts";
import { normalizeRequest } from "../hub/normalize.ts";
import type { PlanSource } from "../hub/plans.ts";
import { openPorts } from "./ports.ts";
import { version } from "./version-text.ts";

export interface ServeOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Null: no admin port. */
  readonly admin: Pick<AdminOptions, "host" | "port" | "elseFree"> | null;
  /** Metrics are not on the admin port: whoever opens another one takes `Served.metrics`. */
  readonly metricsApart?: boolean | undefined;
  readonly tls: TlsFiles | null;
  readonly config: HubConfig;
  /** Who may open a stream, and what is counted of both gates. Default: everybody, as on a loopback address (DECISIONS W-01). */
  readonly identity?: IdentityGates | undefined;
  readonly plans: PlanSource;
  /** Adds the services beside HubService, which it may ask for live counters. Returns whose watches are served fast. */
  readonly services: (router: ConnectRouter, hub: Hub) => Discovery | void;
  /** What keeps the process from being ready, in words. */
  readonly missing: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

export interface Served {
  readonly hub: Hub;
  /** `host:port` of the gRPC port. */
  readonly address: string;
  readonly adminAddress: string | null;
  readonly server: Http2Port;
  readonly metrics: Metrics;
  /** Drains (at most `limitMs`), then closes both ports. Idempotent. */
  close(limitMs: number): Promise<void>;
}

/** Starts a hub. Throws `PortInUse` or `InvalidConfiguration`; then nothing is left open. */
export async function serve(options: ServeOptions): Promise<Served> {
  const { config, clock, log } = options;
  const gates = options.identity ?? { hub: null, discovery: null };
  const hub = new Hub({
    plans: options.plans,
    clock,
    log,
    normalize: normalizeRequest,
    limits: { ...config, maxBufferedBytes: memoryLimitBytes() / 3 },
  });
  const metrics = hubMetrics(hub, version, [gates.hub, gates.discovery].filter((gate) => gate !== null));
  const ports = await openPorts({
    ...options,
    hub,
    identity: gates.hub,
    services(router) {
      addHub(router, hub, gates.hub);
      return options.services(router, hub);
    },
    metrics: options.metricsApart === true ? null : metrics,
    missing: () => [...(hub.isDraining ? ["the hub is draining"] : []), ...options.missing()],
    maxReceiveBytes: config.maxReceiveBytes,
  });
  let closing: Promise<void> | null = null;
  return {
    hub,
    address: ports.address,
    adminAddress: ports.adminAddress,
    server: ports.server,
    metrics,
    close(limitMs) {
      return closing ??= (async () => {
        await hub.drain(limitMs);
        await ports.close(Math.min(limitMs, 1000));
      })();
    },
  };
}

/** The memory that this process may use: the container's limit where there is one. */
function memoryLimitBytes(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 && constrained < os.totalmem() ? constrained : os.totalmem();
}
