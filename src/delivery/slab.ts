/**
 * Memory for many short pieces from few allocations: each typed array of its own costs as much as the work on a short
 * packet, and a collection now and then. A piece keeps the slab alive that it lies in.
 */

const slabBytes = 64 * 1024;

export class Slab {
  #bytes = new Uint8Array(0);
  #at = 0;

  /** `length` bytes that nobody else writes to; not cleared. */
  take(length: number): Uint8Array {
    if (length > slabBytes / 4) return new Uint8Array(length);
    if (this.#at + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(slabBytes);
      this.#at = 0;
    }
    return this.#bytes.subarray(this.#at, this.#at += length);
  }
}
