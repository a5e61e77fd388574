/** Sessions with the connector, one after the other, for as long as the engram runs (data-plane 6.10, 27 and 28). */
import { GrpcChannel } from "../adapters/grpc/channel.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import type { Clock } from "../contract/runtime.ts";
import { Session, type SessionDeps, type SessionEnd } from "./session.ts";

export interface ConnectionOptions extends Omit<SessionDeps, "channel"> {
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
}

/** A connector that starts beside its engram is not there at the first moment. */
const dialAgainMs = 50;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #channel: GrpcChannel;
  readonly #first = Promise.withResolvers<void>();
  readonly #abort = new AbortController();
  #session: Session | null = null;
  #isFinishing = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { config, clock } = options;
    this.#channel = new GrpcChannel({
      address: config.binding.info.endpoint,
      tls: null,
      clock,
      dialTimeoutMs: config.dialTimeoutMs,
      maxReceiveBytes: config.maxReceiveBytes,
    });
  }

  /** Settles with the first handshake; never, where there is none. */
  get ready(): Promise<void> {
    return this.#first.promise;
  }

  /** Keeps a session; rejects with the error of the last one when there will be none any more. */
  async keep(): Promise<never> {
    const { config: { reconnect }, outbox, log, random } = this.#options;
    for (let attempt = 0;; attempt++) {
      const end = await this.#attempt();
      if (this.#isFinishing) throw end.error;
      const isLast = end.isFinal || reconnect.maxRetries >= 0 && attempt >= reconnect.maxRetries;
      if (isLast) {
        outbox.fail(end.error);
        throw end.error;
      }
      const delayMs = Math.min(reconnect.baseMs * 2 ** attempt, reconnect.maxMs) * (0.8 + 0.4 * random());
      const { reason, message } = end.error;
      log.warn("session with the connector is over, another one follows", { reason, detail: message, delayMs });
      await wait(this.#options.clock, delayMs, this.#abort.signal);
    }
  }

  /** There is room for packets again. */
  resume(): void {
    this.#session?.resume();
  }

  /** Ends behind what was sent; takes at most `limitMs`. */
  async finish(limitMs: number): Promise<void> {
    this.#isFinishing = true;
    await this.#session?.finish(limitMs);
    this.#abort.abort(new TransportError("Aborted", "the engram has ended"));
    await this.#channel.close();
  }

  async #attempt(): Promise<SessionEnd> {
    try {
      await this.#dial();
    } catch (error) {
      if (!isTransportError(error)) throw error;
      return { error, isFinal: false };
    }
    const session = this.#session = new Session({ ...this.#options, channel: this.#channel });
    if (await session.ready) this.#first.resolve();
    const end = await session.over;
    this.#session = null;
    return end;
  }

  /** Dials until the connector is there, for `dialTimeoutMs`. */
  async #dial(): Promise<void> {
    const { clock, config: { dialTimeoutMs } } = this.#options;
    const untilMs = clock.monotonicMs() + dialTimeoutMs;
    for (;;) {
      try {
        return await this.#channel.connect(this.#abort.signal);
      } catch (error) {
        if (!isTransportError(error, "Unavailable") || clock.monotonicMs() + dialAgainMs > untilMs) throw error;
      }
      await wait(clock, dialAgainMs, this.#abort.signal);
    }
  }
}

function wait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = () => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
    signal.addEventListener("abort", abort, { once: true });
  });
}
