/** What a run that is decided still waits for: its bindings, its hub, its connectors, in this order. */
import { stepRunName } from "../contract/compose.ts";
import type { Condition, StepRun, StoryRun, TransportBinding } from "../contract/resources.ts";
import type { BindingDescription } from "../topology/binding.ts";
import { endpointResolved } from "./binding-status.ts";
import { collisionOf, isOperatorAtWork, unnameable } from "./coexistence.ts";
import { conditionOf } from "./conditions.ts";
import { connectorConditions, type RunDecision } from "./decisions.ts";
import type { Wait, WhyFacts } from "./why.ts";

interface Step {
  readonly description: BindingDescription;
  readonly binding: TransportBinding | undefined;
  readonly stepRun: StepRun | undefined;
}

/** The cause, or null where the run is served. */
export function stepCause(facts: WhyFacts, run: StoryRun, decision: RunDecision): Wait | null {
  const { world, namespace } = facts;
  const steps = decision.bindings.map((description): Step => ({
    description,
    binding: world.get("TransportBinding", namespace, description.object),
    stepRun: world.get("StepRun", namespace, stepRunName(run.metadata.name, description.step)),
  }));
  const first = (look: (step: Step) => Wait | null): Wait | null => {
    for (const step of steps) {
      const found = look(step);
      if (found !== null) return { ...found, step: step.description.step };
    }
    return null;
  };
  const isAtWork = isOperatorAtWork(world, run, steps.map(({ description }) => description.step));
  return first((step) => collided(step, run)) ?? first(blocked) ?? first((step) => unbound(step, run, isAtWork)) ??
    first(unresolved) ?? hubCause(facts, steps) ?? silent(run) ?? first((step) => unconnected(step, facts));
}

function collided({ description, binding }: Step, run: StoryRun): Wait | null {
  const collision = binding === undefined ? null : collisionOf(binding, description.step, run);
  if (collision === null) return null;
  const hint =
    `kubectl delete transportbinding -n ${description.namespace} ${description.object}, unless somebody needs it`;
  return { cause: "BindingCollision", message: collision, actor: "you", hint };
}

/** A step that the workflow operator has given up for now; its own words say why (control-plane B-03, 6.6). */
function blocked({ description, stepRun }: Step): Wait | null {
  const phase = stepRun?.status?.phase;
  if (stepRun === undefined || (phase !== "Blocked" && phase !== "Paused")) return null;
  const said = saidOf(stepRun);
  // one that only waits for its binding is Paused too, and then has failed at nothing (recorded in cluster/13-blocked)
  if (phase === "Paused" && lastFailure(stepRun) === "") return null;
  const { step, namespace } = description;
  const message = `StepRun ${stepRun.metadata.name} of step "${step}" is ${phase}${said === "" ? "" : `: ${said}`}`;
  if (/\btls\b.*secret|secret.*\btls\b/i.test(said)) {
    const hint = "name a Secret with tls.crt, tls.key and ca.crt in the Engram's spec.transport.tls.secretRef, or in " +
      "controller.transport.grpc.default-tls-secret of the workflow operator's configuration";
    return { cause: "TlsSecretMissing", message, actor: "you", hint };
  }
  return {
    cause: "StepBlocked",
    message,
    actor: "the workflow operator",
    hint: `kubectl describe steprun -n ${namespace} ${stepRun.metadata.name}`,
  };
}

function unbound({ description, binding }: Step, run: StoryRun, isAtWork: boolean): Wait | null {
  if (binding !== undefined) return null;
  const { step, name, namespace } = description;
  const dotted = unnameable(run);
  if (dotted !== null) {
    return { cause: "RunUnnameable", message: dotted, actor: "you", hint: "start it again by a name without a dot" };
  }
  const message = `step "${step}" has no TransportBinding ${namespace}/${name}`;
  if (isAtWork) {
    const hint = `kubectl describe steprun -n ${namespace} ${stepRunName(run.metadata.name, step)}`;
    return { cause: "BindingFromOperator", message, actor: "the workflow operator", hint };
  }
  return {
    cause: "BindingFromController",
    message: `${message}, and no workflow operator works on the run: after 10 s the controller makes it`,
    actor: "the bobravoz controller",
    hint: "is it running, and does it lead? bobravoz check",
  };
}

function unresolved({ description, binding }: Step): Wait | null {
  const resolved = conditionOf(binding?.status?.conditions, endpointResolved);
  if (resolved !== undefined && (binding?.status?.endpoint ?? "") !== "") return null;
  const message = `TransportBinding ${description.namespace}/${description.object} has no hub address yet`;
  return { cause: "ControllerSilent", message, actor: "the bobravoz controller", hint: controllerHint };
}

function hubCause({ hubs }: WhyFacts, steps: readonly Step[]): Wait | null {
  const isStarting = steps.some(({ binding }) =>
    conditionOf(binding?.status?.conditions, endpointResolved)?.reason === "HubStarting"
  );
  const ready = hubs?.filter((hub) => hub.ready) ?? [];
  if (isStarting ? ready.length === 0 : hubs !== null && hubs.length > 0 && ready.length === 0) {
    const pods = hubs === null
      ? ""
      : ` (${hubs.map(({ name }) => `${name} not ready`).join(", ") || "it has no pods"})`;
    const hint =
      "kubectl get pods -n bobrapet-system -l control-plane=hub; is the StatefulSet scaled, can it be scheduled?";
    return { cause: "HubStarting", message: `no hub is ready${pods}`, actor: "a cluster administrator", hint };
  }
  if (isStarting) {
    const message = "a hub is ready, and the bindings do not say so yet";
    return { cause: "ControllerSilent", message, actor: "the bobravoz controller", hint: controllerHint };
  }
  const endpoint = steps[0]?.binding?.status?.endpoint;
  const holder = hubs?.find(({ address }) => address === endpoint);
  if (holder === undefined || holder.ready) return null;
  const message = `hub ${holder.name}, which holds the run, is not ready: the run moves to another one`;
  return { cause: "HubLost", message, actor: "the bobravoz controller", hint: controllerHint };
}

const controllerHint = "is the controller running, and does it lead? bobravoz check";

function silent(run: StoryRun): Wait | null {
  const said = conditionOf(run.status?.conditions, "TransportReady");
  if (said?.status === "True") return null;
  const message = said === undefined
    ? `StoryRun ${run.metadata.namespace}/${run.metadata.name} has no condition TransportReady yet`
    : `TransportReady is ${said.status}, ${said.reason}: ${said.message}`;
  return { cause: "ControllerSilent", message, actor: "the bobravoz controller", hint: controllerHint };
}

function unconnected({ description, binding, stepRun }: Step, { rejections }: WhyFacts): Wait | null {
  const { step, namespace } = description;
  const rejection = rejections?.get(step);
  const logs = `kubectl logs -n ${namespace} -l bubustack.io/step=${step} -c connector`;
  if (rejection !== undefined) {
    const message = `the connector of step "${step}" refuses its binding: ${rejection}`;
    return { cause: "BindingRejected", message, actor: "you", hint: `change what it names, or its image; ${logs}` };
  }
  const ready = conditionOf(binding?.status?.conditions, connectorConditions.ready);
  if (ready === undefined) {
    const state = stepRun?.status?.phase ?? "";
    const message = `no connector of step "${step}" has reported${state === "" ? "" : ` (its StepRun is ${state})`}`;
    const hint =
      `is its pod there, and was a connector injected? kubectl get pods -n ${namespace} -l bubustack.io/step=` +
      step;
    return { cause: "ConnectorMissing", message, actor: "the connector", hint };
  }
  if (ready.status === "True") return null;
  const message = `the connector of step "${step}" is not ready: ${ready.reason}: ${ready.message}`;
  const cause = ready.reason === "ConnectorFailed" ? "ConnectorFailed" : "ConnectorNotReady";
  return { cause, message, actor: "the connector", hint: logs };
}

/** What the workflow operator says of a StepRun: what failed last, else the first condition that is not True. */
function saidOf(stepRun: StepRun): string {
  const conditions: readonly Condition[] = stepRun.status?.conditions ?? [];
  return lastFailure(stepRun) || (conditions.find(({ status }) => status !== "True")?.message ?? "");
}

function lastFailure({ status }: StepRun): string {
  // read here alone, so it is no part of our shape of a StepRun
  return (status as { readonly lastFailureMsg?: string } | undefined)?.lastFailureMsg ?? "";
}
