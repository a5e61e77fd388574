/** Whether a decision is another one than before, and what the log says of it. */
import type { TransportError } from "../contract/errors.ts";
import type { Log } from "../contract/runtime.ts";
import { sameJson } from "../contract/same-json.ts";
import type { RunDecision } from "./decisions.ts";
import type { RunKey } from "./dependents.ts";

/** Whether two decisions say the same; the run's own status is no part of them. */
export function sameDecision(a: RunDecision | null, b: RunDecision | null): boolean {
  if (a === null || b === null) return a === b;
  return a.run.metadata.uid === b.run.metadata.uid && a.failure?.message === b.failure?.message &&
    a.lastFault?.message === b.lastFault?.message && sameJson(a.bindings, b.bindings) &&
    sameJson(a.topology, b.topology) && sameJson([...a.plan.steps], [...b.plan.steps]) &&
    a.plan.storyGeneration === b.plan.storyGeneration;
}

/** One line for a decision that changed; a refusal that was told already is not told again. */
export function logDecision(log: Log, key: RunKey, before: RunDecision | null, next: RunDecision | null): void {
  const fields = { namespace: key.namespace, storyRun: key.storyRun };
  const refusal = (fault: TransportError) => ({ ...fields, reason: fault.reason, error: fault.message });
  if (next === null) return log.info("run is over", fields);
  if (next.failure !== null) {
    if (next.failure.message !== before?.failure?.message) log.warn("run refused", refusal(next.failure));
  } else if (next.lastFault !== null) {
    if (next.lastFault.message === before?.lastFault?.message) return;
    log.warn("edit refused, the decision before stays in force", refusal(next.lastFault));
  } else {
    log.info("run decided", {
      ...fields,
      storyGeneration: next.plan.storyGeneration,
      bindings: next.bindings.length,
    });
  }
}
