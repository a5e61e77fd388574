/** Packets in pieces: put together where they come in, split again where they are too long (data-plane 3.2, W-35). */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type DataPacket, DataPacketSchema } from "../../gen/transport/v1/hub_pb.ts";
import { DataResponseSchema, StreamEnvelopeSchema } from "../../gen/transport/v1/transport_pb.ts";
import { chunkLimits } from "../contract/bounds.ts";
import type { Clock } from "../contract/runtime.ts";
import { join } from "../delivery/encode.ts";

/** Limits of one direction (data-plane 6.10, 14); `contract/bounds.ts` has those of a chunk. */
export const assemblyLimits = { maxOpen: 256, idleMs: 120_000 } as const;

interface Assembly {
  /** The packet of the chunk that came first. */
  readonly first: DataPacket;
  readonly pieces: (Uint8Array | undefined)[];
  missing: number;
  bytes: number;
  lastMs: number;
}

/** Null while chunks are missing; else the whole packet, encoded. */
export type Assembled = { readonly packet: Uint8Array | null } | { readonly fault: string };

export class Assembler {
  readonly #clock: Clock;
  readonly #open = new Map<string, Assembly>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a DataPacket that is a chunk. A fault forgets the packet that the chunk belongs to. */
  add(bytes: Uint8Array): Assembled {
    this.#expire();
    const packet = fromBinary(DataPacketSchema, bytes);
    const { envelope, frame } = packet;
    if (envelope === undefined || envelope.chunkId === "" || envelope.streamId === "" || envelope.chunkCount === 0) {
      return { fault: "a chunk needs chunk_id, stream_id and chunk_count" };
    }
    const key = `${envelope.streamId}|${envelope.partition}|${envelope.chunkId}`;
    if (frame.case !== "binary") return this.#fail(key, "a chunk needs a binary frame");
    const { chunkIndex, chunkCount, chunkBytes, totalBytes } = envelope;
    const body = frame.value.payload;
    if (chunkIndex >= chunkCount) return this.#fail(key, `chunk_index ${chunkIndex} of ${chunkCount}`);
    if (chunkCount > chunkLimits.maxCount) return this.#fail(key, `${chunkCount} of ${chunkLimits.maxCount} chunks`);
    if (chunkBytes > 0 && chunkBytes !== body.length) {
      return this.#fail(key, `chunk_bytes ${chunkBytes}, but ${body.length} came`);
    }
    let assembly = this.#open.get(key);
    if (assembly === undefined) {
      if (this.#open.size >= assemblyLimits.maxOpen) return { fault: `${assemblyLimits.maxOpen} packets are open` };
      assembly = { first: packet, pieces: new Array(chunkCount), missing: chunkCount, bytes: 0, lastMs: 0 };
      this.#open.set(key, assembly);
    }
    assembly.lastMs = this.#clock.monotonicMs();
    if (assembly.pieces.length !== chunkCount) {
      return this.#fail(key, `chunk_count ${chunkCount}, before ${assembly.pieces.length}`);
    }
    if (assembly.pieces[chunkIndex] !== undefined) return { packet: null };
    if (this.#bytes + body.length > chunkLimits.maxTotalBytes) {
      return this.#fail(key, `more than ${chunkLimits.maxTotalBytes} bytes are open`);
    }
    // a copy, so that the rest of what it came in goes
    assembly.pieces[chunkIndex] = Uint8Array.from(body);
    assembly.bytes += body.length;
    this.#bytes += body.length;
    if (--assembly.missing > 0) return { packet: null };
    this.#forget(key);
    if (totalBytes > 0 && totalBytes !== assembly.bytes) {
      return { fault: `total_bytes ${totalBytes}, but ${assembly.bytes} came` };
    }
    return { packet: whole(assembly) };
  }

  #expire(): void {
    const before = this.#clock.monotonicMs() - assemblyLimits.idleMs;
    for (const [key, assembly] of this.#open) if (assembly.lastMs < before) this.#forget(key);
  }

  #fail(key: string, fault: string): Assembled {
    this.#forget(key);
    return { fault };
  }

  #forget(key: string): void {
    const assembly = this.#open.get(key);
    if (assembly === undefined) return;
    this.#open.delete(key);
    this.#bytes -= assembly.bytes;
  }
}

/** Based on the chunk that came first, without the chunk fields. */
function whole({ first, pieces }: Assembly): Uint8Array {
  const { frame, envelope } = first;
  if (frame.case !== "binary" || envelope === undefined) throw new Error("an assembly began with another frame");
  frame.value.payload = join(pieces as Uint8Array[]);
  first.envelope = create(StreamEnvelopeSchema, {
    streamId: envelope.streamId,
    sequence: envelope.sequence,
    partition: envelope.partition,
  });
  return toBinary(DataPacketSchema, first);
}

/** Room for what a chunk has beside its part of the body. */
const headerBytes = 256 * 1024;

/** A DataResponse in chunks of at most `maxBytes` each; null where it has no binary frame or stream id. */
export function splitResponse(bytes: Uint8Array, maxBytes: number, chunkId: string): readonly Uint8Array[] | null {
  const response = fromBinary(DataResponseSchema, bytes);
  const chunks = split(response.frame, response.envelope, maxBytes, chunkId);
  return chunks?.map((chunk) => toBinary(DataResponseSchema, { ...response, ...chunk })) ?? null;
}

/** A DataPacket in chunks of at most `maxBytes` each; null where it has no binary frame or stream id. */
export function splitPacket(bytes: Uint8Array, maxBytes: number, chunkId: string): readonly Uint8Array[] | null {
  const packet = fromBinary(DataPacketSchema, bytes);
  const chunks = split(packet.frame, packet.envelope, maxBytes, chunkId);
  return chunks?.map((chunk) => toBinary(DataPacketSchema, { ...packet, ...chunk })) ?? null;
}

function split(
  frame: DataPacket["frame"],
  envelope: DataPacket["envelope"],
  maxBytes: number,
  chunkId: string,
): readonly Required<Pick<DataPacket, "frame" | "envelope">>[] | null {
  if (frame.case !== "binary" || envelope === undefined || envelope.streamId === "") return null;
  const body = frame.value.payload;
  const size = maxBytes - Math.min(headerBytes, maxBytes >>> 1);
  const chunkCount = Math.ceil(body.length / size);
  if (chunkCount < 1 || chunkCount > chunkLimits.maxCount || body.length > chunkLimits.maxTotalBytes) return null;
  const { streamId, sequence, partition } = envelope;
  return Array.from({ length: chunkCount }, (_, chunkIndex) => {
    const payload = body.subarray(chunkIndex * size, (chunkIndex + 1) * size);
    return {
      frame: { case: "binary", value: { ...frame.value, payload } },
      envelope: create(StreamEnvelopeSchema, {
        streamId,
        sequence,
        partition,
        chunkId,
        chunkIndex,
        chunkCount,
        chunkBytes: payload.length,
        totalBytes: body.length,
      }),
    };
  });
}
