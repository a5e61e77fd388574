/**
 * A gRPC client on our own framing: one HTTP/2 connection, dialled by the first call and again by the first call after
 * a loss. When to try again after a failure is the caller's business.
 */
import type { ClientHttp2Session } from "node:http2";
import { isTransportError, TransportError } from "../../contract/errors.ts";
import type { CallOptions, CallStatus, ClientStream, ClientStreamEvents } from "./call.ts";
import { ClientCall, type ClientCallDeps } from "./client-call.ts";
import { dial, keepAlive } from "./dial.ts";
import type { ChannelOptions } from "./options.ts";
import { expectOne } from "./unary.ts";

const defaultMaxReceiveBytes = 10 * 1024 * 1024;

/** How long an orderly end of the connection may take. */
const closeLimitMs = 1000;

export class GrpcChannel {
  readonly #options: ChannelOptions;
  readonly #deps: ClientCallDeps;
  readonly #calls = new Set<ClientCall>();
  readonly #closing = new AbortController();
  #dialling: Promise<ClientHttp2Session> | null = null;
  #session: ClientHttp2Session | null = null;
  #gone: Promise<void> = Promise.resolve();

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
    return this.#session !== null && !this.#session.closed && !this.#session.destroyed;
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
    if (this.isConnected) call.start(this.#session!);
    else this.#dial().then((session) => call.start(session), (error: unknown) => call.fail(asTransportError(error)));
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
    const session = this.#session;
    this.#session = null;
    if (session !== null && !session.closed) session.close();
    const timer = this.#options.clock.after(closeLimitMs, () => session?.destroy());
    await this.#gone;
    timer.cancel();
  }

  #dial(): Promise<ClientHttp2Session> {
    return this.#dialling ??= dial(this.#options, this.#closing.signal).then(
      (session) => this.#adopt(session),
    ).finally(() => this.#dialling = null);
  }

  #adopt(session: ClientHttp2Session): ClientHttp2Session {
    this.#session = session;
    const gone = Promise.withResolvers<void>();
    this.#gone = gone.promise;
    // calls under way go on; the next one needs another connection
    session.once("goaway", () => this.#forget(session));
    session.once("close", () => {
      this.#forget(session);
      gone.resolve();
      this.#options.onLost?.();
    });
    if (this.#options.keepalive) keepAlive(session, this.#options.clock, this.#options.keepalive);
    return session;
  }

  #forget(session: ClientHttp2Session): void {
    if (this.#session === session) this.#session = null;
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
