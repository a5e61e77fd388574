/** FlowControl on the wire: a message that carries nothing else, and what one says (data-plane 1.3, 6.7). */
import { fromBinary } from "@bufbuild/protobuf";
import { type FlowControl, FlowControlSchema } from "../../gen/transport/v1/transport_pb.ts";
import { field, join, varint } from "../delivery/encode.ts";

export interface FlowUpdate {
  /** Cumulative; 0: none. */
  readonly ack: number;
  /** By partition, sorted. */
  readonly partitionAcks: readonly (readonly [partition: string, ack: number])[];
  readonly messages: number;
  readonly bytes: number;
}

const utf8 = new TextEncoder();
const maxUint32 = 0xffff_ffff;

/** A ProcessRequest, or ProcessResponse, with only flow; both have it in field 2. */
export function flowMessage({ ack, partitionAcks, messages, bytes }: FlowUpdate): Uint8Array {
  const pieces: Uint8Array[] = [];
  const number = (fieldNumber: number, value: number) => {
    if (value > 0) pieces.push(Uint8Array.of(fieldNumber << 3), varint(value));
  };
  number(1, ack);
  number(2, Math.min(messages, maxUint32));
  number(3, Math.min(bytes, maxUint32));
  for (const [partition, acked] of partitionAcks) {
    pieces.push(field(6, join([field(1, utf8.encode(partition)), Uint8Array.of(0x10), varint(acked)])));
  }
  return field(2, join(pieces));
}

/** What the other end of a stream said of flow; null where it does not parse. */
export function readFlow(bytes: Uint8Array, start: number, end: number): FlowControl | null {
  try {
    return fromBinary(FlowControlSchema, bytes.subarray(start, end));
  } catch {
    return null;
  }
}
