/**
 * A gate of a hub of several: discovery tells a connector where its run is before the record of it has come to that hub,
 * so a stream of a run that is not here yet waits a moment before it is refused.
 */
import type { Clock } from "../../contract/runtime.ts";
import type { PlanSource } from "../../hub/plans.ts";
import type { IdentityGate } from "./gate.ts";

/** Less than the 250 ms after which a connector takes silence for being accepted, as a Go hub's is. */
const defaultWaitMs = 150;

/** `gate` and then the wait; refusing is left to the hub. Follows `plans` for as long as the program runs. */
export function placedGate(
  gate: IdentityGate | null,
  plans: Pick<PlanSource, "subscribe"> & { holder: NonNullable<PlanSource["holder"]> },
  clock: Clock,
  waitMs: number = defaultWaitMs,
): IdentityGate {
  const waiting = new Map<string, Set<() => void>>();
  plans.subscribe((namespace, storyRun) => {
    const key = `${namespace}/${storyRun}`;
    if (!waiting.has(key) || plans.holder(namespace, storyRun) !== "here") return;
    for (const go of waiting.get(key)!) go();
  });
  const placed = (namespace: string, storyRun: string): Promise<void> =>
    new Promise((resolve) => {
      const key = `${namespace}/${storyRun}`;
      const all = waiting.get(key) ?? new Set();
      waiting.set(key, all);
      const go = () => {
        timer.cancel();
        all.delete(go);
        if (all.size === 0 && waiting.get(key) === all) waiting.delete(key);
        resolve();
      };
      const timer = clock.after(waitMs, go);
      all.add(go);
    });
  return {
    check(claim, session, authorization) {
      const checked = gate?.check(claim, session, authorization);
      const { action, namespace, storyRun = "" } = claim;
      if (action !== "stream" || plans.holder(namespace, storyRun) === "here") return checked;
      return checked === undefined ? placed(namespace, storyRun) : checked.then(() => placed(namespace, storyRun));
    },
    counts: () => gate?.counts() ?? [],
  };
}
