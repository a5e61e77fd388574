/**
 * The gRPC port: one HTTP/2 server, cleartext with prior knowledge or TLS, that serves the streaming methods by our
 * own framing and hands every other stream to the Connect adapter.
 *
 * The listening server has a `stream` listener only. What it does not take goes to `inner`, a second server that never
 * listens and whose compatibility layer the Connect adapter uses: with a `request` listener on the listening server,
 * the compatibility layer would own streams that are taken over here.
 */
import * as http2 from "node:http2";
import type { Clock, Log } from "../../contract/runtime.ts";
import type { Hub } from "../../hub/hub.ts";
import { type Http2Port, listenHttp2 } from "../grpc/listen.ts";
import type { TlsFiles } from "../grpc/options.ts";
import type { IdentityGate } from "../identity/gate.ts";
import { endWithResponse } from "./half-open.ts";
import type { Discovery } from "../rpc/discovery-server.ts";
import { isPlainGrpcProcess, serveProcessStream } from "./process-stream.ts";
import { isPlainGrpcWatch, serveWatchStream } from "./watch-stream.ts";

export interface GrpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: TlsFiles | null;
  /** Null: the Connect adapter answers for whatever asks for one. */
  readonly hub: Hub | null;
  /** Whose watches have the fast path. Default: the Connect adapter serves them, as all else of discovery. */
  readonly discovery?: Discovery | null;
  readonly maxReceiveBytes: number;
  /** Who may open a stream of the hub. Default: everybody. */
  readonly identity?: IdentityGate | null;
  /** What the Connect adapter serves. */
  readonly handler: (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Listens. Throws `PortInUse` naming the address. */
export function listenGrpc(options: GrpcServerOptions): Promise<Http2Port> {
  const inner = http2.createServer(options.handler);
  const { hub, discovery, clock, maxReceiveBytes, tls, log } = options;
  const deps = hub === null ? null : { hub, clock, maxReceiveBytes, identity: options.identity ?? null };
  const watches = discovery == null ? null : { discovery, clock, maxReceiveBytes };
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return listenHttp2({
    address: `${host}:${options.port}`,
    tls,
    clock,
    log,
    stream(stream, headers, flags, rawHeaders) {
      if (isPlainGrpcProcess(headers) && deps !== null) serveProcessStream(stream, headers, deps);
      else if (isPlainGrpcWatch(headers) && watches !== null) serveWatchStream(stream, headers, watches);
      else {
        endWithResponse(stream);
        inner.emit("stream", stream, headers, flags, rawHeaders);
      }
    },
  });
}
