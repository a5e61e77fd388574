/**
 * Gathers messages for one stream and writes them with gRPC's prefixes, one write per flush where they are short.
 * Short messages are copied together; long ones are written where they lie.
 */
import { Buffer } from "node:buffer";

/** Messages up to this size are copied; above it two more entries of a writev cost less than the copy. */
const copyBelowBytes = 2048;
const prefixBytes = 5;

/** Where the bytes go; all are methods of an HTTP/2 stream. */
export interface ChunkSink {
  write(chunk: Uint8Array, written?: () => void): boolean;
  cork(): void;
  uncork(): void;
}

type Parts = Uint8Array | readonly Uint8Array[];

export class MessageWriter {
  readonly #messages: Parts[] = [];
  readonly #sizes: number[] = [];
  #bytes = 0;
  #copiedBytes = 0;

  /** Bytes that the next flush writes. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /** `size` is the sum of its parts. */
  add(message: Parts, size: number): void {
    this.#messages.push(message);
    this.#sizes.push(size);
    this.#bytes += prefixBytes + size;
    this.#copiedBytes += prefixBytes + (size <= copyBelowBytes ? size : 0);
  }

  /** Writes all into `sink`, and calls `written` when the sink has passed it on. */
  flush(sink: ChunkSink, written?: () => void): void {
    if (this.#bytes === 0) return;
    const batch = Buffer.allocUnsafe(this.#copiedBytes);
    const isCorked = this.#bytes > this.#copiedBytes;
    if (isCorked) sink.cork();
    let from = 0;
    let at = 0;
    const last = this.#messages.length - 1;
    for (let i = 0; i <= last; i++) {
      const message = this.#messages[i]!;
      const size = this.#sizes[i]!;
      batch[at] = 0; // not compressed
      batch.writeUInt32BE(size, at + 1);
      at += prefixBytes;
      const parts = message instanceof Uint8Array ? [message] : message;
      if (size <= copyBelowBytes) {
        for (const part of parts) {
          batch.set(part, at);
          at += part.length;
        }
        continue;
      }
      sink.write(batch.subarray(from, at));
      from = at;
      for (let j = 0; j < parts.length; j++) {
        sink.write(parts[j]!, i === last && j === parts.length - 1 ? written : undefined);
      }
    }
    if (at > from) sink.write(batch.subarray(from, at), written);
    if (isCorked) sink.uncork();
    this.#messages.length = this.#sizes.length = 0;
    this.#bytes = this.#copiedBytes = 0;
  }
}
