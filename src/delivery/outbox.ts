/**
 * What waits for one step: packets of all its senders in order of arrival, bounded in messages and bytes, whole and
 * per lane (data-plane 4.1, 4.2). Knows limits and order; refuses to know streams and plans.
 *
 * One queue per lane; the oldest of all is the lane head with the lowest ticket:
 *
 * ```
 *   payload   3 ─ 7 ─ 8
 *   audio     1 ─ 2 ─ 5        next is 1
 *   video
 *   binary    4 ─ 6
 * ```
 */
import type { DeliveryPlan, Limit } from "../routing/plan.ts";
import type { DropReason, EdgeStats } from "./edge.ts";
import { laneKinds, type Packet } from "./packet.ts";
import { Queue } from "./queue.ts";

/** A packet in an outbox. `suffix` is what its target's encoding appends. */
export interface Waiting {
  readonly packet: Packet;
  readonly edge: EdgeStats;
  readonly suffix: Uint8Array;
  /** Encoded size of the outgoing DataPacket. */
  readonly size: number;
  readonly ticket: number;
  readonly atMs: number;
}

/** Why `offer` took no packet: the buffer or its lane is full and no policy evicts. */
export type Full = "buffer_full" | "lane_full";

/** Bytes that all buffers of a process share (DECISIONS W-33): over the limit, those above a fair share are full. */
export class ByteBudget {
  readonly maxBytes: number;
  maxHolders: number;
  used = 0;
  /** Outboxes that hold something. */
  holders = 0;

  constructor(maxBytes: number, maxHolders: number) {
    this.maxBytes = maxBytes;
    this.maxHolders = maxHolders;
  }

  /** Whether an outbox of `held` bytes may take `size` more. */
  allows(held: number, size: number): boolean {
    return this.used + size <= this.maxBytes || held + size <= this.maxBytes / Math.max(1, this.holders);
  }
}

export class Outbox {
  readonly #budget: ByteBudget;
  readonly #lanes: readonly Queue<Waiting>[] = laneKinds.map(() => new Queue<Waiting>());
  readonly #laneBytes = new Float64Array(laneKinds.length);
  readonly #laneLimits: (Limit | null)[] = [];
  #delivery: DeliveryPlan;
  #messages = 0;
  #bytes = 0;
  #tickets = 0;

  constructor(delivery: DeliveryPlan, budget: ByteBudget) {
    this.#delivery = delivery;
    this.#budget = budget;
    this.#readLanes();
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get dropPolicy(): DeliveryPlan["dropPolicy"] {
    return this.#delivery.dropPolicy;
  }

  /**
   * Takes the packet (null), drops it and counts why (the reason), or leaves it to the caller where the buffer is
   * full and no drop policy is set. Evicts older packets under `drop_oldest`. The edge's `received` is the caller's.
   */
  offer(packet: Packet, edge: EdgeStats, suffix: Uint8Array, size: number, nowMs: number): DropReason | Full | null {
    const delivery = this.#delivery;
    if (delivery.maxAgeMs > 0) this.expire(nowMs);
    const lane = packet.lane;
    const laneLimit = this.#laneLimits[lane] ?? null;
    if (size > delivery.buffer.maxBytes) return drop(edge, "oversize");
    if (this.#messages === 0 && this.#budget.holders >= this.#budget.maxHolders) return drop(edge, "max_buffers");
    if (laneLimit !== null) {
      if (size > laneLimit.maxBytes) return drop(edge, "lane_oversize");
      const queue = this.#lanes[lane]!;
      while (queue.length >= laneLimit.maxMessages || this.#laneBytes[lane]! + size > laneLimit.maxBytes) {
        if (delivery.dropPolicy !== "drop_oldest" || queue.length === 0) return refuse(delivery, edge, "lane_full");
        this.#evict(lane, "drop_oldest_lane");
      }
    }
    while (
      this.#messages >= delivery.buffer.maxMessages || this.#bytes + size > delivery.buffer.maxBytes ||
      !this.#budget.allows(this.#bytes, size)
    ) {
      if (delivery.dropPolicy !== "drop_oldest" || this.#messages === 0) return refuse(delivery, edge, "buffer_full");
      this.#evict(this.#oldestLane(), "drop_oldest");
    }
    this.#lanes[lane]!.push({ packet, edge, suffix, size, ticket: this.#tickets++, atMs: nowMs });
    this.#laneBytes[lane]! += size;
    if (this.#messages++ === 0) this.#budget.holders++;
    this.#bytes += size;
    this.#budget.used += size;
    edge.buffered++;
    return null;
  }

  /** Whether a packet of this size may ever wait here: what is sent at once obeys the same limits. */
  fits(lane: number, size: number): boolean {
    const limit = this.#laneLimits[lane] ?? null;
    return size <= this.#delivery.buffer.maxBytes && (limit === null || size <= limit.maxBytes);
  }

  /** The packet to send next, or undefined. */
  peek(): Waiting | undefined {
    return this.#messages === 0 ? undefined : this.#lanes[this.#oldestLane()]!.peek();
  }

  /** Removes what `peek` returned; the caller counts it as delivered. */
  take(): Waiting | undefined {
    return this.#messages === 0 ? undefined : this.#remove(this.#oldestLane());
  }

  /** Drops what is older than `maxAgeSeconds` (data-plane D-046). Returns how many. */
  expire(nowMs: number): number {
    if (this.#delivery.maxAgeMs <= 0) return 0;
    const before = nowMs - this.#delivery.maxAgeMs;
    let expired = 0;
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      for (let head = this.#lanes[lane]!.peek(); head !== undefined && head.atMs < before;) {
        this.#evict(lane, "expired");
        expired++;
        head = this.#lanes[lane]!.peek();
      }
    }
    return expired;
  }

  /** Obeys another plan from now on; what no longer fits is dropped, oldest first (`apply_limits`). */
  applyPlan(delivery: DeliveryPlan): void {
    this.#delivery = delivery;
    this.#readLanes();
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      const limit = this.#laneLimits[lane] ?? null;
      if (limit === null) continue;
      while (this.#lanes[lane]!.length > limit.maxMessages || this.#laneBytes[lane]! > limit.maxBytes) {
        this.#evict(lane, "apply_limits");
      }
    }
    while (this.#messages > delivery.buffer.maxMessages || this.#bytes > delivery.buffer.maxBytes) {
      this.#evict(this.#oldestLane(), "apply_limits");
    }
  }

  /** Drops everything under one reason. */
  clear(reason: DropReason): void {
    while (this.#messages > 0) this.#evict(this.#oldestLane(), reason);
  }

  #readLanes(): void {
    this.#laneLimits.length = 0;
    for (const kind of laneKinds) this.#laneLimits.push(this.#delivery.lanes[kind]);
  }

  #oldestLane(): number {
    let oldest = 0;
    let ticket = Infinity;
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      const head = this.#lanes[lane]!.peek();
      if (head !== undefined && head.ticket < ticket) {
        ticket = head.ticket;
        oldest = lane;
      }
    }
    return oldest;
  }

  #remove(lane: number): Waiting {
    const waiting = this.#lanes[lane]!.shift();
    if (waiting === undefined) throw new Error("an empty lane was chosen");
    this.#laneBytes[lane]! -= waiting.size;
    if (--this.#messages === 0) this.#budget.holders--;
    this.#bytes -= waiting.size;
    this.#budget.used -= waiting.size;
    waiting.edge.buffered--;
    return waiting;
  }

  #evict(lane: number, reason: DropReason): void {
    this.#remove(lane).edge.drop(reason);
  }
}

function drop(edge: EdgeStats, reason: DropReason): DropReason {
  edge.drop(reason);
  return reason;
}

/** With an explicit `drop_newest` the packet is dropped here; without a policy the caller holds its sender. */
function refuse(delivery: DeliveryPlan, edge: EdgeStats, full: Full): Full {
  if (delivery.dropPolicy !== null) edge.drop(full);
  return full;
}
