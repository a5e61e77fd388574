/**
 * What is to be written for a run, as data: a pure function of the world and the decision. Doing it twice changes
 * nothing. Knows the rules of coexistence (control-plane 11); refuses to know how anything is written.
 */
import { annotations, type Kind } from "../contract/names.ts";
import type { JsonObject, TransportBinding } from "../contract/resources.ts";
import { sameJson } from "../contract/same-json.ts";
import { toTransportBinding } from "../topology/binding.ts";
import { asideStatus, bindingStatus } from "./binding-status.ts";
import type { ObjectEvent } from "./cluster.ts";
import { collisionOf, isLeftOver, ownerOf, unnameable, whoseBinding } from "./coexistence.ts";
import { isOver, type RunDecision } from "./decisions.ts";
import { runStatus } from "./run-status.ts";
import type { World } from "./world.ts";

const ourAnnotations: ReadonlySet<string> = new Set([annotations.routingMode, annotations.downstreamSteps]);

/** A server-side apply of a status, by a manager of ours. */
export interface StatusWrite {
  readonly type: "status";
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly manager: string;
  readonly status: JsonObject;
}

/** One write; those of a run are done in order. */
export type Write =
  | { readonly type: "create"; readonly object: TransportBinding }
  | { readonly type: "replace"; readonly object: TransportBinding }
  | { readonly type: "delete"; readonly kind: Kind; readonly namespace: string; readonly name: string }
  | StatusWrite;

export interface Reconciled {
  readonly writes: readonly Write[];
  /** Facts that hold now; whoever records them does so once, when they become true. */
  readonly events: readonly ObjectEvent[];
  /** The run's status says all of it already: so whoever wrote that has recorded the events too. */
  readonly isSaid: boolean;
  /** Something is missing that another one may make: look again after a while, whatever is seen (C-067). */
  readonly isPending: boolean;
}

export interface ReconcileOptions {
  /** Time of conditions that change, RFC 3339. */
  readonly now: string;
  /** Whether nobody else makes the bindings of this run: missing ones are created (control-plane X-03). */
  readonly alone: boolean;
  /** Whether nobody has written the run's `Ready` in time: we do, once (DECISIONS K-01, R-12b). Default: where alone. */
  readonly readyOverdue?: boolean;
  /** Names of bindings whose connector has gone silent (DECISIONS K-12). Default: none. */
  readonly stale?: ReadonlySet<string>;
}

/** What a decided run needs. */
export function reconcile(world: World, decision: RunDecision, options: ReconcileOptions): Reconciled {
  const { namespace, run } = decision;
  const { alone, now, stale = new Set() } = options;
  const wanted = new Map(decision.bindings.map((description) => [description.object, description]));
  const writes: Write[] = [];
  const missing: string[] = [];
  const collisions: string[] = [];
  const silent: string[] = [];
  const isCreating = alone && run.spec.cancelRequested !== true;
  for (const description of wanted.values()) {
    const known = world.get("TransportBinding", namespace, description.object);
    const collision = known === undefined ? null : collisionOf(known, description.step, run);
    if (known !== undefined && collision !== null) {
      // One of ours for an earlier run of that name only has not been collected yet.
      if (isLeftOver(known, run)) {
        writes.push(deletion(known));
        missing.push(description.step);
      } else {
        collisions.push(collision);
      }
      continue;
    }
    if (known === undefined && (!isCreating || (description.sharedBy === null && unnameable(run) !== null))) {
      missing.push(description.step);
      continue;
    }
    const made = toTransportBinding(description, ownerOf(world, run, description));
    const { status: _, ...object } = known === undefined ? made : withTheirMarks(made, known);
    const whose = known === undefined ? "own" : whoseBinding(world, known);
    if (known === undefined) writes.push({ type: "create", object });
    else if (whose === "own" && !sameBinding(known, object)) writes.push({ type: "replace", object });
    const isStale = stale.has(description.object);
    if (isStale) silent.push(description.step);
    writes.push(...bindingStatus(known, whose, description, isStale, now));
    if (known?.status?.endpoint === undefined) missing.push(description.step);
  }
  // While nothing is decided, what was written stays: an own binding goes when a decision does without it.
  if (decision.failure === null) writes.push(...asideBindings(world, decision, wanted, now));
  const status = runStatus(decision, {
    missing,
    collisions,
    silent,
    unnameable: decision.bindings.some(({ sharedBy }) => sharedBy !== null) ? null : unnameable(run),
    isStarting: decision.bindings.some(({ state }) => state === "HubStarting"),
    notApplied: strategyText(decision),
  }, options);
  return { ...status, writes: [...writes, ...status.writes] };
}

/** What is left to do for a run that is over or gone: its own bindings go (control-plane X-08). */
export function reconcileGone(world: World, namespace: string, storyRun: string): readonly Write[] {
  const own = world.bindingsOfRun(namespace, storyRun);
  // What the runs of a Story share goes with the last of them.
  const shared = world.storyBindings(namespace).filter(({ metadata }) => {
    const [home = "", story = ""] = metadata.annotations?.[annotations.story]?.split("/") ?? [];
    return !world.runsOfStory(home, story).some((run) => run.metadata.namespace === namespace && !isOver(run));
  });
  return [...own, ...shared].filter((binding) => whoseBinding(world, binding) === "own").map(deletion);
}

/** Bindings of the run that no decision is about: own ones go, those of others get the hub's address. */
function asideBindings(
  world: World,
  { namespace, storyRun, run, bindings }: RunDecision,
  wanted: ReadonlyMap<string, unknown>,
  now: string,
): readonly Write[] {
  const { name, namespace: home } = run.spec.storyRef;
  const story = `${home || namespace}/${name}`;
  const shared = world.storyBindings(namespace).filter(({ metadata }) =>
    metadata.annotations?.[annotations.story] === story
  );
  return [...shared, ...world.bindingsOfRun(namespace, storyRun)].flatMap((binding): readonly Write[] => {
    if (wanted.has(binding.metadata.name)) return [];
    if (whoseBinding(world, binding) === "own") return [deletion(binding)];
    const hub = bindings[0];
    if (hub === undefined || collisionOf(binding, binding.spec.stepName, run) !== null) return [];
    return asideStatus(binding, hub, now);
  });
}

/** What a Story's strategy can not do here; empty where it can. */
function strategyText({ inputs, bindings }: RunDecision): string {
  const strategy = inputs?.story.metadata.annotations?.[annotations.strategy]?.trim() ?? "";
  if (strategy === "" || strategy === "PerStoryRun") return "";
  if (strategy !== "PerStory") return `strategy "${strategy}" is unknown and counts as PerStoryRun`;
  if (bindings.some(({ sharedBy }) => sharedBy !== null)) return "";
  return "strategy PerStory does not apply, as the workflow operator makes bindings for each run";
}

function deletion({ metadata: { namespace = "", name } }: TransportBinding): Write {
  return { type: "delete", kind: "TransportBinding", namespace, name };
}

/** Labels and annotations of others on a binding of ours stay; those that we write are as we write them now. */
function withTheirMarks(wanted: TransportBinding, known: TransportBinding): TransportBinding {
  const { labels, annotations: ours, ...metadata } = wanted.metadata;
  const theirs = Object.entries(known.metadata.annotations ?? {}).filter(([key]) => !ourAnnotations.has(key));
  return {
    ...wanted,
    metadata: {
      ...metadata,
      labels: { ...known.metadata.labels, ...labels },
      annotations: { ...Object.fromEntries(theirs), ...ours },
    },
  };
}

function sameBinding(known: TransportBinding, wanted: TransportBinding): boolean {
  return sameJson(known.spec, wanted.spec) &&
    sameJson(known.metadata.labels ?? {}, wanted.metadata.labels ?? {}) &&
    sameJson(known.metadata.annotations ?? {}, wanted.metadata.annotations ?? {});
}
