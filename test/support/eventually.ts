/** Waiting for what no event tells: counters of a hub, mostly. */
import { setTimeout as pause } from "node:timers/promises";

/** The first value of `look` that is not undefined, null or false; fails naming `what` after `ms`. */
export async function eventually<T>(what: string, look: () => T | undefined | null | false, ms = 5_000): Promise<T> {
  const endMs = performance.now() + ms;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`${what} did not happen within ${ms} ms`);
    await pause(2);
  }
}
