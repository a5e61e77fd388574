/**
 * What is to be written for a run, as data: a pure function of the world and the decision. Doing it twice changes
 * nothing. Knows the rules of coexistence (control-plane 11); refuses to know how anything is written.
 */
import type { Reason } from "../contract/errors.ts";
import { fieldManagers, type Kind } from "../contract/names.ts";
import type { Condition, JsonObject, JsonValue, StoryRun, TransportBinding } from "../contract/resources.ts";
import { sameJson } from "../contract/same-json.ts";
import { type BindingDescription, toTransportBinding } from "../topology/binding.ts";
import type { ObjectEvent } from "./cluster.ts";
import { collisionOf, isOwn, ownerOf } from "./coexistence.ts";
import { conditionOf, type Finding, transition } from "./conditions.ts";
import type { RunDecision } from "./decisions.ts";
import { hubStarting } from "./placement-record.ts";
import type { World } from "./world.ts";

/** One write; those of a run are done in order. */
export type Write =
  | { readonly type: "create"; readonly object: TransportBinding }
  | { readonly type: "replace"; readonly object: TransportBinding }
  | { readonly type: "delete"; readonly kind: Kind; readonly namespace: string; readonly name: string }
  | {
    readonly type: "status";
    readonly kind: Kind;
    readonly namespace: string;
    readonly name: string;
    readonly manager: string;
    readonly status: JsonObject;
  };

export interface Reconciled {
  readonly writes: readonly Write[];
  /** Facts that hold now; whoever records them does so once, when they become true. */
  readonly events: readonly ObjectEvent[];
}

export interface ReconcileOptions {
  /** Time of conditions that change, RFC 3339. */
  readonly now: string;
  /** Whether nobody else makes the bindings of this run: missing ones are created (control-plane X-03). */
  readonly alone: boolean;
}

/** What a decided run needs. */
export function reconcile(world: World, decision: RunDecision, options: ReconcileOptions): Reconciled {
  const { namespace, storyRun } = decision;
  const wanted = new Map(decision.bindings.map((description) => [description.name, description]));
  const writes: Write[] = [];
  const events: ObjectEvent[] = [];
  const missing: string[] = [];
  for (const description of wanted.values()) {
    const known = world.get("TransportBinding", namespace, description.name);
    if (known === undefined && !options.alone) {
      missing.push(description.step);
      continue;
    }
    const collision = known === undefined ? null : collisionOf(known, description.step, decision.run);
    if (collision !== null) {
      missing.push(description.step);
      events.push(event(decision.run, "Warning", "BindingCollision", collision));
      continue;
    }
    const { status: _, ...object } = toTransportBinding(
      description,
      ownerOf(world, decision.run, description.stepRun),
    );
    if (known === undefined) writes.push({ type: "create", object });
    else if (isOwn(known) && !sameBinding(known, object)) writes.push({ type: "replace", object });
    writes.push(...bindingStatus(known, description, options.now));
    if (known?.status?.endpoint === undefined) missing.push(description.step);
  }
  // While nothing is decided, what was written stays: an own binding goes when a decision does without it.
  if (decision.failure === null) writes.push(...staleBindings(world, namespace, storyRun, wanted));
  const run = runStatus(decision, missing, options);
  return { writes: [...writes, ...run.writes], events: [...events, ...run.events] };
}

/** What is left to do for a run that is over or gone: its own bindings go (control-plane X-08). */
export function reconcileGone(world: World, namespace: string, storyRun: string): readonly Write[] {
  return staleBindings(world, namespace, storyRun, new Map());
}

function staleBindings(
  world: World,
  namespace: string,
  storyRun: string,
  wanted: ReadonlyMap<string, unknown>,
): readonly Write[] {
  return world.bindingsOfRun(namespace, storyRun)
    .filter((binding) => isOwn(binding) && !wanted.has(binding.metadata.name))
    .map(({ metadata }) => ({ type: "delete", kind: "TransportBinding", namespace, name: metadata.name }));
}

function sameBinding(known: TransportBinding, wanted: TransportBinding): boolean {
  return sameJson(known.spec, wanted.spec) &&
    sameJson(known.metadata.labels ?? {}, wanted.metadata.labels ?? {}) &&
    sameJson(known.metadata.annotations ?? {}, wanted.metadata.annotations ?? {});
}

/** Address and decision of a binding; hosts only where they are ours to write (control-plane X-02). */
function bindingStatus(
  known: TransportBinding | undefined,
  description: BindingDescription,
  now: string,
): readonly Write[] {
  const { upstreamHost, downstreamHost } = description.decision;
  const isWaiting = description.state === hubStarting;
  const { reason, message } = description.decision;
  const finding: Finding = {
    type: "EndpointResolved",
    status: isWaiting ? "False" : "True",
    reason: isWaiting ? hubStarting : reason,
    message: isWaiting ? `Waiting for a hub; ${message}` : message,
    observedGeneration: known?.metadata.generation ?? 1,
  };
  const hosts = known === undefined || isOwn(known) ? { upstreamHost, downstreamHost } : {};
  const status = compact({
    endpoint: description.hubEndpoint,
    ...hosts,
    conditions: [json(transition(known?.status?.conditions, finding, now))],
  });
  if (known !== undefined && holds(known.status, status, Object.keys(hosts))) return [];
  const { namespace, name } = description;
  return [{ type: "status", kind: "TransportBinding", namespace, name, manager: fieldManagers.controller, status }];
}

/** `TransportReady` of the run, `Ready` beside it where nobody else writes it, and the events that say the same. */
function runStatus(decision: RunDecision, missing: readonly string[], { alone, now }: ReconcileOptions): Reconciled {
  const { run, namespace, storyRun, failure } = decision;
  // Without its Story nobody knows whether the run is ours (control-plane S-11, X-11).
  if (decision.inputs === null) return { writes: [], events: failure === null ? [] : [failureEvent(run, failure)] };
  const events: ObjectEvent[] = [];
  if (failure !== null) events.push(failureEvent(run, failure));
  if (decision.lastFault !== null) events.push(failureEvent(run, decision.lastFault));
  for (const warning of decision.topology?.warnings ?? []) {
    events.push(event(run, "Warning", "TopologyWarning", warning));
  }
  const finding: Finding = {
    type: "TransportReady",
    observedGeneration: run.metadata.generation,
    ...verdict(decision, missing),
  };
  if (finding.status === "True") events.push(event(run, "Normal", "TransportReady", "Transport is ready"));
  const known = run.status?.conditions;
  const writes: Write[] = [];
  const status = (manager: string, condition: Condition) => {
    const conditions = [json(condition)];
    if (holds(run.status as JsonObject | undefined, { conditions }, [])) return;
    writes.push({ type: "status", kind: "StoryRun", namespace, name: storyRun, manager, status: { conditions } });
  };
  const ready = conditionOf(known, "Ready");
  // one that only we write, and that was not the last word
  const wasWaiting = ready?.reason === hubStarting && finding.reason !== hubStarting;
  if (ready === undefined || wasWaiting) {
    // The API server refuses conditions without Ready, and a manager that ever applied it would own it for good
    // (control-plane R-12, R-12b): so a manager of its own applies it, once, when there is something to say.
    if (!alone || finding.reason === "Reconciling") return { writes, events };
    status(fieldManagers.ready, transition(known, { ...finding, type: "Ready" }, now));
  }
  status(fieldManagers.controller, transition(known, finding, now));
  return { writes, events };
}

function verdict(decision: RunDecision, missing: readonly string[]): Pick<Finding, "status" | "reason" | "message"> {
  const { failure, lastFault } = decision;
  if (failure !== null) return { status: "False", reason: failure.reason, message: failure.message };
  if (missing.length > 0) {
    const message = `Waiting for the transport bindings of ${missing.join(", ")}`;
    return { status: "False", reason: "Reconciling", message };
  }
  if (decision.bindings.some(({ state }) => state === hubStarting)) {
    return { status: "False", reason: hubStarting, message: "Waiting for a hub: none is ready, one is being started" };
  }
  if (lastFault === null) return { status: "True", reason: "TransportReady", message: "Transport is ready" };
  const message = `Transport is ready as decided before; an edit is refused: ${lastFault.message}`;
  return { status: "True", reason: "TransportReady", message };
}

// Reasons of events that the contract names (control-plane 9.2); all others are TransportReconcileFailed.
const eventReasons: Partial<Record<Reason, string>> = {
  UnknownStory: "ParentStoryMissing",
  InvalidConfiguration: "InvalidTransportAnnotation",
};

function failureEvent(run: StoryRun, failure: { readonly reason: Reason; readonly message: string }): ObjectEvent {
  const reason = eventReasons[failure.reason] ?? "TransportReconcileFailed";
  return event(run, "Warning", reason, `${failure.reason}: ${failure.message}`);
}

function event(run: StoryRun, type: ObjectEvent["type"], reason: string, message: string): ObjectEvent {
  const { namespace = "", name, uid } = run.metadata;
  return { kind: "StoryRun", namespace, name, uid, type, reason, message };
}

/** Whether the status says all of `wanted` already, and nothing for those of `ours` that it leaves out. */
function holds(status: object | undefined, wanted: JsonObject, ours: readonly string[]): boolean {
  if (status === undefined) return false;
  const known = status as JsonObject;
  return Object.entries(wanted).every(([field, value]) =>
    field === "conditions"
      ? (value as readonly JsonObject[]).every((condition) =>
        sameJson(conditionOf(known.conditions as unknown as Condition[] | undefined, String(condition.type)), condition)
      )
      : sameJson(known[field], value)
  ) && ours.every((field) => field in wanted || known[field] === undefined);
}

function compact(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject;
}

function json(condition: Condition): JsonObject {
  return compact({ ...condition });
}
