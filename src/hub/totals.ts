/**
 * Counters summed over runs by namespace, Story and edge, for metrics whose labels must stay few (DECISIONS W-41).
 * Runs that are over are added to what stays, so that a total never falls.
 */
import type { EdgeCount } from "../contract/traffic.ts";

/** Counters of all runs of a Story for one edge. */
export interface EdgeTotal {
  readonly namespace: string;
  readonly story: string;
  readonly from: string;
  readonly to: string;
  received: number;
  receivedBytes: number;
  delivered: number;
  deliveredBytes: number;
  buffered: number;
  readonly dropped: Map<string, number>;
}

/** Edges beyond this number of distinct ones are summed under the name `other`. */
const maxEdges = 2000;

export class Totals {
  readonly #rows = new Map<string, EdgeTotal>();

  /** Adds counters of a run. `isOver`: nothing of it is buffered any more. */
  add(namespace: string, story: string, edges: readonly EdgeCount[], isOver: boolean): void {
    for (const edge of edges) {
      const row = this.#row(namespace, story, edge.from, edge.to);
      row.received += edge.received;
      row.receivedBytes += edge.receivedBytes;
      row.delivered += edge.delivered;
      row.deliveredBytes += edge.deliveredBytes;
      if (!isOver) row.buffered += edge.buffered;
      for (const [reason, count] of edge.dropped) row.dropped.set(reason, (row.dropped.get(reason) ?? 0) + count);
    }
  }

  /** A copy to which live runs can be added. */
  copy(): Totals {
    const copy = new Totals();
    for (const [key, row] of this.#rows) copy.#rows.set(key, { ...row, dropped: new Map(row.dropped) });
    return copy;
  }

  rows(): readonly EdgeTotal[] {
    return [...this.#rows.values()];
  }

  #row(namespace: string, story: string, from: string, to: string): EdgeTotal {
    const key = [namespace, story, from, to].join("\0");
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    if (this.#rows.size >= maxEdges && story !== "other") return this.#row("other", "other", "other", "other");
    const row: EdgeTotal = {
      namespace,
      story,
      from,
      to,
      received: 0,
      receivedBytes: 0,
      delivered: 0,
      deliveredBytes: 0,
      buffered: 0,
      dropped: new Map(),
    };
    this.#rows.set(key, row);
    return row;
  }
}
