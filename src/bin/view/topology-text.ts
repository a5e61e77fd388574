/** The topology as text: each edge with its way, what a packet pays, and the reason in words. */
import type { EdgeDecision, Topology } from "../../topology/decide.ts";
import { explain } from "../../topology/reasons.ts";
import { type Paint, table } from "./table.ts";

/** `p2p`, or `p2p, now hub` where an edge is published as direct and is not so in fact. */
export function modeText({ published, effective }: Pick<EdgeDecision, "published" | "effective">): string {
  return published === effective ? effective : `${published}, now ${effective}`;
}

/** `1 hop, decodes nothing`. */
export function costText({ cost }: Pick<EdgeDecision, "cost">): string {
  return `${cost.networkHops} ${cost.networkHops === 1 ? "hop" : "hops"}, decodes ${cost.decodes}`;
}

/** One line for each edge, in columns: from, to, mode, reason code, cost, and the sentence with its rule. */
export function edgeLines(topology: Topology, paint: Paint): string[] {
  return table(topology.edges.map((edge) => [
    `${edge.from} ${edge.kind === "implicit" ? "┄>" : "─>"} ${edge.to}`,
    edge.effective === "p2p" ? paint.good(modeText(edge)) : paint.mark(modeText(edge)),
    edge.reason,
    costText(edge),
    paint.dim(`${explain(edge.reason).sentence} (${edge.rule})`),
  ]));
}
