/**
 * A long message in the parts in which it arrived, and a copy of both of its ends, which hold what routing reads:
 * the bulk of a long message is one field in its middle.
 *
 * ```
 *   parts   |=====|===========|===========|====|
 *   ends    |head|                         |tail|      offsets above gapAt are gapBytes short
 * ```
 */

/** Bytes of each end. Metadata or an envelope that is longer than that makes the message be joined. */
const endBytes = 1024;

export class SparseMessage {
  readonly ends: Uint8Array;
  readonly gapAt: number;
  readonly gapBytes: number;
  readonly #parts: readonly Uint8Array[];

  /** `length` is the sum of the parts' and more than both ends. */
  constructor(parts: readonly Uint8Array[], length: number) {
    this.#parts = parts;
    const kept = Math.min(endBytes, length >>> 2);
    this.gapAt = kept;
    this.gapBytes = length - 2 * kept;
    const ends = new Uint8Array(2 * kept);
    let offset = 0;
    for (const part of parts) {
      if (offset < kept) ends.set(part.subarray(0, Math.min(part.length, kept - offset)), offset);
      const tailFrom = Math.max(length - kept - offset, 0);
      if (tailFrom < part.length) ends.set(part.subarray(tailFrom), offset + tailFrom - this.gapBytes);
      offset += part.length;
    }
    this.ends = ends;
  }

  /** Appends slices of the message for `ends[from, to)`, with what lies between; answers their length in bytes. */
  slice(from: number, to: number, into: Uint8Array[]): number {
    const start = from > this.gapAt ? from + this.gapBytes : from;
    const end = to > this.gapAt ? to + this.gapBytes : to;
    let offset = 0;
    for (const part of this.#parts) {
      const a = Math.max(start - offset, 0);
      const b = Math.min(end - offset, part.length);
      if (a < b) into.push(a === 0 && b === part.length ? part : part.subarray(a, b));
      offset += part.length;
      if (offset >= end) break;
    }
    return end - start;
  }
}
