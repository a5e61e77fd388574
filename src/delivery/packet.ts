/**
 * A packet on its way through the hub: bytes that are passed on, and the few facts that were read from them.
 * Immutable; the same object goes to every target.
 */
import type { LaneKind } from "../routing/plan.ts";

/** Lanes by the index that packets carry, so that the path compares integers. */
export const laneKinds = ["payload", "audio", "video", "binary"] as const satisfies readonly LaneKind[];

/**
 * The body of a packet: the encoded fields of a DataPacket that go on as they came, without the envelope and the
 * keys that the hub sets per target. One slice of the chunk that it arrived in, or several where it straddled chunks.
 *
 * ```
 *   buffer  …|========= body =========|…      parts === null
 *             start                   end
 *   parts   |== body ==|== body ==|= body =|   buffer unused
 * ```
 */
export class Packet {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly parts: readonly Uint8Array[] | null;
  /** Length of the body in bytes. */
  readonly bytes: number;
  /** Index into `laneKinds`. */
  readonly lane: number;
  /** False for a packet without payload, inputs and frame, which reaches nobody (data-plane D-021). */
  readonly hasContent: boolean;
  /** Whether the body has `inputs` of its own. */
  readonly hasInputs: boolean;
  /** Partition of the sender's envelope, encoded as field 3 of StreamEnvelope; null where there was none. */
  readonly partition: Uint8Array | null;

  constructor(
    buffer: Uint8Array,
    start: number,
    end: number,
    parts: readonly Uint8Array[] | null,
    bytes: number,
    lane: number,
    hasContent: boolean,
    hasInputs: boolean,
    partition: Uint8Array | null,
  ) {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    this.parts = parts;
    this.bytes = bytes;
    this.lane = lane;
    this.hasContent = hasContent;
    this.hasInputs = hasInputs;
    this.partition = partition;
  }
}
