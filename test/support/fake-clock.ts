/** A clock that stands still until a test steps it. */
import type { Clock, Timer } from "../../src/contract/runtime.ts";

interface Due {
  atMs: number;
  readonly order: number;
  readonly everyMs: number | null;
  readonly run: () => void;
}

/** Runs timers in the order in which they are due, ties in the order in which they were set. */
export class FakeClock implements Clock {
  readonly #due = new Set<Due>();
  readonly #startMs: number;
  #elapsedMs = 0;
  #order = 0;

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#add(delayMs, null, run);
  }

  every(intervalMs: number, run: () => void): Timer {
    return this.#add(intervalMs, intervalMs, run);
  }

  /** Timers that are set and have not run out. */
  get pending(): number {
    return this.#due.size;
  }

  /** Goes forward by `ms` and runs what is due on the way, synchronously. */
  step(ms: number): void {
    const endMs = this.#elapsedMs + ms;
    for (let next = this.#next(endMs); next !== null; next = this.#next(endMs)) {
      this.#elapsedMs = next.atMs;
      if (next.everyMs === null) this.#due.delete(next);
      else next.atMs += Math.max(next.everyMs, 1);
      next.run();
    }
    this.#elapsedMs = endMs;
  }

  /** Like `step`, and lets promises settle before and after each timer. */
  async stepAsync(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    await settle();
    for (let next = this.#next(endMs); next !== null; next = this.#next(endMs)) {
      this.step(Math.max(next.atMs - this.#elapsedMs, 0));
      await settle();
    }
    this.step(endMs - this.#elapsedMs);
    await settle();
  }

  #next(endMs: number): Due | null {
    let first: Due | null = null;
    for (const due of this.#due) {
      if (due.atMs > endMs) continue;
      if (first === null || due.atMs < first.atMs || (due.atMs === first.atMs && due.order < first.order)) first = due;
    }
    return first;
  }

  #add(delayMs: number, everyMs: number | null, run: () => void): Timer {
    const due = { atMs: this.#elapsedMs + Math.max(delayMs, 0), order: this.#order++, everyMs, run };
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }
}

/** Lets everything that waits for promises alone go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
