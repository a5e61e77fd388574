/** The clock of the machine. Its timers never keep the process alive by themselves. */
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import type { Clock, Timer } from "../contract/runtime.ts";

// A longer delay overflows the platform's timer and would fire at once.
const longestDelayMs = 2 ** 31 - 1;

/** Wall time and monotonic time of this process; the same on Node and on Deno. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, run: () => void): Timer {
    const timer = setTimeout(run, Math.min(delayMs, longestDelayMs));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(intervalMs: number, run: () => void): Timer {
    const timer = setInterval(run, Math.min(intervalMs, longestDelayMs));
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
};
