/**
 * A first-in-first-out queue in a ring that doubles when it is full.
 *
 * ```
 *   head ─┐        ┌─ (head + length) & mask
 *   [ … , a, b, c, _ , … ]     capacity is a power of two
 * ```
 */
export class Queue<T> {
  #ring: (T | undefined)[] = new Array<T | undefined>(16);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends at the tail. The caller bounds the length. */
  push(value: T): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = value;
    this.#length++;
  }

  /** The oldest value, or undefined where there is none. */
  peek(): T | undefined {
    return this.#ring[this.#head];
  }

  /** Removes and returns the oldest value. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const value = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    return value;
  }

  /** The value at `index` from the head, for the rare walk over all. */
  at(index: number): T | undefined {
    return index < this.#length ? this.#ring[(this.#head + index) & (this.#ring.length - 1)] : undefined;
  }

  #grow(): void {
    const bigger = new Array<T | undefined>(this.#ring.length * 2);
    for (let i = 0; i < this.#length; i++) bigger[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)];
    this.#ring = bigger;
    this.#head = 0;
  }
}
