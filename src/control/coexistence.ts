/** Whose objects are whose, beside a workflow operator that makes bindings too (control-plane 11). */
import { stepRunName } from "../contract/compose.ts";
import { apiVersions, labels } from "../contract/names.ts";
import type { StoryRun, TransportBinding } from "../contract/resources.ts";
import type { BindingOwner } from "../topology/binding.ts";
import { conditionOf } from "./conditions.ts";
import type { World } from "./world.ts";

/** Value of the label `app.kubernetes.io/managed-by` on bindings of ours. */
export const managedBy = "bobravoz";

const stepRunFinalizer = "steprun.bubustack.io/finalizer";

/** Whether the binding was made by us (control-plane X-01). */
export function isOwn(binding: TransportBinding): boolean {
  return binding.metadata.labels?.[labels.managedBy] === managedBy;
}

/** Why a binding of the right name is not this run's and step's (control-plane X-07, C-056); null when it is. */
export function collisionOf(known: TransportBinding, step: string, run: StoryRun): string | null {
  const { name } = known.metadata;
  const { storyRunRef, stepName } = known.spec;
  const uid = run.metadata.uid;
  if (storyRunRef?.uid !== undefined && uid !== undefined && storyRunRef.uid !== uid) {
    return `binding "${name}" belongs to a StoryRun "${storyRunRef.name}" of uid ${storyRunRef.uid}, not ${uid}`;
  }
  return stepName === step ? null : `binding "${name}" belongs to step "${stepName}", not "${step}"`;
}

/** Whether a workflow operator works on the run, by the signs that it leaves (control-plane X-03, K-01). */
export function isOperatorAtWork(world: World, run: StoryRun, steps: readonly string[]): boolean {
  if (conditionOf(run.status?.conditions, "Ready") !== undefined) return true;
  const { name, namespace = "" } = run.metadata;
  return steps.some((step) => {
    const stepRun = world.get("StepRun", namespace, stepRunName(name, step));
    return stepRun !== undefined &&
      (stepRun.metadata.finalizers?.includes(stepRunFinalizer) || (stepRun.status?.phase ?? "") !== "");
  });
}

/** Who is to own a binding that we create: the step's StepRun when there is one, else the run (control-plane X-05). */
export function ownerOf(world: World, run: StoryRun, stepRun: string): BindingOwner | undefined {
  const known = world.get("StepRun", run.metadata.namespace ?? "", stepRun);
  const { kind, metadata: { name, uid } } = known ?? run;
  return uid === undefined ? undefined : { kind, apiVersion: apiVersions[kind], name, uid };
}
