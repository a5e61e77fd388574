/** Whose objects are whose, beside a workflow operator that makes bindings too (control-plane 11). */
import { stepRunName } from "../contract/compose.ts";
import { reasons } from "../contract/errors.ts";
import { annotations, apiVersions, finalizers, labels } from "../contract/names.ts";
import type { Condition, StepRun, StoryRun, TransportBinding } from "../contract/resources.ts";
import type { BindingDescription, BindingOwner } from "../topology/binding.ts";
import { conditionOf } from "./conditions.ts";
import type { World } from "./world.ts";

/** Value of the label `app.kubernetes.io/managed-by` on bindings of ours. */
export const managedBy = "bobravoz";

/**
 * Whose a binding is (control-plane X-01): `own` as long as we alone care for it; `adopted` when we made it and the
 * workflow operator has taken it over; else `foreign`. Only own ones are changed beyond their status, or deleted.
 */
export function whoseBinding(world: World, binding: TransportBinding): "own" | "adopted" | "foreign" {
  const { metadata: { namespace = "", labels: marks, ownerReferences = [] } } = binding;
  if (marks?.[labels.managedBy] !== managedBy) return "foreign";
  const controller = ownerReferences.find((owner) => owner.controller === true);
  if (controller === undefined) return "own";
  if (controller.kind !== "StepRun") return "adopted";
  return isWorkedOn(world.get("StepRun", namespace, controller.name)) ? "adopted" : "own";
}

/** Whether the binding is one of ours for an earlier run of the same name. */
export function isLeftOver({ metadata, spec: { storyRunRef } }: TransportBinding, run: StoryRun): boolean {
  return metadata.labels?.[labels.managedBy] === managedBy && storyRunRef?.name === run.metadata.name &&
    storyRunRef.uid !== run.metadata.uid;
}

/** Why no binding can refer to the run by its name (control-plane R-03, K-36); null when one can. */
export function unnameable({ metadata: { name } }: StoryRun): string | null {
  if (!name.includes(".")) return null;
  return `the name of StoryRun "${name}" has a dot, so that no binding can refer to it`;
}

/** Why a binding of the right name is not this run's and step's (control-plane X-07, C-056); null when it is. */
export function collisionOf(known: TransportBinding, step: string, run: StoryRun): string | null {
  const { name } = known.metadata;
  const { storyRunRef, stepName } = known.spec;
  const uid = run.metadata.uid;
  if (storyRunRef?.uid !== undefined && uid !== undefined && storyRunRef.uid !== uid) {
    return `binding "${name}" belongs to a StoryRun "${storyRunRef.name}" of uid ${storyRunRef.uid}, not ${uid}`;
  }
  const [shared, story] = [known.metadata.annotations?.[annotations.story], run.spec.storyRef];
  if (shared !== undefined && shared !== `${story.namespace || run.metadata.namespace}/${story.name}`) {
    return `binding "${name}" belongs to the Story ${shared}`;
  }
  return stepName === step ? null : `binding "${name}" belongs to step "${stepName}", not "${step}"`;
}

/**
 * Whether a workflow operator works on the run, by the signs that it leaves (control-plane X-03, K-01): its finalizer,
 * a phase, a `Ready` condition that is not ours, a StepRun that it works on.
 */
export function isOperatorAtWork(world: World, run: StoryRun, steps: readonly string[]): boolean {
  const { name, namespace = "", finalizers: kept } = run.metadata;
  if (kept?.includes(finalizers.storyRun) || (run.status?.phase ?? "") !== "") return true;
  const ready = conditionOf(run.status?.conditions, "Ready");
  const ours = conditionOf(run.status?.conditions, "TransportReady");
  // Ours was written together with TransportReady, and stays as it was (R-12b).
  if (ready !== undefined && (ours === undefined || !isOurReady(ready))) return true;
  return steps.some((step) => isWorkedOn(world.get("StepRun", namespace, stepRunName(name, step))));
}

function isWorkedOn(stepRun: StepRun | undefined): boolean {
  return stepRun !== undefined &&
    (stepRun.metadata.finalizers?.includes(finalizers.stepRun) || (stepRun.status?.phase ?? "") !== "");
}

/** The workflow operator's reasons are phases; ours are those of TransportReady. */
function isOurReady({ reason }: Condition): boolean {
  return reason === "TransportReady" || reason === "BindingCollision" || reason === "HubStarting" || reason in reasons;
}

/** How long a run waits for what is missing until it is looked at again, by how long it has waited (S-20, C-067). */
export function pendingDelayMs(waitedMs: number): number {
  return Math.min(2_000 * 2 ** Math.min(Math.floor(waitedMs / 10_000), 4), 30_000);
}

/**
 * Who is to own a binding that we create: the step's StepRun when there is one, else the run (control-plane X-05); the
 * Story where its runs share it.
 */
export function ownerOf(
  world: World,
  run: StoryRun,
  { stepRun, sharedBy }: BindingDescription,
): BindingOwner | undefined {
  if (sharedBy !== null) {
    const [home = "", name = ""] = sharedBy.split("/");
    const uid = world.get("Story", home, name)?.metadata.uid;
    // An owner must be in the same namespace.
    const isNear = home === run.metadata.namespace && uid !== undefined;
    return isNear ? { kind: "Story", apiVersion: apiVersions.Story, name, uid } : undefined;
  }
  const known = world.get("StepRun", run.metadata.namespace ?? "", stepRun);
  const { kind, metadata: { name, uid } } = known ?? run;
  return uid === undefined ? undefined : { kind, apiVersion: apiVersions[kind], name, uid };
}
