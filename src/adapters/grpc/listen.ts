/** An HTTP/2 port, cleartext with prior knowledge or TLS 1.3, and the port of a program whose methods are all ours. */
import { unlink } from "node:fs/promises";
import * as http2 from "node:http2";
import * as net from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import { TransportError } from "../../contract/errors.ts";
import type { Clock, Log } from "../../contract/runtime.ts";
import { parseSocketAddress } from "./address.ts";
import { sessionWindowBytes, streamWindowBytes } from "./dial.ts";
import type { ListenOptions, TlsFiles } from "./options.ts";
import { refusePingFloods } from "./pings.ts";
import { serveGrpc } from "./serve.ts";

const defaultMaxReceiveBytes = 10 * 1024 * 1024;

export interface Http2Port {
  /** `host:port` as bound, or `unix:/path`. */
  readonly address: string;
  /** Replaces certificates; new connections use them. */
  renew(tls: TlsFiles): void;
  /** Takes no new connections, ends idle ones, and after `limitMs` all others. */
  close(limitMs: number): Promise<void>;
}

export interface Http2PortOptions {
  readonly address: string;
  readonly tls: TlsFiles | null;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each stream; the server has no other listener. */
  stream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, flags: number, raw: string[]): void;
}

/** Serves `options.methods` by our own framing. Throws `PortInUse` or `InvalidConfiguration` naming the address. */
export function listenMethods(options: ListenOptions): Promise<Http2Port> {
  const { methods, clock, log } = options;
  const deps = { clock, log, maxReceiveBytes: options.maxReceiveBytes ?? defaultMaxReceiveBytes };
  return listenHttp2({ ...options, stream: (stream, headers) => serveGrpc(stream, headers, methods, deps) });
}

/** Listens. Throws `PortInUse` or `InvalidConfiguration` naming the address. */
export async function listenHttp2(options: Http2PortOptions): Promise<Http2Port> {
  const address = parseSocketAddress(options.address);
  const settings: http2.Settings = { initialWindowSize: streamWindowBytes, maxConcurrentStreams: 10_000 };
  // Node's own limit of 10 MB counts what streams have yet to write and refuses new streams above it
  const limits = { settings, maxSessionMemory: 1000 };
  const secure = options.tls === null ? null : http2.createSecureServer({ ...limits, ...secureOptions(options.tls) });
  const server: http2.Http2Server | http2.Http2SecureServer = secure ?? http2.createServer(limits);
  const sessions = new Set<http2.ServerHttp2Session>();
  const sockets = new Set<net.Socket>();
  const failed = (error: Error) => options.log.debug("connection failed", { reason: error.message });
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(sessionWindowBytes);
    session.once("close", () => sessions.delete(session));
    session.on("error", failed);
    refusePingFloods(session, options.clock, () => options.log.warn("connection ended", { reason: "too many pings" }));
  });
  server.on("stream", options.stream);
  server.on("sessionError", failed);
  server.on("tlsClientError", (error) => options.log.debug("handshake failed", { reason: error.message }));
  if ("path" in address) await removeStale(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === "EADDRINUSE";
      const text = isTaken
        ? `address ${options.address} is in use`
        : `cannot listen on ${options.address}: ${cause.message}`;
      reject(new TransportError(isTaken ? "PortInUse" : "InvalidConfiguration", text, {}, { cause }));
    });
    server.listen(address, resolve);
  });
  server.removeAllListeners("error");
  // DECISIONS K-40: without its listener the process has nothing to do
  server.on("error", (error) => {
    options.log.error("listener failed", { reason: error.message });
    throw error;
  });
  return {
    address: "path" in address ? `unix:${address.path}` : boundAddress(options.address, server.address()),
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

/** The host as it was asked for, with the port that was taken. */
function boundAddress(asked: string, bound: net.AddressInfo | string | null): string {
  return `${asked.slice(0, asked.lastIndexOf(":"))}:${(bound as net.AddressInfo).port}`; // not a path, and listening
}

/** Removes a socket file whose process is gone; one that is served stays, and listening says so. */
function removeStale(path: string): Promise<void> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve();
    });
    probe.once("error", (error: NodeJS.ErrnoException) => {
      // also where there is no file, which is how it should be
      if (error.code !== "ECONNREFUSED") resolve();
      else unlink(path).then(resolve, resolve);
    });
  });
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
