/** Lets one loop sleep until there is something to do. */

/** A bell that one loop waits for. Ringing while nobody waits is remembered; ringing twice wakes once. */
export class Wake {
  readonly #signal: AbortSignal;
  #rung = false;
  #resume: (() => void) | null = null;

  /** The bell also rings, for good, when `signal` fires. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    // One listener for the whole loop: adding and removing one for each wait costs more than the wait.
    signal.addEventListener("abort", () => this.ring(), { once: true });
  }

  ring(): void {
    this.#rung = true;
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  /** Settles once the bell has been rung since the last wait; rejects with the signal's reason once that fired. */
  async wait(): Promise<void> {
    if (!this.#rung && !this.#signal.aborted) await new Promise<void>((resolve) => this.#resume = resolve);
    this.#rung = false;
    this.#signal.throwIfAborted();
  }
}
