/** Waiting with a bound: no test waits for ever, and none sleeps. */

/** What `promise` settles with, or a rejection that names `what` after `ms`. */
export function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} did not happen within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Tells who waits that something may have changed. */
export class Signal {
  #waiting: (() => void)[] = [];

  /** Wakes everybody who waits. */
  readonly notify = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  };

  /** Settles with the first value of `look` that is not undefined, null or false; looks again at each `notify`. */
  async until<T>(what: string, look: () => T | undefined | null | false, ms = 5_000): Promise<T> {
    const endMs = performance.now() + ms;
    for (;;) {
      const found = look();
      if (found !== undefined && found !== null && found !== false) return found;
      const woken = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await within(Math.max(endMs - performance.now(), 1), what, woken);
    }
  }
}
