/**
 * Work by key: one at a time for each key, what comes meanwhile is done once more, failures come back later, and no more
 * is begun in a second than allowed.
 */
import type { Clock, Timer } from "../contract/runtime.ts";
import { FairQueue } from "./fair-queue.ts";

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
  /** Work that is begun in a second, and at once after a pause. Default 500 and 1,000. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
  /** Which keys share their turns. Default: what stands before the first `/`. */
  readonly groupOf?: (key: string) => string;
}

export const defaultConcurrency = 16;

/** Delays between tries of a key that keeps failing, in milliseconds; the last one repeats. */
export const retryDelaysMs = [2_000, 4_000, 8_000, 16_000, 30_000] as const;

/** Longest wait that a server which asks for one gets. */
const maxRetryAfterMs = 60_000;

const defaultRate = { perSecond: 500, burst: 1_000 };

export class KeyQueue {
  readonly #options: KeyQueueOptions;
  readonly #rate: { readonly perSecond: number; readonly burst: number };
  readonly #waiting: FairQueue;
  /** Since when each key waits. */
  readonly #since = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, { count: number; retry: Timer }>();
  readonly #stop = new AbortController();
  /** Beginnings that are left, as of that moment. */
  #tokens: number;
  #tokensAtMs: number;
  #refill: Timer | null = null;

  constructor(options: KeyQueueOptions) {
    this.#options = options;
    this.#rate = options.rate ?? defaultRate;
    this.#tokens = this.#rate.burst;
    this.#tokensAtMs = options.clock.monotonicMs();
    this.#waiting = new FairQueue(options.groupOf ?? ((key) => key.slice(0, Math.max(key.indexOf("/"), 0))));
  }

  /**
   * Asks for work on a key soon; a key that waits already is worked on once. Urgent ones have their turn before others.
   * Ignored after `close`.
   */
  add(key: string, isUrgent = false): void {
    if (this.#stop.signal.aborted) return;
    this.#failures.get(key)?.retry.cancel();
    this.#options.events?.added();
    if (this.#running.has(key)) this.#again.add(key);
    else this.#wait(key, isUrgent);
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
    this.#since.clear();
    this.#again.clear();
    this.#refill?.cancel();
    for (const { retry } of this.#failures.values()) retry.cancel();
    this.#failures.clear();
    await Promise.all(this.#running.values());
  }

  #pump(): void {
    while (
      this.#waiting.size > 0 && this.#running.size < (this.#options.concurrency ?? defaultConcurrency) &&
      this.#mayBegin()
    ) {
      const key = this.#waiting.take()!;
      const nowMs = this.#options.clock.monotonicMs();
      this.#options.events?.started(nowMs - (this.#since.get(key) ?? nowMs));
      this.#since.delete(key);
      this.#running.set(key, this.#run(key));
    }
  }

  #wait(key: string, isUrgent: boolean): void {
    if (!this.#since.has(key)) this.#since.set(key, this.#options.clock.monotonicMs());
    this.#waiting.add(key, isUrgent);
  }

  /** Takes a token; without one, comes back when there is one. */
  #mayBegin(): boolean {
    const { clock } = this.#options;
    const { perSecond, burst } = this.#rate;
    const nowMs = clock.monotonicMs();
    this.#tokens = Math.min(burst, this.#tokens + (nowMs - this.#tokensAtMs) * perSecond / 1000);
    this.#tokensAtMs = nowMs;
    // times are whole milliseconds, and sums of their parts are not quite what they should be
    if (this.#tokens > 1 - 1e-6) {
      this.#tokens -= 1;
      return true;
    }
    this.#refill ??= clock.after(Math.ceil((1 - this.#tokens) * 1000 / perSecond), () => {
      this.#refill = null;
      this.#pump();
    });
    return false;
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
      if (this.#again.delete(key)) this.#wait(key, false);
      this.#pump();
    }
  }

  #retryLater(key: string, error: unknown): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const delayMs = Math.max(retryDelaysMs[Math.min(count, retryDelaysMs.length) - 1]!, retryAfterMs(error));
    this.#failures.get(key)?.retry.cancel();
    this.#failures.set(key, { count, retry: this.#options.clock.after(delayMs, () => this.add(key)) });
    this.#options.onFailure(key, error, delayMs);
  }
}

/** How long a server that refused wants to be left alone; 0 when it does not say. */
function retryAfterMs(error: unknown): number {
  const cause = error instanceof Error ? error.cause : undefined;
  const wanted = (cause as { readonly retryAfterMs?: unknown } | null | undefined)?.retryAfterMs;
  return typeof wanted === "number" && wanted > 0 ? Math.min(wanted, maxRetryAfterMs) : 0;
}
