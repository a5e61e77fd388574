/**
 * Gathers packets for one stream and encodes them as gRPC messages of ProcessResponse, one write per flush.
 * Small messages are copied together; the bodies of large ones are written where they lie.
 */
import type { Packet } from "../../delivery/packet.ts";

/** Messages up to this size are copied; above it three more entries of a writev cost less than the copy. */
const copyBelowBytes = 2048;
/** Longest prefix of a message: gRPC's five bytes, the tag of `packet`, and its length. */
const prefixBytes = 5 + 1 + 5;

/** Where encoded chunks go; both are methods of an HTTP/2 stream. */
export interface ChunkSink {
  write(chunk: Uint8Array, written?: () => void): boolean;
  cork(): void;
  uncork(): void;
}

export class FrameWriter {
  readonly #packets: Packet[] = [];
  readonly #suffixes: Uint8Array[] = [];
  readonly #encoded: Uint8Array[] = [];
  #bytes = 0;
  // what is copied: without the bodies that are written where they lie
  #batchBytes = 0;

  /** Bytes that the next flush writes, about. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  add(packet: Packet, suffix: Uint8Array): void {
    this.#packets.push(packet);
    this.#suffixes.push(suffix);
    const size = packet.bytes + suffix.length;
    this.#bytes += size + prefixBytes;
    this.#batchBytes += (size <= copyBelowBytes ? size : suffix.length) + prefixBytes;
  }

  /** A whole ProcessResponse; it goes out before the packets of the same flush. */
  addEncoded(response: Uint8Array): void {
    this.#encoded.push(response);
    this.#bytes += response.length + prefixBytes;
    this.#batchBytes += response.length + prefixBytes;
  }

  /** Writes all into `sink`, and calls `written` when the sink has passed it on. */
  flush(sink: ChunkSink, written?: () => void): void {
    if (this.#bytes === 0) return;
    const batch = Buffer.allocUnsafe(this.#batchBytes);
    let at = 0;
    let from = 0;
    for (const response of this.#encoded) {
      at = writePrefix(batch, at, response.length);
      batch.set(response, at);
      at += response.length;
    }
    const packets = this.#packets;
    let isCorked = false;
    for (let i = 0; i < packets.length; i++) {
      const packet = packets[i]!;
      const suffix = this.#suffixes[i]!;
      const size = packet.bytes + suffix.length;
      at = writePrefix(batch, at, size + 1 + varintLength(size));
      batch[at++] = 0x0a;
      at = writeVarint(batch, at, size);
      if (size <= copyBelowBytes) {
        at = copyBody(packet, batch, at);
      } else {
        if (!isCorked) {
          sink.cork();
          isCorked = true;
        }
        sink.write(batch.subarray(from, at));
        from = at;
        if (packet.parts === null) sink.write(packet.buffer.subarray(packet.start, packet.end));
        else for (const part of packet.parts) sink.write(part);
      }
      batch.set(suffix, at);
      at += suffix.length;
    }
    if (at > from) sink.write(batch.subarray(from, at), written);
    if (isCorked) sink.uncork();
    packets.length = 0;
    this.#suffixes.length = 0;
    this.#encoded.length = 0;
    this.#bytes = 0;
    this.#batchBytes = 0;
  }
}

function copyBody(packet: Packet, batch: Buffer, at: number): number {
  if (packet.parts !== null) {
    for (const part of packet.parts) {
      batch.set(part, at);
      at += part.length;
    }
    return at;
  }
  const { buffer, start, end } = packet;
  if (buffer instanceof Buffer) buffer.copy(batch, at, start, end);
  else batch.set(buffer.subarray(start, end), at);
  return at + end - start;
}

function writePrefix(batch: Buffer, at: number, size: number): number {
  batch[at] = 0;
  batch[at + 1] = size >>> 24;
  batch[at + 2] = size >>> 16;
  batch[at + 3] = size >>> 8;
  batch[at + 4] = size;
  return at + 5;
}

function varintLength(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

function writeVarint(batch: Buffer, at: number, value: number): number {
  for (; value > 0x7f; value >>>= 7) batch[at++] = value & 0x7f | 0x80;
  batch[at++] = value;
  return at;
}
