/** One connection of a channel, from the server's SETTINGS until its socket is gone. */
import type { ClientHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import type { Clock, Timer } from "../../contract/runtime.ts";
import type { Keepalive } from "./options.ts";

/** How long an orderly end may take. */
const closeLimitMs = 1000;

/**
 * How long the socket of a session that is done may stay. Node ends it and waits for the peer's end, which it does not
 * notice where that came before: the session is then destroyed, and never says that it is closed.
 */
const socketLimitMs = 100;

export class Connection {
  readonly session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #gone = Promise.withResolvers<void>();
  #isRetired = false;

  constructor(session: ClientHttp2Session, socket: Socket, clock: Clock, keepalive: Keepalive | null) {
    this.session = session;
    this.#socket = socket;
    let watch: Timer | null = null;
    // calls under way go on; the next one needs another connection
    session.once("goaway", () => {
      this.#isRetired = true;
      watch = clock.every(socketLimitMs, () => {
        if (session.destroyed) socket.destroy();
      });
    });
    const pings = keepalive === null ? null : keepAlive(session, clock, keepalive, () => this.destroy());
    const gone = () => {
      watch?.cancel();
      pings?.cancel();
      socket.destroy();
      this.#gone.resolve();
    };
    session.once("close", gone);
    socket.once("close", gone);
  }

  /** Settles when it is gone, for whatever reason. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Whether it takes new calls. */
  get isOpen(): boolean {
    return !this.#isRetired && !this.session.closed && !this.session.destroyed && !this.#socket.destroyed;
  }

  /** Ends it after its calls, or after 1 s. */
  async close(): Promise<void> {
    if (!this.session.closed) this.session.close();
    // these timers hold the process for the moment that it takes
    const done = setTimeout(() => this.session.destroyed && this.#socket.destroy(), socketLimitMs);
    const late = setTimeout(() => this.destroy(), closeLimitMs);
    await this.gone;
    clearTimeout(done);
    clearTimeout(late);
  }

  destroy(): void {
    this.session.destroy();
    this.#socket.destroy();
  }
}

/** Sends a ping every `timeMs`, and calls `lost` where its answer takes longer than `timeoutMs`. */
function keepAlive(session: ClientHttp2Session, clock: Clock, keepalive: Keepalive, lost: () => void): Timer {
  let waiting: Timer | null = null;
  const pings = clock.every(keepalive.timeMs, () => {
    if (waiting !== null || session.destroyed) return;
    waiting = clock.after(keepalive.timeoutMs, lost);
    session.ping(() => {
      waiting?.cancel();
      waiting = null;
    });
  });
  return {
    cancel() {
      pings.cancel();
      waiting?.cancel();
    },
  };
}
