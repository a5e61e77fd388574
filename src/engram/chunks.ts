/** Packets that come in chunks, put together (data-plane 3.2, 6.10 rule 14). */
import { clone, create } from "@bufbuild/protobuf";
import {
  type DataResponse,
  DataResponseSchema,
  type StreamEnvelope,
  StreamEnvelopeSchema,
} from "../../gen/transport/v1/transport_pb.ts";
import { chunkLimits } from "../contract/bounds.ts";
import { TransportError } from "../contract/errors.ts";

const idleMs = 120_000;
const maxAssemblies = 256;

interface Assembly {
  /** The packet as its first chunk had it. */
  readonly first: DataResponse;
  readonly count: number;
  readonly parts: Map<number, Uint8Array>;
  bytes: number;
  lastMs: number;
}

export class Chunks {
  readonly #open = new Map<string, Assembly>();
  #bytes = 0;

  /** The whole packet where `response` is one or completes one, else null. Throws `InvalidPacket` naming the fault. */
  add(response: DataResponse, nowMs: number): DataResponse | null {
    const { envelope, frame } = response;
    if (envelope === undefined || !isChunk(envelope)) return response;
    const { streamId, partition, chunkId, chunkIndex, chunkCount, chunkBytes, totalBytes } = envelope;
    if (chunkId === "" || streamId === "" || chunkIndex >= chunkCount) refuse("its chunk fields do not fit together");
    if (frame.case !== "binary") refuse("it has no binary frame");
    const part = frame.value.payload;
    if (chunkBytes > 0 && chunkBytes !== part.length) refuse(`${part.length} bytes instead of ${chunkBytes}`);
    this.#forget(nowMs);
    const key = `${streamId}|${partition}|${chunkId}`;
    const assembly = this.#open.get(key) ?? this.#begin(key, response, chunkCount, nowMs);
    assembly.lastMs = nowMs;
    if (assembly.count !== chunkCount) refuse(`${chunkCount} chunks, ${assembly.count} were said before`);
    if (assembly.parts.has(chunkIndex)) return null;
    if (this.#bytes + part.length > chunkLimits.maxTotalBytes) {
      refuse(`more than ${chunkLimits.maxTotalBytes} bytes wait for their rest`);
    }
    assembly.parts.set(chunkIndex, part);
    assembly.bytes += part.length;
    this.#bytes += part.length;
    if (assembly.parts.size < chunkCount) return null;
    this.#close(key, assembly);
    if (totalBytes > 0 && totalBytes !== assembly.bytes) {
      refuse(`${assembly.bytes} bytes in all instead of ${totalBytes}`);
    }
    return join(assembly);
  }

  #begin(key: string, first: DataResponse, count: number, lastMs: number): Assembly {
    if (this.#open.size >= maxAssemblies) refuse(`${maxAssemblies} packets wait for their rest`);
    const assembly = { first, count, parts: new Map<number, Uint8Array>(), bytes: 0, lastMs };
    this.#open.set(key, assembly);
    return assembly;
  }

  #forget(nowMs: number): void {
    for (const [key, assembly] of this.#open) if (nowMs - assembly.lastMs > idleMs) this.#close(key, assembly);
  }

  #close(key: string, assembly: Assembly): void {
    this.#open.delete(key);
    this.#bytes -= assembly.bytes;
  }
}

function isChunk({ chunkId, chunkIndex, chunkCount, chunkBytes, totalBytes }: StreamEnvelope): boolean {
  return chunkId !== "" || chunkIndex > 0 || chunkCount > 0 || chunkBytes > 0 || totalBytes > 0;
}

function join({ first, count, parts, bytes }: Assembly): DataResponse {
  const payload = new Uint8Array(bytes);
  let at = 0;
  for (let index = 0; index < count; index++) {
    const part = parts.get(index)!; // all are there
    payload.set(part, at);
    at += part.length;
  }
  const whole = clone(DataResponseSchema, first);
  if (whole.frame.case === "binary") whole.frame.value.payload = payload;
  const { streamId, sequence, partition } = first.envelope!; // only chunked packets come here
  whole.envelope = create(StreamEnvelopeSchema, { streamId, sequence, partition });
  return whole;
}

function refuse(what: string): never {
  throw new TransportError("InvalidPacket", `chunk of a packet: ${what}`);
}
