/** Connections to hub, discovery and peers as a client: cleartext to loopback, TLS 1.3 to everything else. */
import { readFileSync } from "node:fs";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Reason, type Subject, TransportError } from "../../contract/errors.ts";
import { isLoopback } from "../../contract/loopback.ts";
import { clientSessions } from "./client-sessions.ts";
import { reasonOf } from "./status.ts";

/** A connection that is made when the first call needs it. */
export interface Connection {
  readonly transport: Transport;
  readonly address: string;
  /** Connects now, where the first call would. Rejects with `Unavailable` when nothing answers. */
  open(): Promise<void>;
  /** Ends the connection; calls that are under way fail. */
  close(): void;
}

export interface ConnectOptions {
  /** Where the certificate files' names are looked up (data-plane 2.1 (5)). */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Prepares a connection to `host:port`. Throws `InvalidConfiguration` for an address or certificate that is not valid. */
export function connectTo(address: string, options: ConnectOptions): Connection {
  const host = hostOf(address);
  const loopback = isLoopback(host);
  const baseUrl = `${loopback ? "http" : "https"}://${address}`;
  const manager = clientSessions(baseUrl, loopback ? undefined : tlsOptions(options.env));
  const transport = createGrpcTransport({ baseUrl, sessionManager: manager, acceptCompression: [] });
  return {
    transport,
    address,
    async open() {
      if (await manager.connect() === "error") throw fromCall(manager.error(), address);
    },
    close: () => manager.abort(),
  };
}

/** A failed call as a `TransportError`: with the reason that it carries, else with the one that its code stands for. */
export function fromCall(error: unknown, address: string, subject: Subject = {}): TransportError {
  if (error instanceof TransportError) return error;
  const failed = ConnectError.from(error);
  const reason = reasonOf(failed) ?? reasonByCode[failed.code] ?? "Unavailable";
  const unreachable = failed.code === Code.Unavailable && reasonOf(failed) === null;
  const message = unreachable ? `nothing answers at ${address}: ${failed.rawMessage}` : failed.rawMessage;
  return new TransportError(reason, message, subject, { cause: error });
}

const reasonByCode: Readonly<Partial<Record<Code, Reason>>> = {
  [Code.Canceled]: "Aborted",
  [Code.InvalidArgument]: "InvalidRequest",
  [Code.DeadlineExceeded]: "DeadlineExceeded",
  [Code.NotFound]: "NotFound",
  [Code.PermissionDenied]: "PermissionDenied",
  [Code.Unauthenticated]: "PermissionDenied",
  [Code.ResourceExhausted]: "BufferFull",
  [Code.FailedPrecondition]: "NotDecided",
  [Code.Unimplemented]: "NotSupported",
  [Code.Aborted]: "Superseded",
};

function hostOf(address: string): string {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:/\s]+):(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65535) {
    throw new TransportError("InvalidConfiguration", `address "${address}" is not host:port`);
  }
  return match[1]!;
}

function tlsOptions(env: ConnectOptions["env"]) {
  const file = (name: string) => {
    const path = env[name];
    if (path === undefined || path === "") return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      const text = `${name}: cannot read ${path}: ${(error as Error).message}`;
      throw new TransportError("InvalidConfiguration", text, {}, { cause: error });
    }
  };
  return {
    minVersion: "TLSv1.3" as const,
    cert: file("BUBU_GRPC_CLIENT_CERT_FILE"),
    key: file("BUBU_GRPC_CLIENT_KEY_FILE"),
    ca: file("BUBU_GRPC_CA_FILE"),
    servername: env["BUBU_GRPC_HUB_SERVER_NAME"],
  };
}
