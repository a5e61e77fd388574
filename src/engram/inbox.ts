/**
 * Packets between the connector and the engram: a bounded queue, and the iterable that the engram reads. A full queue
 * stops the reading of the stream, so that slowness travels upstream by HTTP/2's windows and nothing is dropped.
 */
import type { Packet } from "./packet.ts";

interface Entry {
  readonly packet: Packet;
  /** To be called once the packet was handled. */
  readonly done: () => void;
}

export class Inbox {
  readonly #limit: number;
  readonly #queue: Entry[] = [];
  #current: Entry | null = null;
  #waiting: ((result: IteratorResult<Packet, undefined>) => void) | null = null;
  #isEnded = false;
  /** Called when a queue that was full has room again. */
  onRoom: (() => void) | null = null;

  /** `limit`: packets at which no more are wanted. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds a packet. False: the queue is full now, `onRoom` tells when it is not; the packet is taken all the same. */
  push(packet: Packet, done: () => void): boolean {
    const entry = { packet, done };
    if (this.#waiting === null) {
      this.#queue.push(entry);
      return this.#queue.length < this.#limit;
    }
    const wake = this.#waiting;
    this.#waiting = null;
    this.#current = entry;
    wake({ done: false, value: packet });
    return true;
  }

  /** The iterable ends after what is in the queue. */
  end(): void {
    this.#isEnded = true;
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = null;
  }

  /** The engram came to a good end: the packet that it read last was handled. */
  finish(): void {
    this.#current?.done();
    this.#current = null;
  }

  /** All packets, in one iteration. A packet counts as handled when the next one is asked for. */
  readonly packets: AsyncIterableIterator<Packet, undefined> = {
    [Symbol.asyncIterator]: () => this.packets,
    next: () => {
      this.finish();
      const entry = this.#queue.shift();
      if (entry !== undefined) {
        this.#current = entry;
        if (this.#queue.length === this.#limit - 1) this.onRoom?.();
        return Promise.resolve({ done: false, value: entry.packet });
      }
      if (this.#isEnded) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve) => this.#waiting = resolve);
    },
    // left early, perhaps by a failure: only `finish` tells that the last packet was handled
    return: () => Promise.resolve({ done: true, value: undefined }),
  };
}
