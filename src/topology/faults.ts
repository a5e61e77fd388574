/** What is wrong with a Story, and what is right but may surprise; each with its path, all at once. */
import { TransportError } from "../contract/errors.ts";
import type { Reason, Subject } from "../contract/errors.ts";
import type { Step, Story } from "../contract/resources.ts";
import type { EdgeDecision, TopologyInput } from "./decide.ts";
import type { EdgeEnd } from "./effective.ts";
import { stepId } from "./graph.ts";
import type { Graph } from "./graph.ts";
import { unknownSettings } from "../contract/settings-schema.ts";
import { valueAt } from "./setting-path.ts";
import { settingPlaces, type StepTransport } from "./transports.ts";

/** Why the graph, its transports or its engrams can not run. `subject.path` says where in the Story. */
export function topologyFaults(
  input: TopologyInput,
  graph: Graph,
  ends: ReadonlyMap<string, EdgeEnd>,
  transportFaults: ReadonlyMap<string, TransportError>,
): readonly TransportError[] {
  const { story, namespace, storyRun } = input;
  const faults: TransportError[] = [];
  const seen = new Set<string>();
  const add = (reason: Reason, message: string, subject: Subject, cause?: unknown) => {
    if (seen.has(message)) return;
    seen.add(message);
    const about = { namespace, storyRun, story: story.metadata.name, ...subject };
    faults.push(new TransportError(reason, message, about, cause === undefined ? undefined : { cause }));
  };
  const ids = new Map<string, string>();
  story.spec.steps.forEach((step, index) => {
    const at = (field: string): Subject => ({ step: step.name, path: `spec.steps[${index}].${field}` });
    checkIdentity(step, index, graph, ids, (field, message) => add("BadManifest", message, at(field)));
    step.needs?.forEach((need, i) => {
      if (graph.nodes.has(need)) return;
      add("UnknownStep", `step "${step.name}" needs "${need}", which the Story does not have`, at(`needs[${i}]`));
    });
    if (graph.nodes.get(step.name)?.first !== step || step.ref === undefined) return;
    const fault = transportFaults.get(step.name);
    if (fault !== undefined) add(fault.reason, fault.message, at("transport"), fault);
    const transport = ends.get(step.name)?.transport;
    const invalid = transport?.settingsFault;
    if (transport && invalid) {
      add(invalid.reason, invalid.message, { path: `spec.transports[${transport.index}]` }, invalid);
    }
    if (ends.get(step.name)?.kind === "unknown") {
      const name = `${step.ref.namespace || namespace}/${step.ref.name}`;
      add("UnknownEngram", `step "${step.name}" refers to Engram ${name}, which does not exist`, at("ref"));
    }
  });
  if (graph.cycle.length > 0) {
    add("Cycle", `steps need each other in a circle: ${graph.cycle.join(", ")}`, { path: "spec.steps" });
  }
  return faults;
}

function checkIdentity(
  step: Step,
  index: number,
  graph: Graph,
  ids: Map<string, string>,
  refuse: (field: string, message: string) => void,
): void {
  if (graph.nodes.get(step.name)?.index !== index) refuse("name", `step name "${step.name}" is used twice`);
  const id = stepId(step);
  const other = ids.get(id);
  if (other !== undefined && other !== step.name) {
    refuse("id", `steps "${other}" and "${step.name}" have the same id "${id}"`);
  }
  ids.set(id, step.name);
}

/** What a person should know about a Story that runs. */
export function topologyWarnings(
  spec: Story["spec"],
  edges: readonly EdgeDecision[],
  ends: ReadonlyMap<string, EdgeEnd>,
): readonly string[] {
  const followed = new Map<string, string[]>();
  const targets = new Map<string, number>();
  for (const { from, to, kind } of edges) {
    targets.set(from, (targets.get(from) ?? 0) + 1);
    if (kind !== "implicit") continue;
    const senders = followed.get(to);
    if (senders === undefined) followed.set(to, [from]);
    else senders.push(from);
  }
  const warnings = [...followed].map(([step, senders]) =>
    `step "${step}" has no needs and so follows every earlier step of its transport (${senders.join(", ")}): ` +
    `name what it needs, or give it a transport of its own`
  );
  for (const [step, count] of targets) {
    const limit = ends.get(step)?.transport?.settings?.routing.maxDownstreams ?? count;
    if (count > limit) {
      warnings.push(`step "${step}" has ${count} targets and its transport allows ${limit}: the last get nothing`);
    }
  }
  const unmoved = new Set(
    edges.filter((edge) => edge.kind === "explicit" && edge.published === "hub").map((e) => e.from),
  );
  const asking = [...unmoved].filter((step) => ends.get(step)?.transport?.override.mode === "p2p");
  if (asking.length > 0) {
    warnings.push(`routing.mode p2p never makes a hub step direct, here not ${asking.join(", ")}`);
  }
  for (const transport of new Set([...ends.values()].map((end) => end.transport))) {
    if (transport === null) continue;
    for (const path of unknownPaths(transport)) warnings.push(`${path} is no setting: it is ignored`);
  }
  for (const path of unusedPolicies(spec)) {
    warnings.push(
      `${path} does not bear on packets: what a step does not take waits in its buffer, by the buffer's limits`,
    );
  }
  return warnings;
}

/** Settings of a transport that nobody reads, in the Story and in the Transport. */
function unknownPaths(transport: StepTransport): readonly string[] {
  const { story, transport: shared } = settingPlaces(transport);
  const { entry, transport: { spec } } = transport;
  const below = (place: string) => (path: string) => `${place}.${path}`;
  return [
    ...unknownSettings(entry.streaming, false).map(below(story.streaming)),
    ...unknownSettings(entry.settings, true).map(below(story.settings)),
    ...unknownSettings(spec.streaming, false).map(below(shared.streaming)),
    ...unknownSettings(spec.defaultSettings, true).map(below(shared.settings)),
  ];
}

/** Retries and timeouts that the workflow operator obeys, and an existing hub for packets as well (data-plane 4.3). */
function unusedPolicies({ policy, steps }: Story["spec"]): readonly string[] {
  const given = (value: unknown, path: readonly string[], at: string) =>
    valueAt(value, path) === undefined ? [] : [`${at}.${path.join(".")}`];
  return [
    ...given(policy, ["retries", "stepRetryPolicy"], "spec.policy"),
    ...given(policy, ["timeouts", "step"], "spec.policy"),
    ...steps.flatMap(({ execution }, i) =>
      ["retry", "timeout"].flatMap((key) => given(execution, [key], `spec.steps[${i}].execution`))
    ),
  ];
}
