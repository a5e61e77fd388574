/** A stream without a connection: decodes what the hub writes, and is writable for as long as a test says. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ProcessRequestSchema, type ProcessResponse, ProcessResponseSchema } from "../../gen/transport/v1/hub_pb.ts";
import type { TransportError } from "../../src/contract/errors.ts";
import { field, join } from "../../src/delivery/encode.ts";
import type { Packet } from "../../src/delivery/packet.ts";
import type { StreamPort } from "../../src/hub/port.ts";
import type { Session } from "../../src/hub/session.ts";

export class FakePort implements StreamPort {
  writable = true;
  /** Undefined while the stream is open. */
  ended: TransportError | null | undefined = undefined;
  resumes = 0;
  readonly responses: ProcessResponse[] = [];
  #batch: Uint8Array[] = [];

  write(packet: Packet, suffix: Uint8Array): void {
    const parts = packet.parts ?? [packet.buffer.subarray(packet.start, packet.end)];
    this.#batch.push(field(1, join([...parts, suffix])));
  }

  writeEncoded(response: Uint8Array): void {
    this.#batch.push(response);
  }

  flush(): void {
    for (const bytes of this.#batch.splice(0)) this.responses.push(fromBinary(ProcessResponseSchema, bytes));
  }

  resume(): void {
    this.resumes++;
  }

  end(error: TransportError | null): void {
    this.flush();
    this.writable = false;
    this.ended ??= error;
  }

  /** Message ids of the packets that arrived. */
  get ids(): string[] {
    return this.responses.flatMap((each) => each.packet?.metadata["id"] ?? []);
  }
}

/** Sends a request as one chunk; answers whether reading goes on. */
export function send(session: Session, request: MessageInitShape<typeof ProcessRequestSchema>): boolean {
  return sendBytes(session, toBinary(ProcessRequestSchema, create(ProcessRequestSchema, request)));
}

export function sendBytes(session: Session, bytes: Uint8Array): boolean {
  session.startChunk();
  const goesOn = session.receive(bytes, 0, bytes.length);
  session.endOfChunk();
  return goesOn;
}

/** A small packet with an id and a payload. */
export function packet(id: string, payload: Record<string, number | string> = { n: 1 }) {
  return { packet: { metadata: { id }, payload } };
}
