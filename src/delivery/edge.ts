/** Counters of one edge, plain fields that the path increments; metrics and lists read them when asked. */
import type { EdgeCount } from "../contract/traffic.ts";

/** Why a packet was dropped: the reasons of data-plane 4.2, and ours. */
export const dropReasons = {
  oversize: "larger than the whole buffer",
  lane_oversize: "larger than its lane",
  drop_oldest: "evicted for a newer packet, the buffer was full",
  drop_oldest_lane: "evicted for a newer packet of its lane",
  lane_full: "its lane was full",
  buffer_full: "the buffer was full",
  expired: "older than maxAgeSeconds",
  evicted: "its step was away longer than the buffer lives",
  apply_limits: "over a limit that was lowered",
  max_buffers: "the hub is at its limit of buffers",
  empty: "neither payload nor inputs nor frame",
  step_removed: "its step left the Story, or its run ended",
  moved: "its run was moved to another hub before its step took it",
  shutdown: "the hub stopped before its step took it",
  gated: "its engram asked for none",
  channel_timeout: "its engram took nothing for too long",
  outbox_full: "its connector's outbox was full for too long",
  peer_lost: "sent to a peer whose connection broke before it had it",
  invalid: "what its receiver would not take",
  NotSupported: "chunked, which this version does not forward",
} as const;

export type DropReason = keyof typeof dropReasons;

/** Counters of one edge of a run. Law: received = delivered + buffered + sum of dropped. */
export class EdgeStats {
  readonly from: string;
  readonly to: string;
  mode: "hub" | "p2p";
  received = 0;
  receivedBytes = 0;
  delivered = 0;
  deliveredBytes = 0;
  buffered = 0;
  readonly #dropped = new Map<DropReason, number>();

  constructor(from: string, to: string, mode: "hub" | "p2p") {
    this.from = from;
    this.to = to;
    this.mode = mode;
  }

  drop(reason: DropReason): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
  }

  /** A copy of the counters as they are now. */
  snapshot(): EdgeCount {
    return {
      from: this.from,
      to: this.to,
      mode: this.mode,
      received: this.received,
      receivedBytes: this.receivedBytes,
      delivered: this.delivered,
      deliveredBytes: this.deliveredBytes,
      buffered: this.buffered,
      dropped: new Map(this.#dropped),
    };
  }
}
