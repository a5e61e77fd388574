/** Lets one loop sleep until there is something to do. */

/** A bell that one loop waits for. Ringing while nobody waits is remembered; ringing twice wakes once. */
export class Wake implements Disposable {
  readonly #signals: readonly AbortSignal[];
  readonly #onAbort = (): void => this.ring();
  #rung = false;
  #resume: (() => void) | null = null;

  /** The bell also rings, for good, when any of `signals` fires. Dispose of it to stop listening to them. */
  constructor(...signals: readonly AbortSignal[]) {
    this.#signals = signals;
    // One listener for the whole loop: adding and removing one for each wait costs more than the wait.
    for (const signal of signals) signal.addEventListener("abort", this.#onAbort);
  }

  ring(): void {
    this.#rung = true;
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  /** Settles once the bell has been rung since the last wait; rejects with a signal's reason once that fired. */
  async wait(): Promise<void> {
    this.#throwIfAborted();
    if (!this.#rung) await new Promise<void>((resolve) => this.#resume = resolve);
    this.#rung = false;
    this.#throwIfAborted();
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#onAbort);
  }

  #throwIfAborted(): void {
    for (const signal of this.#signals) signal.throwIfAborted();
  }
}
