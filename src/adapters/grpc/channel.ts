/**
 * A gRPC client on our own framing: one HTTP/2 connection, dialled by the first call and again by the first call after
 * a loss. When to try again after a failure is the caller's business.
 */
import { isTransportError, TransportError } from "../../contract/errors.ts";
import type { CallOptions, CallStatus, ClientStream, ClientStreamEvents } from "./call.ts";
import { ClientCall, type ClientCallDeps } from "./client-call.ts";
import type { Connection } from "./connection.ts";
import { dial } from "./dial.ts";
import type { ChannelOptions } from "./options.ts";
import { expectOne } from "./unary.ts";

const defaultMaxReceiveBytes = 10 * 1024 * 1024;

export class GrpcChannel {
  readonly #options: ChannelOptions;
  readonly #deps: ClientCallDeps;
  readonly #calls = new Set<ClientCall>();
  readonly #closing = new AbortController();
  /** All that are not gone: the one that takes calls, and those that were retired with calls under way. */
  readonly #connections = new Set<Connection>();
  #dialling: Promise<Connection> | null = null;
  #current: Connection | null = null;

  /** Connects to nothing yet. Whoever makes it closes it. */
  constructor(options: ChannelOptions) {
    const { address, tls } = options;
    this.#options = options;
    this.#deps = {
      clock: options.clock,
      scheme: tls === null ? "http" : "https",
      authority: options.authority ?? tls?.serverName ?? (address.startsWith("unix:") ? "localhost" : address),
      maxReceiveBytes: options.maxReceiveBytes ?? defaultMaxReceiveBytes,
    };
  }

  /** Whether a connection stands that takes calls. */
  get isConnected(): boolean {
    return this.#current?.isOpen === true;
  }

  /**
   * Settles when a connection stands; dials where there is none. Rejects with `Unavailable` (dial failed or took too
   * long), `InvalidConfiguration` (the address is none), or `signal.reason`, which leaves the dialling to other calls.
   */
  async connect(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.isConnected) return;
    const dialled = this.#dial();
    if (signal === undefined) {
      await dialled;
      return;
    }
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([dialled, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
      dialled.catch(() => {});
    }
  }

  /** Starts a call, of any number of messages both ways. Nothing is thrown: failures come as its status. */
  stream(path: string, options: CallOptions, events: ClientStreamEvents): ClientStream {
    const call = new ClientCall(path, options, events, this.#deps, (ended) => this.#calls.delete(ended));
    this.#calls.add(call);
    if (this.#current?.isOpen) call.start(this.#current.session);
    else {this.#dial().then(({ session }) =>
        call.start(session), (error: unknown) =>
        call.fail(asTransportError(error)));}
    return call;
  }

  /**
   * One message there, one back. Rejects with a `TransportError`: reason from the peer or by its code, message from the
   * peer, and the `CallStatus` as its cause.
   */
  unary(path: string, message: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const events = expectOne(({ message, status }) =>
        message === null ? reject(toTransportError(status)) : resolve(message)
      );
      const call = this.stream(path, options, events);
      call.write(message);
      call.halfClose();
    });
  }

  /** Ends all calls (`Aborted`) and the connection; settles when it is gone. Idempotent. */
  async close(): Promise<void> {
    const error = new TransportError("Aborted", `channel to ${this.#options.address} is closed`);
    this.#closing.abort(error);
    for (const call of [...this.#calls]) call.cancel(error);
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  #dial(): Promise<Connection> {
    return this.#dialling ??= dial(this.#options, this.#closing.signal)
      .then((connection) => this.#adopt(connection))
      .finally(() => this.#dialling = null);
  }

  #adopt(connection: Connection): Connection {
    this.#current = connection;
    this.#connections.add(connection);
    void connection.gone.then(() => {
      this.#connections.delete(connection);
      if (this.#current === connection) this.#current = null;
      this.#options.onLost?.();
    });
    // closed in the moment in which the dialling was done
    if (this.#closing.signal.aborted) {
      void connection.close();
      throw this.#closing.signal.reason;
    }
    return connection;
  }
}

/** The error of a call that ended with `status`, which is not OK; the status is its cause. */
export function toTransportError(status: CallStatus): TransportError {
  return new TransportError(status.reason ?? "PeerFailed", status.message, {}, { cause: status });
}

function asTransportError(error: unknown): TransportError {
  if (isTransportError(error)) return error;
  return new TransportError("Unavailable", error instanceof Error ? error.message : String(error), {}, {
    cause: error,
  });
}
