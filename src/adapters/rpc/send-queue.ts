/** Messages on their way into a stream: bounded, in order, one reader. */

// Enough to keep a connection busy; what waits here is not counted by anybody.
const maxWaiting = 64;

export class SendQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #failure: Error | null = null;
  #isEnded = false;
  #wakeReader: (() => void) | null = null;
  readonly #senders: (() => void)[] = [];

  /** Adds a message once there is room. Rejects with the failure once there is one. */
  async send(item: T): Promise<void> {
    while (this.#items.length >= maxWaiting && this.#failure === null) {
      await new Promise<void>((resolve) => this.#senders.push(resolve));
    }
    if (this.#failure !== null) throw this.#failure;
    this.add(item);
  }

  /** Adds a message at once: for the few that must not wait behind others' room. After the end it is left out. */
  add(item: T): void {
    if (this.#isEnded || this.#failure !== null) return;
    this.#items.push(item);
    this.#wake();
  }

  /** Lets the reader finish after what was added. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** Fails senders that wait and all to come, and ends the reader. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.end();
    for (const resolve of this.#senders.splice(0)) resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (true) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#senders.shift()?.();
        yield item;
      } else if (this.#isEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => this.#wakeReader = resolve);
      }
    }
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = null;
  }
}
