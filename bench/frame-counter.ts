/** Counts the gRPC messages of a byte stream by their lengths, as cheaply as can be, and shows each one's head. */
import { stampWithinBytes } from "./packets.ts";

/** Called when a message is complete; `bytes[start, end)` are its first bytes, all of them where it lay in one chunk. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => void;

export class FrameCounter {
  /** Complete messages of at least `minBytes`. */
  messages = 0;
  /** Length of the last message counted. */
  lastBytes = 0;
  readonly #minBytes: number;
  readonly #onMessage: OnMessage | null;
  readonly #prefix = Buffer.alloc(5);
  #prefixFilled = 0;
  #length = 0;
  /** Bytes of the message in hand that have not come yet. */
  #left = 0;
  readonly #head = Buffer.alloc(stampWithinBytes);
  #headFilled = 0;

  /** Shorter messages (heartbeats, flow control) are not counted. */
  constructor(minBytes: number, onMessage: OnMessage | null) {
    this.#minBytes = minBytes;
    this.#onMessage = onMessage;
  }

  read(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0;
    if (this.#left > 0) {
      at = Math.min(this.#left, end);
      this.#keep(chunk, 0, at);
      this.#left -= at;
      if (this.#left > 0) return;
      this.#count(this.#length, this.#head, 0, this.#headFilled);
    }
    while (at < end) {
      let length: number;
      if (this.#prefixFilled === 0 && end - at >= 5) {
        length = chunk[at + 1]! * 0x1000000 + (chunk[at + 2]! << 16 | chunk[at + 3]! << 8 | chunk[at + 4]!);
        at += 5;
      } else {
        while (this.#prefixFilled < 5 && at < end) this.#prefix[this.#prefixFilled++] = chunk[at++]!;
        if (this.#prefixFilled < 5) return;
        this.#prefixFilled = 0;
        length = this.#prefix.readUInt32BE(1);
      }
      if (end - at >= length) {
        this.#count(length, chunk, at, at + length);
        at += length;
      } else {
        this.#length = length;
        this.#left = length - (end - at);
        this.#headFilled = 0;
        this.#keep(chunk, at, end);
        return;
      }
    }
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    if (this.#onMessage === null || this.#headFilled === stampWithinBytes) return;
    this.#headFilled += chunk.copy(this.#head, this.#headFilled, from, to);
  }

  #count(length: number, bytes: Buffer, start: number, end: number): void {
    if (length < this.#minBytes) return;
    this.messages++;
    this.lastBytes = length;
    this.#onMessage?.(bytes, start, end);
  }
}
