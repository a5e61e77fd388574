/** One HTTP/2 connection to a gRPC server, cleartext with prior knowledge or TLS 1.3. */
import * as http2 from "node:http2";
import * as net from "node:net";
import { TransportError } from "../../contract/errors.ts";
import type { Timer } from "../../contract/runtime.ts";
import { parseSocketAddress, type SocketAddress } from "./address.ts";
import type { ChannelOptions, Keepalive } from "./options.ts";

/** HTTP/2 windows of each stream and connection; raising one alone does almost nothing. */
export const streamWindowBytes = 256 * 1024;
export const sessionWindowBytes = 1024 * 1024;

const defaultDialTimeoutMs = 10_000;

/**
 * Connects; settles when the server's SETTINGS are there, so that a server that speaks something else is not taken for
 * one. Rejects with `Unavailable` naming the address and what happened, or with `signal.reason`.
 */
export function dial(options: ChannelOptions, signal: AbortSignal): Promise<http2.ClientHttp2Session> {
  const address = parseSocketAddress(options.address);
  const limitMs = options.dialTimeoutMs ?? defaultDialTimeoutMs;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const session = connect(address, options);
    let cause: Error | null = null;
    const settle = (error: unknown) => {
      timer.cancel();
      signal.removeEventListener("abort", aborted);
      session.removeListener("close", closed);
      if (error === null) resolve(session);
      else {
        reject(error);
        session.destroy();
      }
    };
    const unavailable = (text: string) =>
      settle(new TransportError("Unavailable", `cannot connect to ${options.address}: ${text}`, {}, { cause }));
    const aborted = () => settle(signal.reason);
    const closed = () => unavailable(cause === null ? "the connection was closed" : reasonText(cause));
    const timer = options.clock.after(limitMs, () => unavailable(`nothing within ${limitMs} ms`));
    signal.addEventListener("abort", aborted);
    // stays for the life of the session: what fails later also closes it, which is what counts
    session.on("error", (error: Error) => cause = error);
    session.once("close", closed);
    session.once("connect", () => {
      // given up meanwhile, and told all the same
      if (!session.destroyed) session.setLocalWindowSize(sessionWindowBytes);
    });
    session.once("remoteSettings", () => settle(null));
  });
}

function connect(address: SocketAddress, options: ChannelOptions): http2.ClientHttp2Session {
  const { tls } = options;
  const limits: http2.ClientSessionOptions = {
    settings: { initialWindowSize: streamWindowBytes, enablePush: false },
    // Node's own limit of 10 MB counts what streams have yet to write and refuses new streams above it
    maxSessionMemory: 1000,
  };
  if (tls === null) {
    const socket = "path" in address ? { path: address.path } : { host: address.host, port: address.port };
    return http2.connect("http://localhost", {
      ...limits,
      createConnection: () => net.connect({ ...socket, noDelay: true }),
    });
  }
  const serverName = tls.serverName ?? ("host" in address ? address.host : "localhost");
  const secure = {
    ...limits,
    ca: tls.ca,
    cert: tls.cert,
    key: tls.key,
    minVersion: "TLSv1.3",
    // a name for the server to choose by is never an IP address (RFC 6066, 3)
    ...net.isIP(serverName) === 0 ? { servername: serverName } : {},
  } as const satisfies http2.SecureClientSessionOptions;
  if ("path" in address) return http2.connect("https://localhost", { ...secure, path: address.path });
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return http2.connect(`https://${host}:${address.port}`, secure);
}

/** Sends a ping every `timeMs` and gives the connection up where its answer takes longer than `timeoutMs`. */
export function keepAlive(session: http2.ClientHttp2Session, clock: ChannelOptions["clock"], keepalive: Keepalive) {
  let waiting: Timer | null = null;
  const pings = clock.every(keepalive.timeMs, () => {
    if (waiting !== null || session.destroyed) return;
    waiting = clock.after(keepalive.timeoutMs, () => session.destroy());
    session.ping(() => {
      waiting?.cancel();
      waiting = null;
    });
  });
  session.once("close", () => {
    pings.cancel();
    waiting?.cancel();
  });
}

function reasonText(error: Error): string {
  // several addresses of one name that all failed come as an AggregateError without a text
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error && first.message !== "" ? first.message : String((error as { code?: string }).code);
}
