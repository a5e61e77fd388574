/**
 * From the bytes of Data to packets for the engram: whole, each once, and what is owed for each
 * (data-plane 6.10 rule 13). It outlives sessions, so that a packet that is delivered again is known.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { DataRequestSchema, type DataResponse, DataResponseSchema } from "../../gen/transport/v1/transport_pb.ts";
import { decode } from "../adapters/grpc/codec.ts";
import { validateMessage } from "../contract/bounds.ts";
import { TransportError } from "../contract/errors.ts";
import type { Clock } from "../contract/runtime.ts";
import { Chunks } from "./chunks.ts";
import { receipt } from "./control.ts";
import { decodePacket } from "./decode.ts";
import { Dedupe, dedupeKey } from "./dedupe.ts";
import type { Inbox } from "./inbox.ts";
import type { Receipts } from "./receipts.ts";

export class Receiver {
  readonly #inbox: Inbox;
  readonly #receipts: Receipts;
  readonly #clock: Clock;
  readonly #dedupe = new Dedupe();
  #chunks = new Chunks();

  constructor(inbox: Inbox, receipts: Receipts, clock: Clock) {
    this.#inbox = inbox;
    this.#receipts = receipts;
    this.#clock = clock;
  }

  /** Chunks of an earlier session come again from their first. */
  reset(): void {
    this.#chunks = new Chunks();
  }

  /** Takes a DataResponse. Answers whether there is room for more; throws `InvalidPacket`, which ends the session. */
  receive(bytes: Uint8Array, start: number, end: number): boolean {
    // what is handed on outlives the buffer that it came in
    const own = Uint8Array.from(bytes.subarray(start, end));
    const response = decode(DataResponseSchema, own);
    const [violation] = validateMessage(DataResponseSchema, response);
    if (violation !== undefined) {
      throw new TransportError("InvalidPacket", `packet of the connector: ${violation.field}: ${violation.message}`);
    }
    const whole = this.#chunks.add(response, this.#clock.monotonicMs());
    if (whole === null) return true;
    const key = dedupeKey(whole);
    const done = () => {
      this.#dedupe.complete(key);
      this.#owe(whole, whole === response ? own.length : null);
    };
    const before = this.#dedupe.arrive(key);
    if (before === "pending") return true;
    if (before === "completed") {
      this.#owe(whole, whole === response ? own.length : null);
      return true;
    }
    const packet = decodePacket(whole);
    if (packet !== null) return this.#inbox.push(packet, done);
    done();
    return true;
  }

  /** Owes a receipt for a sequenced packet; `size` where it is known, else it is measured as a DataRequest. */
  #owe(response: DataResponse, size: number | null): void {
    const { envelope } = response;
    if (envelope === undefined || envelope.sequence === 0n) return;
    const { streamId, sequence, partition } = envelope;
    const sizeBytes = size ?? sizeAsRequest(response);
    this.#receipts.send(receipt(streamId, sequence, partition, sizeBytes));
  }
}

/** Both messages have one numbering (data-plane 1.3). */
function sizeAsRequest({ frame, metadata, payload, inputs, transports, envelope }: DataResponse): number {
  const request = create(DataRequestSchema, { frame, metadata, payload, inputs, transports, envelope });
  return toBinary(DataRequestSchema, request).length;
}
