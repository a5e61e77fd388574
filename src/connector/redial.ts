/** When to try again after a lost connection (data-plane 6.8). */
import type { Clock, Timer } from "../contract/runtime.ts";

export interface RedialPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
  /** Failures in a row after which it is given up. */
  readonly maxAttempts: number;
}

/** The hub client's: at once, then 1 s doubling to 32 s, plus jitter below a half; 200 attempts. */
export const hubRedial: RedialPolicy = { baseMs: 1_000, maxMs: 32_000, maxAttempts: 200 };

export class Redial {
  readonly #policy: RedialPolicy;
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #timer: Timer | null = null;

  /** `random` answers numbers in [0, 1). */
  constructor(policy: RedialPolicy, clock: Clock, random: () => number) {
    this.#policy = policy;
    this.#clock = clock;
    this.#random = random;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** The connection stands: the next loss is tried again at once. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Calls `attempt` when it is due; false: given up. `leastMs`: not earlier than that. */
  schedule(attempt: () => void, leastMs = 0): boolean {
    if (this.#failures >= this.#policy.maxAttempts) return false;
    const { baseMs, maxMs } = this.#policy;
    const base = this.#failures === 0 ? 0 : Math.min(baseMs * 2 ** (this.#failures - 1), maxMs);
    const delayMs = Math.max(base, leastMs) * (1 + this.#random() * 0.5);
    this.#failures++;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = null;
      attempt();
    });
    return true;
  }

  /** Whether an attempt is due later. */
  get isWaiting(): boolean {
    return this.#timer !== null;
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
