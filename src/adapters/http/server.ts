/**
 * The gRPC port: one HTTP/2 server, cleartext with prior knowledge or TLS, that serves the streaming methods by our
 * own framing and hands every other stream to the Connect adapter.
 *
 * The listening server has a `stream` listener only. What it does not take goes to `inner`, a second server that never
 * listens and whose compatibility layer the Connect adapter uses: with a `request` listener on the listening server,
 * the compatibility layer would own streams that are taken over here.
 */
import * as http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Clock, Log } from "../../contract/runtime.ts";
import { TransportError } from "../../contract/errors.ts";
import type { Hub } from "../../hub/hub.ts";
import { endWithResponse } from "./half-open.ts";
import type { Discovery } from "../rpc/discovery-server.ts";
import { isPlainGrpcProcess, serveProcessStream } from "./process-stream.ts";
import { isPlainGrpcWatch, serveWatchStream } from "./watch-stream.ts";

/** HTTP/2 windows of each stream and connection; raising one alone does almost nothing. */
const streamWindowBytes = 256 * 1024;
const sessionWindowBytes = 1024 * 1024;

/** PEM texts of a TLS server: TLS 1.3, client certificate required (data-plane D-018). */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface GrpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: TlsFiles | null;
  readonly hub: Hub;
  /** Whose watches have the fast path. Default: the Connect adapter serves them, as all else of discovery. */
  readonly discovery?: Discovery | null;
  readonly maxReceiveBytes: number;
  /** What the Connect adapter serves. */
  readonly handler: (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface GrpcServer {
  /** `host:port` as bound. */
  readonly address: string;
  /** Replaces certificates; new connections use them. */
  renew(tls: TlsFiles): void;
  /** Takes no new connections, ends idle ones, and after `limitMs` all others. */
  close(limitMs: number): Promise<void>;
}

/** Listens. Throws `PortInUse` naming the address. */
export async function listenGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  const inner = http2.createServer(options.handler);
  const settings: http2.Settings = { initialWindowSize: streamWindowBytes, maxConcurrentStreams: 10_000 };
  // Node's own limit of 10 MB counts what streams have yet to write and refuses new streams above it
  const limits = { settings, maxSessionMemory: 1000 };
  const secure = options.tls === null ? null : http2.createSecureServer({ ...limits, ...secureOptions(options.tls) });
  const server: http2.Http2Server | http2.Http2SecureServer = secure ?? http2.createServer(limits);
  const sessions = new Set<http2.ServerHttp2Session>();
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(sessionWindowBytes);
    session.once("close", () => sessions.delete(session));
    session.on("error", (error) => options.log.debug("connection failed", { reason: error.message }));
  });
  const { discovery, clock, maxReceiveBytes } = options;
  const watches = discovery == null ? null : { discovery, clock, maxReceiveBytes };
  const deps = { hub: options.hub, clock: options.clock, maxReceiveBytes: options.maxReceiveBytes };
  server.on("stream", (stream: http2.ServerHttp2Stream, headers, flags, rawHeaders) => {
    if (isPlainGrpcProcess(headers)) serveProcessStream(stream, headers, deps);
    else if (isPlainGrpcWatch(headers) && watches !== null) serveWatchStream(stream, headers, watches);
    else {
      endWithResponse(stream);
      inner.emit("stream", stream, headers, flags, rawHeaders);
    }
  });
  server.on("sessionError", (error) => options.log.debug("connection failed", { reason: error.message }));
  server.on("tlsClientError", (error) => options.log.debug("handshake failed", { reason: error.message }));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const where = `${options.host}:${options.port}`;
      reject(
        error.code === "EADDRINUSE"
          ? new TransportError("PortInUse", `address ${where} is in use`, {}, { cause: error })
          : new TransportError("InvalidConfiguration", `cannot listen on ${where}: ${error.message}`, {}, {
            cause: error,
          }),
      );
    });
    server.listen(options.port, options.host, resolve);
  });
  server.removeAllListeners("error");
  // DECISIONS K-40: without its listener the process has nothing to do
  server.on("error", (error) => {
    options.log.error("listener failed", { reason: error.message });
    throw error;
  });
  const bound = server.address() as AddressInfo;
  return {
    address: `${options.host}:${bound.port}`,
    renew(tls) {
      secure?.setSecureContext(secureOptions(tls));
    },
    async close(limitMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const timer = setTimeout(() => {
        for (const session of sessions) session.destroy();
        // a session that was closed before only half-closes its socket, and its peer may never do the same
        for (const socket of sockets) socket.destroy();
      }, limitMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function secureOptions(tls: TlsFiles) {
  return {
    cert: tls.cert,
    key: tls.key,
    ca: tls.ca,
    minVersion: "TLSv1.3" as const,
    requestCert: true,
    rejectUnauthorized: true,
  };
}
