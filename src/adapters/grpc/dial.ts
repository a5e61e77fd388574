/** One HTTP/2 connection to a gRPC server, cleartext with prior knowledge or TLS 1.3. */
import * as http2 from "node:http2";
import * as net from "node:net";
import * as tls from "node:tls";
import { TransportError } from "../../contract/errors.ts";
import { parseSocketAddress, type SocketAddress } from "./address.ts";
import { Connection } from "./connection.ts";
import type { ChannelOptions, ChannelTls } from "./options.ts";

/** HTTP/2 windows of each stream and connection; raising one alone does almost nothing. */
export const streamWindowBytes = 256 * 1024;
export const sessionWindowBytes = 1024 * 1024;

const defaultDialTimeoutMs = 10_000;

/**
 * Connects; settles when the server's SETTINGS are there, so that a server that speaks something else is not taken for
 * one. Rejects with `Unavailable` naming the address and what happened, or with `signal.reason`.
 */
export function dial(options: ChannelOptions, signal: AbortSignal): Promise<Connection> {
  const address = parseSocketAddress(options.address);
  const limitMs = options.dialTimeoutMs ?? defaultDialTimeoutMs;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connectSocket(address, options.tls);
    const session = http2.connect(options.tls === null ? "http://localhost" : "https://localhost", {
      createConnection: () => socket,
      settings: { initialWindowSize: streamWindowBytes, enablePush: false },
      // Node's own limit of 10 MB counts what streams have yet to write and refuses new streams above it
      maxSessionMemory: 1000,
    });
    let cause: Error | null = null;
    const settle = (error: unknown) => {
      timer.cancel();
      signal.removeEventListener("abort", aborted);
      session.removeListener("close", closed);
      socket.removeListener("error", closed);
      if (error === null) resolve(new Connection(session, socket, options.clock, options.keepalive ?? null));
      else {
        reject(error);
        session.destroy();
        socket.destroy();
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
    socket.on("error", (error: Error) => cause = error);
    session.once("close", closed);
    // a server that wants a certificate says so behind the handshake, and Node then never says that the session closed
    socket.once("error", closed);
    session.once("connect", () => {
      // given up meanwhile, and told all the same
      if (!session.destroyed) session.setLocalWindowSize(sessionWindowBytes);
    });
    session.once("remoteSettings", () => settle(null));
  });
}

function connectSocket(address: SocketAddress, secure: ChannelTls | null): net.Socket {
  const target = "path" in address ? { path: address.path } : { host: address.host, port: address.port };
  if (secure === null) return net.connect({ ...target, noDelay: true });
  const serverName = secure.serverName ?? ("host" in address ? address.host : "localhost");
  const socket = tls.connect({
    ...target,
    ca: secure.ca,
    cert: secure.cert,
    key: secure.key,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    // a name for the server to choose by is never an IP address (RFC 6066, 3)
    ...net.isIP(serverName) === 0 ? { servername: serverName } : {},
  });
  socket.setNoDelay(true);
  return socket;
}

function reasonText(error: Error): string {
  // several addresses of one name that all failed come as an AggregateError without a text
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error && first.message !== "" ? first.message : String((error as { code?: string }).code);
}
