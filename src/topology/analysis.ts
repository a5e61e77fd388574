/**
 * The published analysis: hub or p2p per step from the graph alone, exactly as the workflow operator computes it
 * (control-plane T-01 … T-09). Refuses to know settings, engrams and connectors.
 */
import type { Step } from "../contract/resources.ts";
import type { Graph, GraphNode } from "./graph.ts";
import type { ReasonCode } from "./reasons.ts";

/** The two ways of an edge. */
export type Mode = "hub" | "p2p";

export interface StepAnalysis {
  readonly name: string;
  readonly needsHub: boolean;
  readonly downstreams: readonly string[];
  /** Speaks about the outgoing side of the step (control-plane T-07). */
  readonly mode: Mode;
  readonly reason: ReasonCode;
  /** Some other step sends to this one directly (control-plane T-06). */
  readonly peerUpstream: boolean;
}

/** Decides every step of the graph, by name in declaration order; linear in steps and needs. */
export function analyze(graph: Graph): ReadonlyMap<string, StepAnalysis> {
  const reasons = new Map<string, ReasonCode>();
  const peers = new Set<string>();
  for (const name of graph.order) {
    const node = graph.nodes.get(name)!;
    const reason = decideStep(node, graph, reasons);
    reasons.set(name, reason);
    if (reason === "SingleDownstream" && node.downstreams[0] !== name) peers.add(node.downstreams[0]!);
  }
  const analysis = new Map<string, StepAnalysis>();
  for (const node of graph.nodes.values()) {
    const reason = reasons.get(node.name)!;
    analysis.set(node.name, {
      name: node.name,
      needsHub: hubNeed(node.step) !== null,
      downstreams: node.downstreams,
      mode: reason === "SingleDownstream" ? "p2p" : "hub",
      reason,
      peerUpstream: peers.has(node.name),
    });
  }
  return analysis;
}

/** Why a step needs the hub by itself, null when it does not (control-plane T-02, C-020). */
export function hubNeed(step: Step): "RuntimeBlock" | "Condition" | null {
  if (step.runtime !== undefined && step.runtime !== null) return "RuntimeBlock";
  return step.if ? "Condition" : null;
}

/** The rules of control-plane T-04 in their order; `decided` holds every need of the step unless it is blocked. */
function decideStep(node: GraphNode, graph: Graph, decided: ReadonlyMap<string, ReasonCode>): ReasonCode {
  const need = hubNeed(node.step);
  if (need !== null) return need;
  if (graph.blocked.has(node.name)) return "Cycle";
  if (node.downstreams.length === 0) return "NoDownstream";
  if (node.downstreams.length > 1) return "SeveralDownstreams";
  if (hubNeed(graph.nodes.get(node.downstreams[0]!)!.step) !== null) return "DownstreamNeedsHub";
  // A need that decided for p2p has one downstream, and that can only be this step.
  if (!node.needs.every((name) => decided.get(name) === "SingleDownstream")) return "UpstreamNotPeer";
  return "SingleDownstream";
}

/** An edge of the published graph. `from` may be a name that no step has. */
export interface AnalyzedEdge {
  readonly from: string;
  readonly to: string;
  /** The decision (control-plane T-07). */
  readonly direct: boolean;
  /** What the weaker test says: one downstream, and that one does not need the hub. Nothing routes by it. */
  readonly pairCanBeDirect: boolean;
}

/** Every pair of a step and a name in its `needs`, once, in declaration order. */
export function analyzedEdges(
  steps: readonly Step[],
  graph: Graph,
  analysis: ReadonlyMap<string, StepAnalysis>,
): readonly AnalyzedEdge[] {
  const edges = new Map<string, AnalyzedEdge>();
  for (const step of steps) {
    for (const from of step.needs ?? []) {
      const key = JSON.stringify([from, step.name]);
      if (edges.has(key)) continue;
      const sender = graph.nodes.get(from);
      edges.set(key, {
        from,
        to: step.name,
        direct: analysis.get(from)?.mode === "p2p",
        pairCanBeDirect: sender?.downstreams.length === 1 && hubNeed(graph.nodes.get(step.name)!.step) === null,
      });
    }
  }
  return [...edges.values()];
}
