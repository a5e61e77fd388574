/** Control messages that may wait for room: receipts. What is lost here the connector delivers, and asks for, again. */
import { toBinary } from "@bufbuild/protobuf";
import { type ControlRequest, ControlRequestSchema } from "../../gen/transport/v1/transport_pb.ts";
import type { Sink } from "./outbox.ts";

const maxWaiting = 4096;

export class Receipts {
  readonly #waiting: Uint8Array[] = [];
  #sink: Sink | null = null;

  /** A session stands, or null: none does. Receipts of a session that is gone are of no use to the next. */
  attach(sink: Sink | null): void {
    this.#sink = sink;
    this.#waiting.length = 0;
  }

  send(message: ControlRequest): void {
    if (this.#sink === null) return;
    const bytes = toBinary(ControlRequestSchema, message);
    if (this.#waiting.length === 0 && this.#sink.writable) this.#sink.write(bytes);
    else if (this.#waiting.length < maxWaiting) this.#waiting.push(bytes);
  }

  /** Sends what waits as far as it is taken. */
  drain(): void {
    while (this.#sink?.writable && this.#waiting.length > 0) this.#sink.write(this.#waiting.shift()!);
  }
}
