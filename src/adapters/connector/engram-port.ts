/** The port where an engram finds its connector, and peers too where it is cleartext on loopback (data-plane 6.1). */
import { TransportConnectorService } from "../../../gen/transport/v1/transport_pb.ts";
import type { Connector } from "../../connector/connector.ts";
import type { Clock, Log } from "../../contract/runtime.ts";
import type { Methods } from "../grpc/call.ts";
import { pathOf } from "../grpc/codec.ts";
import { type Http2Port, listenMethods } from "../grpc/listen.ts";
import { processPath } from "../drivers/grpc.ts";
import { serveLinks } from "./links.ts";

export interface EngramPortOptions {
  /** `host:port` or `unix:///path`. */
  readonly address: string;
  readonly connector: Connector;
  /** What keeps the connector from being ready, in words. */
  readonly missing: () => readonly string[];
  /** Whether peers are taken here as well. */
  readonly takesPeers: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxReceiveBytes: number;
}

/** Listens in cleartext. HubPush is not among its methods: it answers Unimplemented (data-plane 1.1). */
export function listenForEngram(options: EngramPortOptions): Promise<Http2Port> {
  const { connector, clock, log, maxReceiveBytes, address } = options;
  const { data, control } = TransportConnectorService.method;
  const methods: Methods = {
    [pathOf(data)]: serveLinks((headers, link) => connector.openData(headers, link)),
    [pathOf(control)]: serveLinks((headers, link) => connector.openControl(headers, link)),
    ...(options.takesPeers ? { [processPath]: serveLinks((headers, link) => connector.openPeer(headers, link)) } : {}),
    // HealthCheckResponse with SERVING or NOT_SERVING in its one field
    "/grpc.health.v1.Health/Check": {
      kind: "unary",
      handle: () => Uint8Array.of(0x08, options.missing().length === 0 ? 1 : 2),
    },
  };
  return listenMethods({ address, tls: null, methods, clock, log, maxReceiveBytes });
}
