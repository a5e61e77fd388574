/**
 * Compiles a decided run into the plan that the hub obeys: targets in dispatch order, limits, literal inputs
 * (data-plane 3.5, 3.10, W-15 … W-17). What this version can not do is refused here, all of it at once.
 * Knows Story, settings and decisions; refuses to know packets and connections.
 */
import { TransportError } from "../contract/errors.ts";
import type { JsonObject, Step } from "../contract/resources.ts";
import type { EdgeDecision, StepDecision, Topology, TopologyInput } from "../topology/decide.ts";
import { buildGraph } from "../topology/graph.ts";
import { deliveryOf } from "./delivery.ts";
import type { RunPlan, StepPlan, TargetPlan } from "./plan.ts";
import { unsupportedInStep, unsupportedSettings } from "./unsupported.ts";
import type { Refused } from "./unsupported.ts";

/** Most targets of a step, whatever its transport allows (data-plane 3.3). */
export const maxDownstreamsCap = 64;

/**
 * The plan of a run. A Story with any fault gets a plan without steps whose `refusal` names all of them, each with
 * its path; its reason is that of the first. Throws nothing that a Story can cause.
 */
export function compilePlan(input: TopologyInput, topology: Topology): RunPlan {
  const { story, storyRun, namespace } = input;
  const faults = refusals(input, topology);
  return {
    namespace,
    storyRun,
    story: story.metadata.name,
    storyGeneration: story.metadata.generation ?? 0,
    steps: faults.length === 0 ? compileSteps(input, topology) : new Map(),
    aliases: aliasesOf(topology.steps),
    refusal: join(faults),
  };
}

/** Why a Story does not run: faults of its topology, then what is not supported; empty when it does. */
export function refusals(input: TopologyInput, topology: Topology): readonly TransportError[] {
  const { story, storyRun, namespace } = input;
  const faults = [...topology.faults];
  const subject = { namespace, storyRun, story: story.metadata.name };
  const refuse = (refused: readonly Refused[], step?: string) => {
    for (const { path, message } of refused) {
      faults.push(new TransportError("NotSupported", message, { ...subject, ...(step ? { step } : {}), path }));
    }
  };
  const mode = story.spec.concurrency?.mode ?? "parallel";
  if (mode !== "parallel") {
    const path = "spec.concurrency.mode";
    refuse([{ path, message: `${path} ${JSON.stringify(mode)} is not supported by this version, only parallel` }]);
  }
  const decisions = new Map(topology.steps.map((decision) => [decision.step, decision]));
  const inbound = Map.groupBy(topology.edges, (edge) => edge.to);
  story.spec.steps.forEach((step, index) => {
    const at = `spec.steps[${index}]`;
    const { kind } = decisions.get(step.name)!;
    refuse(unsupportedInStep(step, at, kind, inbound.get(step.name) ?? []), step.name);
    if (step.with !== undefined && step.with !== null && !isObject(step.with)) {
      const path = `${at}.with`;
      faults.push(
        new TransportError("BadManifest", `${path} must be an object`, { ...subject, step: step.name, path }),
      );
    }
  });
  const used = new Map(topology.steps.flatMap(({ step, kind }) => {
    const transport = kind === "primitive" ? undefined : topology.transports.get(step);
    return transport === undefined ? [] : [[transport.index, transport] as const];
  }));
  for (const transport of used.values()) refuse(unsupportedSettings(transport));
  return faults;
}

function aliasesOf(steps: readonly StepDecision[]): ReadonlyMap<string, string> {
  const ids = new Set(steps.map(({ id }) => id));
  return new Map(steps.filter(({ step }) => !ids.has(step)).map(({ step, id }) => [step, id]));
}

function join(faults: readonly TransportError[]): TransportError | null {
  const [first] = faults;
  if (first === undefined) return null;
  const texts = faults.map(({ message, subject: { path } }) =>
    path === undefined || message.includes(path) ? message : `${path}: ${message}`
  );
  return new TransportError(first.reason, texts.join("; "), first.subject, { cause: first });
}

function compileSteps(input: TopologyInput, topology: Topology): ReadonlyMap<string, StepPlan> {
  const graph = buildGraph(input.story.spec.steps);
  const decisions = new Map(topology.steps.map((decision) => [decision.step, decision]));
  const inbound = Map.groupBy(topology.edges, (edge) => edge.to);
  const targets = new Map<string, TargetPlan[]>();
  for (const name of graph.order) {
    const target = decisions.get(name)!;
    const inputs = inputsOf(graph.nodes.get(name)!.step);
    for (const edge of inbound.get(name) ?? []) addTarget(targets, edge, target, inputs);
  }
  return new Map(topology.steps.map(({ step, id }) => {
    // A plan without faults has settings for every step.
    const settings = topology.transports.get(step)!.settings!;
    const limit = Math.min(settings.routing.maxDownstreams || maxDownstreamsCap, maxDownstreamsCap);
    return [id, { step: id, targets: (targets.get(step) ?? []).slice(0, limit), delivery: deliveryOf(settings) }];
  }));
}

function addTarget(
  targets: Map<string, TargetPlan[]>,
  { from, effective }: EdgeDecision,
  { id }: StepDecision,
  inputs: JsonObject | null,
): void {
  const target: TargetPlan = { step: id, mode: effective, inputs };
  const known = targets.get(from);
  if (known === undefined) targets.set(from, [target]);
  else known.push(target);
}

function inputsOf(step: Step): JsonObject | null {
  return isObject(step.with) ? step.with : null;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
