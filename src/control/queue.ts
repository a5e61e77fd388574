/** Work by key: one at a time for each key, what comes meanwhile is done once more, failures come back later. */
import type { Clock, Timer } from "../contract/runtime.ts";

/** What a queue tells of its work, for metrics. */
export interface QueueEvents {
  added(): void;
  /** After waiting this long. */
  started(waitedMs: number): void;
  finished(outcome: "success" | "error", tookMs: number): void;
}

export interface KeyQueueOptions {
  readonly clock: Clock;
  /** Works on a key; rejects to be called again later. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  /** Told of each failure and of the delay until the next try. */
  readonly onFailure: (key: string, error: unknown, retryMs: number) => void;
  /** Settles when work on another key may begin. Default: at the end of the present task. */
  readonly breathe?: (() => Promise<void>) | undefined;
  /** Keys that are worked on at the same time. Default `defaultConcurrency`. */
  readonly concurrency?: number;
  readonly events?: QueueEvents | undefined;
}

export const defaultConcurrency = 16;

/** Delays between tries of a key that keeps failing, in milliseconds; the last one repeats (control-plane C-067). */
export const retryDelaysMs = [2_000, 4_000, 8_000, 16_000, 30_000] as const;

export class KeyQueue {
  readonly #options: KeyQueueOptions;
  /** Since when each key waits. */
  readonly #waiting = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, { count: number; retry: Timer }>();
  readonly #stop = new AbortController();

  constructor(options: KeyQueueOptions) {
    this.#options = options;
  }

  /** Asks for work on a key soon; a key that waits already is worked on once. Ignored after `close`. */
  add(key: string): void {
    if (this.#stop.signal.aborted) return;
    this.#failures.get(key)?.retry.cancel();
    this.#options.events?.added();
    if (this.#running.has(key)) this.#again.add(key);
    else this.#wait(key);
    this.#pump();
  }

  /** Forgets the failures of a key that is no more. */
  forget(key: string): void {
    this.#failures.get(key)?.retry.cancel();
    this.#failures.delete(key);
  }

  /** Keys that wait, are worked on or come back. */
  get size(): number {
    return this.#waiting.size + this.#running.size + this.#failures.size;
  }

  /** Keys that wait to be worked on. */
  get waiting(): number {
    return this.#waiting.size + this.#again.size;
  }

  /** Keys that are worked on. */
  get working(): number {
    return this.#running.size;
  }

  /** Aborts what is worked on and settles when it has ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#waiting.clear();
    this.#again.clear();
    for (const { retry } of this.#failures.values()) retry.cancel();
    this.#failures.clear();
    await Promise.all(this.#running.values());
  }

  #pump(): void {
    for (const [key, sinceMs] of this.#waiting) {
      if (this.#running.size >= (this.#options.concurrency ?? defaultConcurrency)) return;
      this.#waiting.delete(key);
      this.#options.events?.started(this.#options.clock.monotonicMs() - sinceMs);
      this.#running.set(key, this.#run(key));
    }
  }

  #wait(key: string): void {
    if (!this.#waiting.has(key)) this.#waiting.set(key, this.#options.clock.monotonicMs());
  }

  async #run(key: string): Promise<void> {
    // Whoever adds in one turn is served by one piece of work.
    await (this.#options.breathe?.() ?? Promise.resolve());
    const { signal } = this.#stop;
    const { clock, events } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      if (!signal.aborted) await this.#options.work(key, signal);
      this.forget(key);
      events?.finished("success", clock.monotonicMs() - startMs);
    } catch (error) {
      if (!signal.aborted) {
        events?.finished("error", clock.monotonicMs() - startMs);
        this.#retryLater(key, error);
      }
    } finally {
      this.#running.delete(key);
      if (this.#again.delete(key)) this.#wait(key);
      this.#pump();
    }
  }

  #retryLater(key: string, error: unknown): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const delayMs = retryDelaysMs[Math.min(count, retryDelaysMs.length) - 1]!;
    this.#failures.get(key)?.retry.cancel();
    this.#failures.set(key, { count, retry: this.#options.clock.after(delayMs, () => this.add(key)) });
    this.#options.onFailure(key, error, delayMs);
  }
}
