/** What goes wrong with a watch, said now and then: it goes on by itself, and may fail each second. */
import type { Clock, Log } from "../../../contract/runtime.ts";

/** Trouble of one watch is logged at most this often. */
const troubleMs = 30_000;

/** Logs what is wrong with the watch of `kind`; for `WatchOptions.onTrouble`. */
export function loggedTrouble(kind: string, clock: Clock, log: Log): (message: string) => void {
  let loggedMs = -Infinity;
  return (message) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - loggedMs < troubleMs) return;
    loggedMs = nowMs;
    log.warn("watch has trouble and goes on", { kind, error: message });
  };
}
