/**
 * How long a run's bindings and `Ready` are left to a workflow operator, and when what is missing is looked at again
 * (DECISIONS K-01, control-plane X-03, C-067). One per run; times are of the monotonic clock.
 */
import type { Clock, Timer } from "../contract/runtime.ts";
import { isOperatorAtWork, pendingDelayMs } from "./coexistence.ts";
import { conditionOf } from "./conditions.ts";
import type { RunDecision } from "./decisions.ts";
import type { World } from "./world.ts";

/** What a look at the run found. */
export interface Standing {
  /** Nobody else makes the run's bindings: we do. */
  readonly alone: boolean;
  /** Nobody has written the run's `Ready` in time. */
  readonly readyOverdue: boolean;
}

export class Patience {
  readonly #clock: Clock;
  /** 0: nobody else makes bindings. */
  readonly #graceMs: () => number;
  readonly #sinceMs: number;
  #alone: boolean;
  /** Since when nobody has written the run's `Ready`; null while it is there. */
  #noReadySinceMs: number | null = null;
  /** Since when something is missing; null while nothing is. */
  #pendingSinceMs: number | null = null;
  #recheck: Timer | null = null;

  /** The run is seen for the first time. `graceMs` is asked each time; 0: there is no workflow operator. */
  constructor(clock: Clock, graceMs: () => number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#sinceMs = clock.monotonicMs();
    this.#alone = graceMs() <= 0;
  }

  /** As the last look found it. */
  get alone(): boolean {
    return this.#alone;
  }

  /** Who cares for the run now. */
  look(world: World, { run, topology }: RunDecision): Standing {
    const steps = topology?.steps.map(({ step }) => step) ?? [];
    this.#alone = this.#graceMs() <= 0 || (this.#left(this.#sinceMs) <= 0 && !isOperatorAtWork(world, run, steps));
    const hasReady = conditionOf(run.status?.conditions, "Ready") !== undefined;
    // A redrive takes all conditions away, and the workflow operator may never write one again (cluster/11).
    this.#noReadySinceMs = hasReady ? null : this.#noReadySinceMs ?? this.#clock.monotonicMs();
    return { alone: this.#alone, readyOverdue: this.#noReadySinceMs === null || this.#left(this.#noReadySinceMs) <= 0 };
  }

  /**
   * Calls `again` when the next grace is over, a connector may have gone silent (`heartbeatMs` from now), or what is
   * missing is to be looked at without any event.
   */
  wait(isPending: boolean, heartbeatMs: number | null, again: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    this.#pendingSinceMs = isPending ? this.#pendingSinceMs ?? nowMs : null;
    const delays = [
      isPending ? this.#left(this.#sinceMs) : 0,
      this.#noReadySinceMs === null ? 0 : this.#left(this.#noReadySinceMs),
      this.#pendingSinceMs === null ? 0 : pendingDelayMs(nowMs - this.#pendingSinceMs),
      heartbeatMs ?? 0,
    ].filter((ms) => ms > 0);
    this.rest();
    if (delays.length > 0) this.#recheck = this.#clock.after(Math.min(...delays), again);
  }

  /** Waits for nothing. */
  rest(): void {
    this.#recheck?.cancel();
    this.#recheck = null;
  }

  #left(sinceMs: number): number {
    const graceMs = this.#graceMs();
    return graceMs <= 0 ? 0 : graceMs - (this.#clock.monotonicMs() - sinceMs);
  }
}
