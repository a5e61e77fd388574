/** What an engram sends, made into what hub and peers take: renumbered, and judged by the wire's limits once. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { DataPacketSchema } from "../../gen/transport/v1/hub_pb.ts";
import { type DataRequest, DataRequestSchema } from "../../gen/transport/v1/transport_pb.ts";
import { validateMessage } from "../contract/bounds.ts";
import { join, varint } from "../delivery/encode.ts";
import { RequestScan, scanRequest, scanSparse } from "../delivery/scan.ts";
import { Slab } from "../delivery/slab.ts";
import { Fields, toPacketForm } from "./fields.ts";

/** A packet of the engram; one reused object, valid until the next read. */
export class EngramRequest {
  /** The ProcessRequest, in parts of which nobody writes any more. */
  parts: readonly Uint8Array[] = [];
  /** Length of its DataPacket. */
  size = 0;
  hasFrame = false;
  hasContent = false;
  isHeartbeat = false;
  isChunked = false;
  readonly #fields = new Fields();
  readonly #scan = new RequestScan();
  readonly #slab = new Slab();

  /** Reads the DataRequest at `bytes[start, end)`. Answers what is wrong with it, in field terms, or null. */
  read(bytes: Uint8Array, start: number, end: number): string | null {
    const fields = this.#fields;
    if (!fields.walk(bytes, start, end)) return this.#decode(bytes, start, end);
    this.size = end - start;
    const parts = toPacketForm(bytes, start, end, fields, this.#slab);
    const scan = this.#scan;
    const [head, bulk, tail] = parts;
    if (bulk === undefined) {
      const fault = scanRequest(head!, 0, head!.length, scan);
      if (fault !== null) return fault;
    } else {
      const ends = tail === undefined ? head! : join([head!, tail]);
      if (!scanSparse(ends, head!.length, bulk.length, scan)) return this.#decode(bytes, start, end);
    }
    this.isChunked = scan.isChunked;
    if (scan.unusual && !scan.isChunked) return this.#decode(bytes, start, end);
    this.#take(parts);
    return null;
  }

  /** The same, given as a DataPacket in one piece (a reassembled one). */
  readPacket(packet: Uint8Array): string | null {
    const request = join([packetPrefix(packet.length), packet]);
    const fault = scanRequest(request, 0, request.length, this.#scan);
    if (fault !== null) return fault;
    this.size = packet.length;
    this.isChunked = this.#scan.isChunked;
    this.#take([request]);
    return null;
  }

  #take(parts: readonly Uint8Array[]): void {
    this.parts = parts;
    this.hasFrame = this.#scan.lane !== 0;
    this.hasContent = this.#scan.hasContent;
    this.isHeartbeat = this.#scan.isHeartbeat;
  }

  /** The slow way: decoded, checked against every limit, encoded plainly. */
  #decode(bytes: Uint8Array, start: number, end: number): string | null {
    let request: DataRequest;
    try {
      request = fromBinary(DataRequestSchema, bytes.subarray(start, end));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    const violations = validateMessage(DataRequestSchema, request);
    if (violations.length > 0) return violations.map(({ field, message }) => `${field}: ${message}`).join("; ");
    const { $typeName: _, $unknown: __, ...same } = request;
    const packet = toBinary(DataPacketSchema, { $typeName: "transport.v1.DataPacket", ...same });
    const fault = this.readPacket(packet);
    // what is still unusual then is what a plain encoding holds as well: a chunk, or text of many bytes
    return fault;
  }
}

/** Tag and length of a ProcessRequest's packet. */
export function packetPrefix(size: number): Uint8Array {
  return join([Uint8Array.of(0x0a), varint(size)]);
}
