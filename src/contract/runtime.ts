/**
 * What inner rooms ask of the runtime around them: time, logs, random bytes and hashes of text.
 * Adapters implement these interfaces; inner rooms receive them as parameters and never import a platform.
 */

/** A timer that was started; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Source of time. Real: `adapters/clock.ts`; stepped by hand in tests: `test/support/fake-clock.ts`. */
export interface Clock {
  /** Milliseconds since the epoch, for what peers and people read. */
  nowMs(): number;
  /** Milliseconds on a clock that never goes back, for durations. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`. Timers never keep the process alive by themselves. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `intervalMs` until cancelled. */
  every(intervalMs: number, run: () => void): Timer;
}

/** Fields of a log line; `namespace`, `storyRun`, `step`, `generation`, `reason` have these names everywhere. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured log: constant messages, facts in fields; one JSON object per line where it is written. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A log that drops everything. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
