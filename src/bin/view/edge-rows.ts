/** What is shown of each edge: the decision on it beside its counters. Pure. */
import type { EdgeCount } from "../../contract/traffic.ts";
import type { EdgeDecision, Topology } from "../../topology/decide.ts";

/** A run as far as a view shows it. */
export interface RunTopology {
  readonly namespace: string;
  readonly storyRun: string;
  readonly topology: Topology;
}

/** Counters of a run's edges by step ids, whoever counted them (the hub, or a connector that reported). */
export type CountEdges = (namespace: string, storyRun: string) => readonly EdgeCount[];

export interface EdgeRow {
  readonly run: string;
  readonly from: string;
  readonly to: string;
  /** Null for an edge that the Story had, and has no more. */
  readonly decision: EdgeDecision | null;
  readonly received: number;
  readonly receivedBytes: number;
  readonly delivered: number;
  readonly buffered: number;
  readonly dropped: number;
  /** How packets went so far: `hub`, `p2p`, both, or empty. */
  readonly ways: string;
  /** `buffer_full 3, expired 1`, or empty. */
  readonly dropReasons: string;
}

/**
 * One row for each edge of each run, in the order of the topology; edges with counters alone come last. Counters of
 * the same edge from two parties (packets that went through the hub before it became direct) are added.
 */
export function edgeRows(runs: readonly RunTopology[], count: CountEdges): readonly EdgeRow[] {
  return runs.flatMap(({ namespace, storyRun, topology }) => {
    const run = `${namespace}/${storyRun}`;
    const ids = new Map(topology.steps.map((step) => [step.step, step.id]));
    const rows = new Map<string, EdgeRow>();
    for (const decision of topology.edges) {
      const from = ids.get(decision.from) ?? decision.from;
      const to = ids.get(decision.to) ?? decision.to;
      rows.set(`${from}\0${to}`, { ...emptyRow(run, from, to), decision });
    }
    for (const edge of count(namespace, storyRun)) {
      const key = `${edge.from}\0${edge.to}`;
      rows.set(key, added(rows.get(key) ?? emptyRow(run, edge.from, edge.to), edge));
    }
    return [...rows.values()];
  });
}

/** Packets dropped, whatever the reason. */
export function droppedOf(edge: EdgeCount): number {
  let sum = 0;
  for (const count of edge.dropped.values()) sum += count;
  return sum;
}

function emptyRow(run: string, from: string, to: string): EdgeRow {
  const none = { received: 0, receivedBytes: 0, delivered: 0, buffered: 0, dropped: 0, ways: "", dropReasons: "" };
  return { run, from, to, decision: null, ...none };
}

function added(row: EdgeRow, edge: EdgeCount): EdgeRow {
  const reasons = [...edge.dropped].filter(([, count]) => count > 0).map(([reason, count]) => `${reason} ${count}`);
  const ways = new Set(row.ways.split(", ").filter((way) => way !== ""));
  if (edge.received > 0) ways.add(edge.mode);
  return {
    ...row,
    ways: [...ways].sort().join(", "),
    received: row.received + edge.received,
    receivedBytes: row.receivedBytes + edge.receivedBytes,
    delivered: row.delivered + edge.delivered,
    buffered: row.buffered + edge.buffered,
    dropped: row.dropped + droppedOf(edge),
    dropReasons: [...(row.dropReasons === "" ? [] : [row.dropReasons]), ...reasons].join(", "),
  };
}
