/** topology.json: the published analysis, what the workflow operator writes from it, and the two graphs beside it. */
import type { Engram, Story, Transport } from "../../../src/contract/resources.ts";
import { admissionFaults } from "../../../src/topology/admission.ts";
import { analyze, analyzedEdges, hubNeed } from "../../../src/topology/analysis.ts";
import { decide } from "../../../src/topology/decide.ts";
import type { Topology } from "../../../src/topology/decide.ts";
import { buildGraph } from "../../../src/topology/graph.ts";
import type { Graph } from "../../../src/topology/graph.ts";
import { scheduleSteps } from "../../../src/topology/scheduling.ts";
import { topic } from "../topic.ts";

interface Input {
  readonly run: string;
  readonly namespace: string;
  readonly story: Omit<Story, "kind">;
  readonly transports?: readonly Omit<Transport, "kind">[];
}

/** A case of topology.json. */
export const topology = topic((input: Input) => {
  const story: Story = { kind: "Story", ...input.story };
  const { steps } = story.spec;
  const graph = buildGraph(steps);
  const analysis = analyze(graph);
  const endless = endlessSteps(graph);
  const decided = decide({
    story,
    storyRun: input.run,
    namespace: input.namespace,
    transport: (name) => {
      const found = input.transports?.find(({ metadata }) => metadata.name === name);
      return found === undefined ? undefined : { kind: "Transport", ...found };
    },
    engram: ({ name }): Engram => {
      return { kind: "Engram", metadata: { name }, spec: { templateRef: { name: "t" }, mode: "deployment" } };
    },
  });
  const admission = admissionFaults(story);
  const edges = analyzedEdges(steps, graph, analysis);
  const scheduling = scheduleSteps(steps);
  const published = publishedSteps(story, decided, endless);
  return {
    output: {
      steps: Object.fromEntries(
        [...analysis.values()].map(({ name, needsHub, downstreams, mode, peerUpstream }) => {
          const step = { needsHub, downstream: downstreams };
          // Where the reference never returns we decide for the hub and name the circle.
          if (endless.has(name) && mode === "hub" && graph.cycle.includes(name)) {
            return [name, { ...step, error: "unbounded recursion" }];
          }
          const isLost = endless.size > 0 && hasCycleFault(decided);
          return [name, {
            ...step,
            mode,
            ...(isLost ? { error: "unbounded recursion in peerUpstream" } : { peerUpstream }),
          }];
        }),
      ),
      ...(edges.length > 0 ? { edges } : {}),
      ...(Object.keys(published).length > 0 ? { published } : {}),
      scheduling: Object.fromEntries(scheduling.dependencies),
      ...(scheduling.error === null ? {} : { schedulingError: scheduling.error }),
      ...(admission.length > 0 ? { admission } : {}),
    },
  };
});

function hasCycleFault({ faults }: Topology): boolean {
  return faults.some(({ reason }) => reason === "Cycle");
}

/** Per engram step what its binding says, or why it has none. A Story without transports has no bindings at all. */
function publishedSteps(
  story: Story,
  decided: Topology,
  endless: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  if ((story.spec.transports ?? []).length === 0) return {};
  return Object.fromEntries(
    decided.steps.filter(({ kind }) => kind !== "primitive").map((step) => {
      if (endless.size > 0 && hasCycleFault(decided)) return [step.step, { error: "unbounded recursion" }];
      const transport = decided.transports.get(step.step);
      if (transport === undefined) return [step.step, { error: decided.transportFaults.get(step.step)?.message }];
      return [step.step, {
        binding: step.binding,
        transportRef: transport.ref,
        routingMode: step.published,
        ...(step.downstreams.length > 0 ? { downstreamSteps: step.downstreams.join(",") } : {}),
        ...(step.upstreamHost === undefined ? {} : { upstreamHost: step.upstreamHost }),
        ...(step.downstreamHost === undefined ? {} : { downstreamHost: step.downstreamHost }),
      }];
    }),
  );
}

/**
 * Steps on which the reference never returns (control-plane T-09): it goes up along needs, as long as each one sends
 * to a single step and neither needs the hub, and stops at the first need that is no pure peer.
 */
function endlessSteps(graph: Graph): ReadonlySet<string> {
  const endless = new Set<string>();
  // The mode of a step, or null when deciding it comes back to a step that is being decided.
  const modeOf = (name: string, path: readonly string[]): "hub" | "p2p" | null => {
    if (path.includes(name)) return null;
    const { step, downstreams, needs } = graph.nodes.get(name)!;
    if (hubNeed(step) !== null || downstreams.length !== 1) return "hub";
    if (hubNeed(graph.nodes.get(downstreams[0]!)!.step) !== null) return "hub";
    for (const need of needs) {
      const mode = graph.nodes.has(need) ? modeOf(need, [...path, name]) : "hub";
      if (mode !== "p2p") return mode;
    }
    return "p2p";
  };
  for (const name of graph.cycle) if (modeOf(name, []) === null) endless.add(name);
  return endless;
}
