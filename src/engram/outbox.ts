/** Packets from the engram to its connector, in order: each waits until a session stands that takes it. */
import { TransportError } from "../contract/errors.ts";

/** Where packets go while a session stands. */
export interface Sink {
  readonly writable: boolean;
  write(message: Uint8Array): void;
}

interface Waiting {
  readonly message: Uint8Array;
  readonly sent: () => void;
  readonly failed: (error: unknown) => void;
}

/** Sends that may wait at once; an engram that awaits its sends never has more than one for each of its loops. */
const maxWaiting = 1024;

export class Outbox {
  readonly #waiting: Waiting[] = [];
  #sink: Sink | null = null;
  #failure: unknown = null;

  /** Sends a message; settles once it was written. Rejects when no session will come, or with `BufferFull`. */
  send(message: Uint8Array): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#sink?.writable && this.#waiting.length === 0) {
      this.#sink.write(message);
      return Promise.resolve();
    }
    if (this.#waiting.length >= maxWaiting) {
      const text = `${maxWaiting} packets wait to be sent: await each send before the next`;
      return Promise.reject(new TransportError("BufferFull", text));
    }
    return new Promise((sent, failed) => this.#waiting.push({ message, sent, failed }));
  }

  /** A session stands, or null: none does. */
  attach(sink: Sink | null): void {
    this.#sink = sink;
    this.drain();
  }

  /** Sends what waits as far as it is taken. */
  drain(): void {
    while (this.#sink?.writable && this.#waiting.length > 0) {
      const { message, sent } = this.#waiting.shift()!;
      this.#sink.write(message);
      sent();
    }
  }

  /** There will be no session any more. */
  fail(error: unknown): void {
    this.#failure = error;
    this.#sink = null;
    for (const { failed } of this.#waiting.splice(0)) failed(error);
  }
}
