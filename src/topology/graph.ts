/**
 * The dependency graph of a Story's main steps: one node per step name, one edge per name in `needs`
 * (control-plane T-01, T-03). Knows order and circles; refuses to know modes, transports and engrams.
 */
import type { Step } from "../contract/resources.ts";

/** A step name of the graph. Several entries of one name (which admission refuses) share a node. */
export interface GraphNode {
  readonly name: string;
  /** Position of the first entry of this name in `spec.steps`. */
  readonly index: number;
  /** The entry that decides modes: the last one of this name. */
  readonly step: Step;
  /** The entry that names transport and engram: the first one of this name. */
  readonly first: Step;
  /** Names in `needs` of `step`, each once, in list order; unknown names included. */
  readonly needs: readonly string[];
  /** Names of the steps that need this one, in declaration order, one per entry (control-plane T-03). */
  readonly downstreams: readonly string[];
}

export interface Graph {
  /** By name, in declaration order. */
  readonly nodes: ReadonlyMap<string, GraphNode>;
  /**
   * Every name once, needed steps before the steps that need them; list order wherever `needs` leaves a choice
   * (data-plane W-17).
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
  const drafts = new Map<string, { index: number; first: Step; step: Step; downstreams: string[] }>();
  steps.forEach((step, index) => {
    const draft = drafts.get(step.name);
    if (draft === undefined) drafts.set(step.name, { index, first: step, step, downstreams: [] });
    else draft.step = step;
  });
  for (const step of steps) {
    for (const need of new Set(step.needs)) drafts.get(need)?.downstreams.push(step.name);
  }
  const nodes = new Map<string, GraphNode>();
  for (const [name, draft] of drafts) nodes.set(name, { name, ...draft, needs: [...new Set(draft.step.needs)] });
  return nodes;
}

/**
 * Depth first along `needs`, from each step in list order, emitting a step after what it needs. A need that is not
 * emitted when its step is can only be one whose own needs lead back here: both are on a circle. Every other step of
 * the circle is emitted later and finds a blocked need, and so does whatever stands behind.
 */
function sortByNeeds(nodes: ReadonlyMap<string, GraphNode>): { order: string[]; blocked: ReadonlySet<string> } {
  const order: string[] = [];
  const emitted = new Set<string>();
  const blocked = new Set<string>();
  const entered = new Set<string>();
  const stack: { node: GraphNode; next: number }[] = [];
  for (const root of nodes.values()) {
    if (entered.has(root.name)) continue;
    entered.add(root.name);
    stack.push({ node: root, next: 0 });
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = top.node.needs[top.next++];
      if (need !== undefined) {
        const node = nodes.get(need);
        if (node === undefined || entered.has(need)) continue;
        entered.add(need);
        stack.push({ node, next: 0 });
        continue;
      }
      stack.pop();
      const { name, needs } = top.node;
      if (needs.some((n) => nodes.has(n) && (!emitted.has(n) || blocked.has(n)))) blocked.add(name);
      emitted.add(name);
      order.push(name);
    }
  }
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
