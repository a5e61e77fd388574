/**
 * What a StoryRun waits for: the one thing, who has to act, and what to do. A pure function of the objects as they are
 * and of what is known of hubs and connectors beside them; a cluster and a directory of manifests are asked alike.
 * Checks stand in the order in which one thing keeps the next from happening.
 */
import { finalizers, terminalPhases } from "../contract/names.ts";
import type { StoryRun } from "../contract/resources.ts";
import { decideRun, storyOf } from "./decisions.ts";
import type { HubPod } from "./placement.ts";
import { refusalCause } from "./why-refusal.ts";
import { stepCause } from "./why-steps.ts";
import type { World } from "./world.ts";

/** Who can end the wait. */
export type Actor =
  | "you"
  | "a cluster administrator"
  | "the workflow operator"
  | "the bobravoz controller"
  | "the hub"
  | "the connector"
  | "nobody";

export interface Wait {
  /** Names the kind of cause; the same for the same cause. */
  readonly cause: WaitCause;
  /** The thing itself, with its name and value. */
  readonly message: string;
  readonly actor: Actor;
  /** What to do or to run next; empty where nothing has to be done. */
  readonly hint: string;
  /** Where the cause belongs to one step. */
  readonly step?: string;
}

/** Every cause, with what it means. */
export const waitCauses = {
  RunMissing: "there is no such StoryRun",
  RunOver: "the run has ended",
  RunDeleting: "the run is being deleted and something holds it",
  RunCanceling: "the run is being cancelled",
  StoryMissing: "its Story does not exist",
  StoryNotRealtime: "its Story is a batch Story, which needs no transport",
  UnknownTransportType: "an annotation names a transport that nobody knows",
  TransportMissing: "a Transport does not exist",
  TransportUndeclared: "a step names a transport that the Story does not declare",
  EngramMissing: "an Engram does not exist",
  InvalidSettings: "a setting is not valid",
  NotSupported: "a feature that this version does not have",
  EnvelopeTooLarge: "settings do not fit into a variable of the pod",
  StoryRefused: "the Story is refused",
  RunUnnameable: "no binding can refer to the run",
  BindingCollision: "a binding of the right name belongs to somebody else",
  BindingFromOperator: "the workflow operator has not made a binding yet",
  BindingFromController: "the controller has not made a binding yet",
  TlsSecretMissing: "an engram has no certificate",
  StepBlocked: "the workflow operator can not go on with a step",
  ControllerSilent: "the controller has not said anything about the run",
  HubStarting: "no hub is ready",
  HubLost: "the hub that holds the run is not ready",
  BindingRejected: "a connector refuses its binding",
  ConnectorFailed: "a connector has failed",
  ConnectorNotReady: "a connector is there and not ready",
  ConnectorMissing: "a connector has not reported",
  Nothing: "the run is served",
} as const;

export type WaitCause = keyof typeof waitCauses;

export interface WhyFacts {
  readonly world: World;
  readonly namespace: string;
  readonly storyRun: string;
  /** Pods of the hub; null: not known. */
  readonly hubs: readonly HubPod[] | null;
  /** Why a step's connector refused its binding, by step; absent: not known. */
  readonly rejections?: ReadonlyMap<string, string>;
}

/** The one thing that the run waits for. */
export function why(facts: WhyFacts): Wait {
  const { world, namespace, storyRun } = facts;
  const run = world.get("StoryRun", namespace, storyRun);
  const name = `${namespace}/${storyRun}`;
  if (run === undefined) {
    const hint = `kubectl get storyruns -n ${namespace}`;
    return { cause: "RunMissing", message: `StoryRun ${name} does not exist`, actor: "you", hint };
  }
  const leaving = leavingCause(run, name);
  if (leaving !== null) return leaving;
  const story = storyOf(world, run);
  const { name: storyName, namespace: other } = run.spec.storyRef;
  const home = other || namespace;
  if (story === undefined) {
    const message = `StoryRun ${name} refers to Story ${home}/${storyName}, which does not exist`;
    return { cause: "StoryMissing", message, actor: "you", hint: `create it: kubectl get stories -n ${home}` };
  }
  if (story.spec.pattern !== "realtime") {
    const message = `Story ${home}/${storyName} has spec.pattern ${
      story.spec.pattern ?? "batch"
    }: no transport is made`;
    const hint = `where packets are to stream, set spec.pattern to realtime; else ask: kubectl describe storyrun -n ` +
      `${namespace} ${storyRun}`;
    return { cause: "StoryNotRealtime", message, actor: "nobody", hint };
  }
  // the address of the hub bears on nothing that is looked at here
  const decision = decideRun(world, namespace, storyRun, { hubEndpoint: () => "hub:9000" });
  if (decision === null) throw new Error(`${name} is live, realtime and not decided`);
  if (decision.failure !== null) return refusalCause(decision.failure, story, home);
  return stepCause(facts, run, decision) ??
    { cause: "Nothing", message: `StoryRun ${name} is served`, actor: "nobody", hint: `bobravoz bindings ${name}` };
}

/** Why a run that is over or on its way out is not served; null for a live one. */
function leavingCause(run: StoryRun, name: string): Wait | null {
  const { deletionTimestamp, finalizers: held = [], namespace } = run.metadata;
  const phase = run.status?.phase ?? "";
  if (deletionTimestamp !== undefined) {
    const message = `StoryRun ${name} is being deleted since ${deletionTimestamp}`;
    const [first] = held;
    if (first === undefined) {
      return { cause: "RunDeleting", message, actor: "nobody", hint: "what it owns goes first" };
    }
    const [actor, hint] = finalizerOwner(first);
    return { cause: "RunDeleting", message: `${message}, held by finalizer ${held.join(", ")}`, actor, hint };
  }
  if (terminalPhases.has(phase)) {
    const message = `StoryRun ${name} is ${phase}`;
    const hint = `kubectl describe storyrun -n ${namespace} ${run.metadata.name}`;
    return { cause: "RunOver", message, actor: "nobody", hint };
  }
  if (run.spec.cancelRequested === true) {
    const message = `StoryRun ${name} is being cancelled: its steps end, then it does`;
    return { cause: "RunCanceling", message, actor: "the workflow operator", hint: "" };
  }
  return null;
}

function finalizerOwner(finalizer: string): readonly [Actor, string] {
  if (finalizer === finalizers.hub) {
    return [
      "the bobravoz controller",
      "an older hub operator left it, and the controller takes it off: is it running? bobravoz check",
    ];
  }
  if (finalizer === finalizers.storyRun) {
    return ["the workflow operator", "it takes its finalizer off once the steps are gone: is it running?"];
  }
  return ["a cluster administrator", `who set ${finalizer} has to take it off`];
}
