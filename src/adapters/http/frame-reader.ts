/**
 * Cuts the length-prefixed messages of gRPC out of HTTP/2 data chunks.
 * A message that lies in one chunk is handed on where it lies. One that straddles chunks is joined by a single copy
 * where it is short, and handed on in its parts where it is long.
 */

/** Why reading stopped for good. */
export type FrameFault = "compressed" | "too-large";

export interface MessageSink {
  /** One message at `bytes[start, end)`; answers false to stop reading until `FrameReader.resume`. */
  message(bytes: Uint8Array, start: number, end: number): boolean;
  /** The same for a long message in parts. */
  messageParts(parts: readonly Uint8Array[], length: number): boolean;
  /** `length` is what the prefix said. Nothing more is handed on. */
  fault(fault: FrameFault, length: number): void;
}

export class FrameReader {
  readonly #sink: MessageSink;
  readonly #maxBytes: number;
  readonly #partsFrom: number;
  // prefix of five bytes that straddles chunks
  readonly #prefix = new Uint8Array(5);
  #prefixFilled = 0;
  // message that straddles chunks
  #partial: Buffer | null = null;
  #partialFilled = 0;
  // long message that straddles chunks
  #parts: Uint8Array[] | null = null;
  #partsLength = 0;
  #partsMissing = 0;
  // what was left of a chunk when the sink stopped reading
  #rest: Buffer | null = null;
  #restAt = 0;
  #isOver = false;

  /** Messages of at least `partsFrom` bytes are not joined when they straddle chunks. */
  constructor(sink: MessageSink, maxBytes: number, partsFrom: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
    this.#partsFrom = partsFrom;
  }

  /** Whether the peer stopped in the middle of a message. */
  get isCutOff(): boolean {
    return this.#prefixFilled > 0 || this.#partial !== null || this.#parts !== null;
  }

  /** Whether messages of an earlier chunk still wait for `resume`. */
  get isHolding(): boolean {
    return this.#rest !== null;
  }

  /** Reads a chunk. Answers false when the sink stopped reading; the rest of the chunk is kept for `resume`. */
  read(chunk: Buffer): boolean {
    if (this.#rest !== null) {
      // the stream delivered although it was paused
      this.#rest = Buffer.concat([this.#rest.subarray(this.#restAt), chunk]);
      this.#restAt = 0;
      return false;
    }
    return this.#consume(chunk, 0);
  }

  /** Goes on with what was kept. */
  resume(): boolean {
    const rest = this.#rest;
    if (rest === null) return true;
    this.#rest = null;
    return this.#consume(rest, this.#restAt);
  }

  #consume(chunk: Buffer, from: number): boolean {
    const length = chunk.length;
    let at = from;
    while (!this.#isOver) {
      if (this.#partial !== null) {
        const taken = Math.min(this.#partial.length - this.#partialFilled, length - at);
        chunk.copy(this.#partial, this.#partialFilled, at, at + taken);
        this.#partialFilled += taken;
        at += taken;
        if (this.#partialFilled < this.#partial.length) return true;
        const message = this.#partial;
        this.#partial = null;
        if (!this.#sink.message(message, 0, message.length)) return this.#hold(chunk, at);
        continue;
      }
      if (this.#parts !== null) {
        const taken = Math.min(this.#partsMissing, length - at);
        if (taken > 0) this.#parts.push(taken === length ? chunk : chunk.subarray(at, at + taken));
        this.#partsMissing -= taken;
        at += taken;
        if (this.#partsMissing > 0) return true;
        const parts = this.#parts;
        this.#parts = null;
        if (!this.#sink.messageParts(parts, this.#partsLength)) return this.#hold(chunk, at);
        continue;
      }
      if (at === length) return true;
      let flag: number;
      let size: number;
      if (this.#prefixFilled === 0 && length - at >= 5) {
        flag = chunk[at]!;
        size = chunk[at + 1]! * 0x1000000 + (chunk[at + 2]! << 16 | chunk[at + 3]! << 8 | chunk[at + 4]!);
        at += 5;
      } else {
        const prefix = this.#prefix;
        while (this.#prefixFilled < 5 && at < length) prefix[this.#prefixFilled++] = chunk[at++]!;
        if (this.#prefixFilled < 5) return true;
        this.#prefixFilled = 0;
        flag = prefix[0]!;
        size = prefix[1]! * 0x1000000 + (prefix[2]! << 16 | prefix[3]! << 8 | prefix[4]!);
      }
      if (flag !== 0) return this.#stop("compressed", size);
      if (size > this.#maxBytes) return this.#stop("too-large", size);
      if (length - at >= size) {
        const start = at;
        at += size;
        if (!this.#sink.message(chunk, start, at)) return this.#hold(chunk, at);
      } else if (size >= this.#partsFrom) {
        this.#parts = [];
        this.#partsLength = this.#partsMissing = size;
      } else {
        // pooled memory for small ones; a large one gets its own, so that it does not keep a pool alive
        this.#partial = size < 4096 ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
        this.#partialFilled = 0;
      }
    }
    return true;
  }

  #hold(chunk: Buffer, at: number): boolean {
    this.#rest = chunk;
    this.#restAt = at;
    return false;
  }

  #stop(fault: FrameFault, size: number): boolean {
    this.#isOver = true;
    this.#sink.fault(fault, size);
    return true;
  }
}
