/**
 * What we say of a run: its condition `TransportReady`, a `Ready` beside it where nobody else writes one, and Events.
 * Pure. Knows which bindings are missing and why; never touches a condition of another writer.
 */
import type { Reason } from "../contract/errors.ts";
import { fieldManagers } from "../contract/names.ts";
import type { Condition, StoryRun } from "../contract/resources.ts";
import { compact, holds } from "./binding-status.ts";
import type { ObjectEvent } from "./cluster.ts";
import { connectorStale } from "./heartbeats.ts";
import { conditionOf, type Finding, transition } from "./conditions.ts";
import type { RunDecision } from "./decisions.ts";
import type { Reconciled, ReconcileOptions, StatusWrite } from "./reconcile.ts";

/** What stands between a run and its bindings. */
export interface Obstacles {
  /** Steps whose binding is not there or has no address. */
  readonly missing: readonly string[];
  /** Why bindings of the right name are none of the run's. */
  readonly collisions: readonly string[];
  /** Steps whose connector has gone silent. */
  readonly silent: readonly string[];
  /** Why no binding can refer to the run; null when one can. */
  readonly unnameable: string | null;
  /** The hub that is to hold the run is not up yet. */
  readonly isStarting: boolean;
  /** A setting of the Story that bindings of another writer can not follow; empty when there is none. */
  readonly notApplied: string;
}

/** `TransportReady` of the run, and the events that say the same. */
export function runStatus(decision: RunDecision, obstacles: Obstacles, options: ReconcileOptions): Reconciled {
  const { run, failure } = decision;
  const { alone, now, readyOverdue = alone } = options;
  const events: ObjectEvent[] = [];
  if (failure !== null) events.push(failureEvent(run, failure));
  // Without its Story nobody knows whether the run is ours (control-plane S-11, X-11).
  if (decision.inputs === null) return { writes: [], events, isSaid: false, isPending: false };
  for (const collision of obstacles.collisions) events.push(eventOf(run, "Warning", "BindingCollision", collision));
  if (decision.lastFault !== null) events.push(failureEvent(run, decision.lastFault));
  for (const warning of decision.topology?.warnings ?? []) {
    events.push(eventOf(run, "Warning", "TopologyWarning", warning));
  }
  const isPending = failure === null && obstacles.unnameable === null &&
    (obstacles.missing.length > 0 || obstacles.collisions.length > 0);
  const finding: Finding = {
    type: "TransportReady",
    observedGeneration: run.metadata.generation,
    ...verdict(decision, obstacles),
  };
  const known = run.status?.conditions;
  const writes: StatusWrite[] = [];
  // The bindings of a run that is being cancelled go one by one: nothing is missing then.
  const isLeaving = run.spec.cancelRequested === true && isPending;
  if (isLeaving) return { writes, events, isSaid: true, isPending: false };
  const ready = conditionOf(known, "Ready");
  if (ready?.reason === "HubStarting" && finding.reason !== "HubStarting" && !isPending) {
    // only we say so, and while no hub was ready it was not the last word
    writes.push(...status(run, fieldManagers.ready, transition(known, { ...finding, type: "Ready" }, now)));
  } else if (ready === undefined) {
    // The API server refuses conditions without Ready, and a manager that ever applied it would own it for good
    // (control-plane R-12, R-12b): so a manager of its own applies it, once, when there is something to say.
    if (!readyOverdue || finding.reason === "Reconciling") return { writes, events, isSaid: false, isPending };
    writes.push(...status(run, fieldManagers.ready, transition(known, { ...finding, type: "Ready" }, now)));
  }
  if (finding.status === "True") events.push(eventOf(run, "Normal", "TransportReady", "Transport is ready"));
  const said = status(run, fieldManagers.controller, transition(known, finding, now));
  return { writes: [...writes, ...said], events, isSaid: said.length === 0, isPending };
}

function status(run: StoryRun, manager: string, condition: Condition): readonly StatusWrite[] {
  const { namespace = "", name } = run.metadata;
  const conditions = [compact({ ...condition })];
  if (holds(run.status, { conditions }, [])) return [];
  return [{ type: "status", kind: "StoryRun", namespace, name, manager, status: { conditions } }];
}

function verdict(decision: RunDecision, obstacles: Obstacles): Pick<Finding, "status" | "reason" | "message"> {
  const { failure, lastFault } = decision;
  const { missing, collisions, silent, unnameable, isStarting, notApplied } = obstacles;
  const aside = jobModeText(decision) + (notApplied === "" ? "" : `; ${notApplied}`);
  if (failure !== null) return { status: "False", reason: failure.reason, message: failure.message + aside };
  if (collisions.length > 0) {
    return { status: "False", reason: "BindingCollision", message: collisions.join("; ") + aside };
  }
  if (missing.length > 0 && unnameable !== null) {
    return { status: "False", reason: "NotSupported", message: unnameable };
  }
  if (missing.length > 0) {
    const message = `Waiting for the transport bindings of ${missing.join(", ")}${aside}`;
    return { status: "False", reason: "Reconciling", message };
  }
  if (isStarting) return { status: "False", reason: "HubStarting", message: `Waiting for a hub that is ready${aside}` };
  if (silent.length > 0) {
    const message = `Connectors have gone silent: ${silent.join(", ")}${aside}`;
    return { status: "False", reason: connectorStale, message };
  }
  const message = lastFault === null
    ? `Transport is ready${aside}`
    : `Transport is ready as decided before; an edit is refused: ${lastFault.message}`;
  return { status: "True", reason: "TransportReady", message };
}

/** Steps whose engram runs as a job never get a binding, and nobody waits for one (control-plane K-08, C-072). */
function jobModeText({ topology }: RunDecision): string {
  const jobs = topology?.steps.filter(({ kind }) => kind === "job").map(({ step }) => step) ?? [];
  return jobs.length === 0 ? "" : `; without a binding, as their engrams run as jobs: ${jobs.join(", ")}`;
}

// Reasons of events that the contract names (control-plane 9.2); all others are TransportReconcileFailed.
const eventReasons: Partial<Record<Reason, string>> = {
  UnknownStory: "ParentStoryMissing",
  InvalidConfiguration: "InvalidTransportAnnotation",
};

function failureEvent(run: StoryRun, failure: { readonly reason: Reason; readonly message: string }): ObjectEvent {
  const reason = eventReasons[failure.reason] ?? "TransportReconcileFailed";
  return eventOf(run, "Warning", reason, `${failure.reason}: ${failure.message}`);
}

function eventOf(run: StoryRun, type: ObjectEvent["type"], reason: string, message: string): ObjectEvent {
  const { namespace = "", name, uid } = run.metadata;
  return { kind: "StoryRun", namespace, name, uid, type, reason, message };
}
