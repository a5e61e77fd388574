/** The two ports of a program of ours: gRPC with its services, and HTTP/1.1 for probes and metrics. */
import type { ConnectRouter } from "@connectrpc/connect";
import { compressionGzip, connectNodeAdapter } from "@connectrpc/connect-node";
import { type AdminOptions, type AdminServer, listenAdmin } from "../adapters/http/admin.ts";
import { notGrpc } from "../adapters/grpc/serve.ts";
import type { Http2Port } from "../adapters/grpc/listen.ts";
import type { TlsFiles } from "../adapters/grpc/options.ts";
import { listenGrpc } from "../adapters/http/server.ts";
import { callerValues } from "../adapters/identity/caller.ts";
import type { IdentityGate } from "../adapters/identity/gate.ts";
import type { Metrics } from "../adapters/metrics.ts";
import type { Discovery } from "../adapters/rpc/discovery-server.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import type { Hub } from "../hub/hub.ts";

export interface PortsOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Null: no admin port. */
  readonly admin: Pick<AdminOptions, "host" | "port" | "elseFree"> | null;
  readonly tls: TlsFiles | null;
  /** Whose streams have the fast path; null: no hub is in this process. */
  readonly hub: Hub | null;
  /** Who may open a stream of the hub by the fast path. Default: everybody. */
  readonly identity?: IdentityGate | null | undefined;
  /** Adds every service. Returns whose watches are served fast. */
  readonly services: (router: ConnectRouter) => Discovery | void;
  /** On the admin port; null: elsewhere. */
  readonly metrics: Metrics | null;
  /** What keeps the process from being ready beside its port, in words. */
  readonly missing: () => readonly string[];
  readonly maxReceiveBytes: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Ports {
  /** `host:port` of the gRPC port. */
  readonly address: string;
  readonly adminAddress: string | null;
  readonly server: Http2Port;
  /** Closes both; calls that are under way have `limitMs`. */
  close(limitMs: number): Promise<void>;
}

/** Opens them. Throws `PortInUse` or `InvalidConfiguration`; then nothing is left open. */
export async function openPorts(options: PortsOptions): Promise<Ports> {
  let discovery: Discovery | null = null;
  const handler = connectNodeAdapter({
    routes(router) {
      discovery = options.services(router) ?? null;
    },
    contextValues: callerValues,
    // who sends gzip is understood; audio and small packets gain nothing from it and lose most of their speed
    acceptCompression: [compressionGzip],
    compressMinBytes: 0xffff_ffff,
    readMaxBytes: options.maxReceiveBytes,
    fallback(_request, response) {
      response.writeHead(404, { "content-type": "text/plain" });
      response.end(notGrpc);
    },
  });
  let isListening = false;
  const { listen, tls, hub, identity = null, maxReceiveBytes, clock, log } = options;
  const server = await listenGrpc({ ...listen, tls, hub, identity, discovery, handler, clock, log, maxReceiveBytes });
  isListening = true;
  let admin: AdminServer | null = null;
  try {
    if (options.admin !== null) {
      admin = await listenAdmin({
        ...options.admin,
        metrics: options.metrics,
        missing: () => [...(isListening ? [] : ["the gRPC port is closed"]), ...options.missing()],
      });
    }
  } catch (error) {
    await server.close(0);
    throw error;
  }
  return {
    address: server.address,
    adminAddress: admin?.address ?? null,
    server,
    async close(limitMs) {
      isListening = false;
      await server.close(limitMs);
      await admin?.close();
    },
  };
}
