/** What is counted of an edge, whoever counts it: a hub, or a connector that reports its peer-to-peer edges. */
export interface EdgeCount {
  readonly from: string;
  readonly to: string;
  readonly mode: "hub" | "p2p";
  /** Packets accepted from the sender for this edge; always delivered + buffered + all dropped. */
  readonly received: number;
  readonly receivedBytes: number;
  readonly delivered: number;
  readonly deliveredBytes: number;
  readonly buffered: number;
  /** Dropped packets by reason (data-plane 4.2 and ours). */
  readonly dropped: ReadonlyMap<string, number>;
}

/** Live facts of a hub, for lists and for decisions that wait until an edge has drained. */
export interface Traffic {
  /** Every edge of a run that this hub knows, in plan order. */
  edges(namespace: string, storyRun: string): readonly EdgeCount[];
  /** Whether the step has an active stream. */
  connected(namespace: string, storyRun: string, step: string): boolean;
}
