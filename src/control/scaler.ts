/**
 * `hub.scaleToZero`: no hub while no realtime StoryRun is active. Moves between 0 and 1 only; what is above 1 another
 * writer decides (a HorizontalPodAutoscaler, a person), and this one looks on until it has come back to 1.
 *
 *     0 ──a run is active──► 1        at once
 *     1 ──none is──────────► 0        after `delayMs` in which nothing was active and nobody else changed the number
 */
import type { Clock, Log, Timer } from "../contract/runtime.ts";

export interface ScalerOptions {
  /** Sets the replicas; rejects where it could not. */
  scale(replicas: number, signal: AbortSignal): Promise<void>;
  /** How long everything must be over (`hub.scaleDownDelay`); asked each time, since it may change. */
  delayMs(): number;
  /** Whether this process may write. Default: it may. */
  isLeader?(): boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Between two attempts of a write that failed. */
const retryMs = 1_000;
/** How long a write may take. */
const writeLimitMs = 10_000;

export class HubScaler {
  readonly #options: ScalerOptions;
  readonly #closing = new AbortController();
  /** What the StatefulSet says; null: not seen yet. */
  #replicas: number | null = null;
  /** Whether a run needs a hub; null: not known yet. */
  #isActive: boolean | null = null;
  /** Since when nothing is active and nobody has changed the number, on the monotonic clock. */
  #quietSinceMs = 0;
  /** What was written, until it is seen. */
  #written: number | null = null;
  #isWriting = false;
  #timer: Timer | null = null;

  constructor(options: ScalerOptions) {
    this.#options = options;
    this.#quietSinceMs = options.clock.monotonicMs();
  }

  /** The replicas that the StatefulSet is to have, after each change, by whomever. */
  setReplicas(replicas: number): void {
    if (replicas === this.#replicas) return;
    const isOwn = replicas === this.#written;
    this.#written = null;
    this.#replicas = replicas;
    if (!isOwn) this.#quietSinceMs = this.#options.clock.monotonicMs();
    this.look();
  }

  /** Whether a realtime StoryRun is active. */
  setActive(isActive: boolean): void {
    if (isActive === this.#isActive) return;
    this.#isActive = isActive;
    this.#quietSinceMs = this.#options.clock.monotonicMs();
    this.look();
  }

  /** Does what is due. Call it too when this process has become the leader. */
  look(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const wanted = this.#wanted();
    if (typeof wanted === "object") {
      if (wanted !== null) this.#timer = this.#options.clock.after(wanted.inMs, () => this.look());
      return;
    }
    if (!this.#isWriting) void this.#write(wanted);
  }

  /** Stops; a write under way is given up. */
  close(): void {
    this.#closing.abort();
    this.#timer?.cancel();
  }

  /** The number to write, when to look again, or null: nothing to do until something changes. */
  #wanted(): number | { readonly inMs: number } | null {
    const { clock, delayMs, isLeader } = this.#options;
    if (this.#closing.signal.aborted || !(isLeader?.() ?? true) || this.#isActive === null) return null;
    if (this.#replicas === 0) return this.#isActive ? 1 : null;
    if (this.#replicas !== 1 || this.#isActive) return null;
    const leftMs = this.#quietSinceMs + delayMs() - clock.monotonicMs();
    return leftMs > 0 ? { inMs: leftMs } : 0;
  }

  async #write(replicas: number): Promise<void> {
    const { clock, log, scale } = this.#options;
    this.#isWriting = true;
    this.#written = replicas;
    const limit = new AbortController();
    const timer = clock.after(writeLimitMs, () => limit.abort(new Error(`nothing within ${writeLimitMs} ms`)));
    try {
      await scale(replicas, AbortSignal.any([limit.signal, this.#closing.signal]));
      log.info("hubs scaled", { from: 1 - replicas, to: replicas });
      this.#isWriting = false;
      // what was decided meanwhile; where the write has not been seen yet, its event has it looked at again
      if (this.#written === null) this.look();
    } catch (error) {
      this.#isWriting = false;
      this.#written = null;
      if (this.#closing.signal.aborted) return;
      log.warn("hubs could not be scaled", { replicas, retryMs, error: String(error) });
      this.#timer?.cancel();
      this.#timer = clock.after(retryMs, () => this.look());
    } finally {
      timer.cancel();
    }
  }
}
