/**
 * The dependency graph of a Story's main steps: one node per step name, one edge per name in `needs`
 * (control-plane T-01, T-03). Knows order and circles; refuses to know modes, transports and engrams.
 */
import type { ObjectReference, Step } from "../contract/resources.ts";

/** A step name of the graph. Several entries of one name (which admission refuses) share a node. */
export interface GraphNode {
  readonly name: string;
  /** Position of the first entry of this name in `spec.steps`. */
  readonly index: number;
  /** The entry that decides modes: the last one of this name. */
  readonly step: Step;
  /** The entry that names the transport: the first one of this name. */
  readonly first: Step;
  /** The engram; absent where every entry of this name is a primitive. */
  readonly ref?: ObjectReference;
  /** Names in `needs` of `step`, each once, in list order; unknown names included. */
  readonly needs: readonly string[];
  /** Names of the steps that need this one, in declaration order, one per entry (control-plane T-03). */
  readonly downstreams: readonly string[];
}

export interface Graph {
  /** By name, in declaration order. */
  readonly nodes: ReadonlyMap<string, GraphNode>;
  /**
   * Every name once: list order, but for steps that stand before what they need, which come after it
   * (data-plane W-17). Blocked steps are last.
   */
  readonly order: readonly string[];
  /** Steps on a circle of `needs` and steps behind one (control-plane T-09). */
  readonly blocked: ReadonlySet<string>;
  /** Steps on a circle, in declaration order; empty when there is none. */
  readonly cycle: readonly string[];
}

/** Builds the graph in time linear in steps and needs, without recursion. */
export function buildGraph(steps: readonly Step[]): Graph {
  const nodes = collect(steps);
  const { order, blocked } = sortByNeeds(nodes);
  return { nodes, order, blocked, cycle: blocked.size === 0 ? [] : cycleOf(nodes, blocked) };
}

/** The identity of a step on the wire and in plans: `id`, else `name` (data-plane 3.3). */
export function stepId(step: Step): string {
  return step.id || step.name;
}

function collect(steps: readonly Step[]): ReadonlyMap<string, GraphNode> {
  type Draft = { index: number; first: Step; step: Step; ref?: ObjectReference; downstreams: string[] };
  const drafts = new Map<string, Draft>();
  steps.forEach((step, index) => {
    const draft = drafts.get(step.name);
    if (draft === undefined) drafts.set(step.name, { index, first: step, step, ref: step.ref, downstreams: [] });
    else drafts.set(step.name, { ...draft, step, ref: draft.ref ?? step.ref });
  });
  for (const step of steps) {
    for (const need of new Set(step.needs)) drafts.get(need)?.downstreams.push(step.name);
  }
  const nodes = new Map<string, GraphNode>();
  for (const [name, draft] of drafts) nodes.set(name, { name, ...draft, needs: [...new Set(draft.step.needs)] });
  return nodes;
}

/**
 * Steps in list order, each as soon as all that it needs is out; one that has to wait comes right after the last of
 * them. Steps that never come are on a circle or behind one, and end the order in the order of the list.
 */
function sortByNeeds(nodes: ReadonlyMap<string, GraphNode>): { order: string[]; blocked: ReadonlySet<string> } {
  const waiting = new Map<string, number>();
  const blocked = new Set(nodes.keys());
  for (const { name, needs } of nodes.values()) waiting.set(name, needs.filter((need) => nodes.has(need)).length);
  // Not `downstreams`: there each entry of a name counts, here the one that decides.
  const released = new Map<string, GraphNode[]>();
  for (const node of nodes.values()) {
    for (const need of node.needs) {
      const behind = released.get(need);
      if (behind === undefined) released.set(need, [node]);
      else behind.push(node);
    }
  }
  const order: string[] = [];
  for (const next of nodes.values()) {
    const ready = waiting.get(next.name) === 0 && blocked.has(next.name) ? [next] : [];
    for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
      blocked.delete(node.name);
      order.push(node.name);
      const freed: GraphNode[] = [];
      for (const behind of released.get(node.name) ?? []) {
        const left = waiting.get(behind.name)! - 1;
        waiting.set(behind.name, left);
        // One that stands later in the list has its turn still to come.
        if (left === 0 && behind.index < next.index) freed.push(behind);
      }
      ready.push(...freed.toReversed());
    }
  }
  order.push(...blocked);
  return { order, blocked };
}

/** Takes away, again and again, blocked steps that no blocked step needs: what is left needs itself in a circle. */
function cycleOf(nodes: ReadonlyMap<string, GraphNode>, blocked: ReadonlySet<string>): readonly string[] {
  const needed = new Map<string, number>();
  for (const name of blocked) {
    for (const need of nodes.get(name)!.needs) {
      if (blocked.has(need)) needed.set(need, (needed.get(need) ?? 0) + 1);
    }
  }
  const left = new Set(blocked);
  const free = [...blocked].filter((name) => !needed.has(name));
  for (let name = free.pop(); name !== undefined; name = free.pop()) {
    left.delete(name);
    for (const need of nodes.get(name)!.needs) {
      if (!blocked.has(need)) continue;
      const count = needed.get(need)! - 1;
      needed.set(need, count);
      if (count === 0) free.push(need);
    }
  }
  return [...nodes.keys()].filter((name) => left.has(name));
}
