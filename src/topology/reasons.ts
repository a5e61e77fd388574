/**
 * Every reason for the way of a step or an edge, in one closed table: the code that travels in conditions, in
 * discovery and in `inspect`, the sentence that a person reads, and the rule that decided.
 */

interface ReasonText {
  /** Completes "hub: …" or "p2p: …"; without a final period. */
  readonly sentence: string;
  readonly rule: string;
}

/** Reason code → sentence and rule. The first block decides what is published, the second demotes edges in fact. */
export const topologyReasons = {
  SingleDownstream: {
    sentence: "one step needs this one, and nothing on the way needs the hub",
    rule: "control-plane T-04(6)",
  },
  RuntimeBlock: { sentence: "the step has a runtime block, which the hub evaluates", rule: "control-plane T-02(a)" },
  Condition: { sentence: "the step has an if, which the hub evaluates", rule: "control-plane T-02(b)" },
  NoDownstream: { sentence: "no step needs this one", rule: "control-plane T-04(3)" },
  SeveralDownstreams: { sentence: "several steps need this one", rule: "control-plane T-04(3)" },
  DownstreamNeedsHub: { sentence: "the step that needs this one needs the hub", rule: "control-plane T-04(4)" },
  UpstreamNotPeer: {
    sentence: "a step that this one needs does not send to it directly and alone",
    rule: "control-plane T-04(5)",
  },
  Cycle: { sentence: "the step is on or behind a circle of needs", rule: "control-plane T-09" },
  RoutingModeHub: { sentence: "routing.mode of its transport is hub", rule: "control-plane T-11" },

  ImplicitFollower: {
    sentence: "the receiver has no needs and follows every earlier step of its transport",
    rule: "data-plane W-15",
  },
  PrimitiveEnd: { sentence: "one end is a primitive, which the hub runs in flight", rule: "control-plane K-16" },
  EngramUnknown: { sentence: "the engram of one end is not known", rule: "control-plane T-10" },
  JobModeEnd: { sentence: "the engram of one end runs as a job", rule: "control-plane K-08" },
  TransportUnknown: { sentence: "the transport of one end is not known", rule: "control-plane T-10" },
  ReceiverRoutingModeHub: {
    sentence: "routing.mode of the receiver's transport is hub",
    rule: "control-plane T-12",
  },
  DifferentDrivers: { sentence: "the two ends have transports of different drivers", rule: "control-plane T-20" },
  DifferentTransports: { sentence: "the two ends have different transports", rule: "control-plane T-15" },
  HubOnlySetting: { sentence: "the transport asks for something that only the hub does", rule: "control-plane T-15" },
  PeerListenerMissing: {
    sentence: "the receiver has not announced a listener for peers",
    rule: "control-plane K-17",
  },
  PeerNotReported: { sentence: "the sender has not reported", rule: "control-plane K-17" },
  EdgeDraining: { sentence: "the hub still holds packets of this edge", rule: "control-plane K-17" },
} as const satisfies Record<string, ReasonText>;

export type ReasonCode = keyof typeof topologyReasons;

/** Sentence and rule of a code. */
export function explain(code: ReasonCode): ReasonText {
  return topologyReasons[code];
}
