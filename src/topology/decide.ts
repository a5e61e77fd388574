/**
 * Hub or peer to peer: for every step and edge of a run the published decision, the effective one, and why
 * (control-plane 3, DECISIONS "two values per edge").
 * Knows Story, Transports, Engrams and what connectors announced; refuses to know how anything was fetched.
 */
import { bindingName } from "../contract/compose.ts";
import type { TransportError } from "../contract/errors.ts";
import { defaultGrpcPort } from "../contract/names.ts";
import type { Engram, ObjectReference, Story, Transport } from "../contract/resources.ts";
import { analyze } from "./analysis.ts";
import type { Mode, StepAnalysis } from "./analysis.ts";
import { costOf, demotion } from "./effective.ts";
import type { Cost, EdgeEnd, LiveFacts, StepKind } from "./effective.ts";
import { stepEndpoint } from "./endpoint.ts";
import { topologyFaults, topologyWarnings } from "./faults.ts";
import { buildGraph, stepId } from "./graph.ts";
import type { Graph } from "./graph.ts";
import { explain } from "./reasons.ts";
import type { ReasonCode } from "./reasons.ts";
import { transportResolver } from "./transports.ts";
import type { StepTransport } from "./transports.ts";

export interface TopologyInput extends LiveFacts {
  readonly story: Story;
  readonly storyRun: string;
  readonly namespace: string;
  /** Transports are cluster-scoped. */
  transport(name: string): Transport | undefined;
  /** The caller resolves the namespace of the reference. */
  engram(ref: ObjectReference): Engram | undefined;
  /** Port of a step's connector in published hosts (control-plane N-14, K-19). Default: 50051. */
  port?(step: string): number;
  /** Domain of the cluster in published hosts. Default: `cluster.local`. */
  readonly clusterDomain?: string;
}

export interface StepDecision {
  /** Name of the step, which is also the `stepName` of its binding. */
  readonly step: string;
  /** Identity on the wire and in plans: `id`, else the name. */
  readonly id: string;
  readonly kind: StepKind;
  readonly published: Mode;
  /** `p2p` when the step's one direct edge is direct in fact. */
  readonly effective: Mode;
  /** Why the step is what it is in fact. */
  readonly reason: ReasonCode;
  readonly rule: string;
  /** Mode, reason, rule and cost in one line, for conditions and people. */
  readonly message: string;
  /** Steps that need this one, in declaration order (control-plane T-03). */
  readonly downstreams: readonly string[];
  /** Some step is published to send to this one directly, and this one is not forced to the hub. */
  readonly peerUpstream: boolean;
  /** Name of the step's TransportBinding; empty for steps that have none (primitives, job-mode engrams). */
  readonly binding: string;
  /** Published address of the step that this one sends to directly. */
  readonly upstreamHost?: string;
  /** Published address of this step, when a peer sends to it directly. */
  readonly downstreamHost?: string;
}

export interface EdgeDecision {
  /** Names of steps. */
  readonly from: string;
  readonly to: string;
  /** `implicit`: the receiver has no `needs` and follows every earlier step of its transport (data-plane W-15). */
  readonly kind: "explicit" | "implicit";
  readonly published: Mode;
  readonly effective: Mode;
  readonly reason: ReasonCode;
  readonly rule: string;
  readonly cost: Cost;
}

export interface Topology {
  /** In declaration order. */
  readonly steps: readonly StepDecision[];
  /** Receiver by receiver in declaration order; a need that no step has makes no edge. */
  readonly edges: readonly EdgeDecision[];
  /** The transport of each step that has one, by name of the step; its settings may still be invalid. */
  readonly transports: ReadonlyMap<string, StepTransport>;
  /** Why a step has no transport, by name of the step; primitives included, which need none. */
  readonly transportFaults: ReadonlyMap<string, TransportError>;
  /** Valid, but perhaps not what was meant. */
  readonly warnings: readonly string[];
  /** Why the Story can not run, all of it; decisions stand beside it (control-plane T-10). */
  readonly faults: readonly TransportError[];
}

/**
 * Decides a run. Linear in steps and edges; the same input gives the same result.
 * Throws nothing that a Story can cause: circles, unknown names and invalid settings are `faults`.
 */
export function decide(input: TopologyInput): Topology {
  const graph = buildGraph(input.story.spec.steps);
  const analysis = analyze(graph);
  const resolve = transportResolver(input.story, input.transport.bind(input));
  const transports = new Map<string, StepTransport>();
  const transportFaults = new Map<string, TransportError>();
  const ends = new Map<string, EdgeEnd>();
  for (const node of graph.nodes.values()) {
    const { transport, fault } = resolve(node.first);
    if (transport !== null) transports.set(node.name, transport);
    else transportFaults.set(node.name, fault);
    ends.set(node.name, { node, id: stepId(node.first), kind: kindOf(node.ref, input), transport });
  }
  const edges = decideEdges(graph, analysis, ends, input);
  // A step's direct edge is its only explicit one.
  const direct = new Map(edges.filter((e) => e.published === "p2p").map((edge) => [edge.from, edge]));
  const outgoing = new Map(edges.toReversed().map((edge) => [edge.from, edge]));
  const steps = [...ends.values()].map((end) => {
    const { name } = end.node;
    return decideStep(end, analysis.get(name)!, direct.get(name) ?? outgoing.get(name), input);
  });
  const faults = topologyFaults(input, graph, ends, transportFaults);
  return {
    steps,
    edges,
    transports,
    transportFaults,
    warnings: topologyWarnings(input.story.spec, edges, ends),
    faults,
  };
}

function kindOf(ref: ObjectReference | undefined, input: TopologyInput): StepKind {
  if (ref === undefined) return "primitive";
  const engram = input.engram(ref);
  if (engram === undefined) return "unknown";
  const mode = engram.spec.mode?.trim().toLowerCase();
  return mode === "deployment" || mode === "statefulset" ? "realtime" : "job";
}

/** The published mode of a step and the reason for it (control-plane T-04, T-11). */
function publish(step: StepAnalysis, end: EdgeEnd): { mode: Mode; reason: ReasonCode } {
  if (step.mode === "p2p" && end.transport?.override.forceHub) return { mode: "hub", reason: "RoutingModeHub" };
  return step;
}

function decideEdges(
  graph: Graph,
  analysis: ReadonlyMap<string, StepAnalysis>,
  ends: ReadonlyMap<string, EdgeEnd>,
  input: TopologyInput,
): readonly EdgeDecision[] {
  const towards = new Map<string, EdgeDecision[]>();
  // Senders so far by position of their transport: a later step without needs follows them. Earlier means before
  // it in the list and in the order of the graph, so that nothing follows a step that waits for it.
  const senders = new Map<number | undefined, EdgeEnd[]>();
  for (const name of graph.order) {
    const to = ends.get(name)!;
    const { step, needs, index } = to.node;
    const edges: EdgeDecision[] = [];
    towards.set(name, edges);
    for (const need of needs) {
      const from = ends.get(need);
      if (from === undefined) continue;
      const published = publish(analysis.get(need)!, from);
      const demoted = published.mode === "p2p" ? demotion(from, to, input) : null;
      edges.push(edgeOf(from, to, "explicit", published.mode, demoted ?? published.reason, demoted === null));
    }
    const earlier = senders.get(to.transport?.index) ?? [];
    if ((step.needs ?? []).length === 0) {
      for (const from of earlier) {
        if (from.node.index < index) edges.push(edgeOf(from, to, "implicit", "hub", "ImplicitFollower", true));
      }
    }
    // A primitive sends nothing of its own: it passes packets on (data-plane W-16).
    if (to.kind !== "primitive") earlier.push(to);
    senders.set(to.transport?.index, earlier);
  }
  return [...graph.nodes.keys()].flatMap((name) => towards.get(name)!);
}

function edgeOf(
  from: EdgeEnd,
  to: EdgeEnd,
  kind: EdgeDecision["kind"],
  published: Mode,
  reason: ReasonCode,
  asPublished: boolean,
): EdgeDecision {
  const effective = asPublished ? published : "hub";
  const { rule } = explain(reason);
  const cost = costOf(effective, from, to);
  return { from: from.node.name, to: to.node.name, kind, published, effective, reason, rule, cost };
}

function decideStep(
  end: EdgeEnd,
  analysis: StepAnalysis,
  edge: EdgeDecision | undefined,
  input: TopologyInput,
): StepDecision {
  const { mode, reason } = publish(analysis, end);
  const demoted = mode === "p2p" && edge !== undefined && edge.effective === "hub";
  const why = demoted ? edge.reason : reason;
  const effective = demoted ? "hub" : mode;
  const { sentence, rule } = explain(why);
  const step = end.node.name;
  const hostOf = (name: string) =>
    stepEndpoint(input.storyRun, name, input.namespace, input.port?.(name) ?? defaultGrpcPort, input.clusterDomain);
  const peerUpstream = analysis.peerUpstream && !end.transport?.override.forceHub;
  return {
    step,
    id: end.id,
    kind: end.kind,
    published: mode,
    effective,
    reason: why,
    rule,
    message: `${effective}: ${sentence} (${why}, ${rule})${edge === undefined ? "" : `; ${costText(edge.cost)}`}`,
    downstreams: analysis.downstreams,
    peerUpstream,
    binding: end.kind === "primitive" || end.kind === "job" ? "" : bindingName(input.storyRun, step),
    ...(mode === "p2p" ? { upstreamHost: hostOf(analysis.downstreams[0]!) } : {}),
    ...(peerUpstream ? { downstreamHost: hostOf(step) } : {}),
  };
}

function costText({ networkHops, decodes }: Cost): string {
  return `${networkHops} network ${networkHops === 1 ? "hop" : "hops"}, ${decodes} decoded on the way`;
}
