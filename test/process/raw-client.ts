/** Process over node:http2 by hand, for what no library would do. */
import { Buffer } from "node:buffer";
import * as http2 from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ProcessRequestSchema, ProcessResponseSchema } from "../../gen/transport/v1/hub_pb.ts";
import { processPath } from "../../src/adapters/http/process-stream.ts";
import { Signal } from "../support/deadline.ts";
import { identity, isHeartbeat, type RequestInit } from "./client.ts";

/** A gRPC message: flag, length, bytes. */
export function frame(bytes: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A framed ProcessRequest. */
export function request(init: RequestInit): Buffer {
  return frame(toBinary(ProcessRequestSchema, create(ProcessRequestSchema, init)));
}

/** One call: headers, trailers and how it ended as they came, and the ids of the packets so far without heartbeats. */
export class RawCall {
  readonly stream: http2.ClientHttp2Stream;
  readonly packets: string[] = [];
  headers: http2.IncomingHttpHeaders | null = null;
  trailers: http2.IncomingHttpHeaders | null = null;
  isClosed = false;
  error: Error | null = null;
  readonly signal = new Signal();
  #received = Buffer.alloc(0);

  constructor(session: http2.ClientHttp2Session, step: string, more: http2.OutgoingHttpHeaders = {}) {
    this.stream = session.request({
      ":method": "POST",
      ":path": processPath,
      "content-type": "application/grpc",
      te: "trailers",
      ...identity(step),
      ...more,
    }, { endStream: false });
    this.stream.on("response", (headers) => {
      this.headers = headers;
      this.signal.notify();
    });
    this.stream.on("trailers", (trailers) => {
      this.trailers = trailers;
      this.signal.notify();
    });
    this.stream.on("close", () => {
      this.isClosed = true;
      this.signal.notify();
    });
    this.stream.on("error", (error: Error) => {
      this.error = error;
      this.signal.notify();
    });
  }

  /** Reads from now on. */
  read(): this {
    this.stream.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      while (this.#received.length >= 5 && this.#received.length >= 5 + this.#received.readUInt32BE(1)) {
        const end = 5 + this.#received.readUInt32BE(1);
        const { packet } = fromBinary(ProcessResponseSchema, this.#received.subarray(5, end));
        if (!isHeartbeat(packet)) this.packets.push(packet?.metadata["id"] ?? "(no id)");
        this.#received = this.#received.subarray(end);
      }
      this.signal.notify();
    });
    return this;
  }

  /** `code message` of the call's status, wherever it came. */
  status(): Promise<string> {
    return this.signal.until("a status", () => {
      const found = this.trailers ?? this.headers;
      const code = found?.["grpc-status"];
      return code === undefined ? null : `${code} ${decodeURIComponent(String(found?.["grpc-message"] ?? ""))}`;
    });
  }

  /** Settles once `count` packets have arrived; answers their ids. */
  ids(count: number): Promise<readonly string[]> {
    return this.signal.until(`${count} packets`, () => this.packets.length >= count && this.packets);
  }
}

/** Connects in cleartext; `await using` closes it. */
export function rawSession(address: string): http2.ClientHttp2Session & Disposable {
  const session = http2.connect(`http://${address}`, { maxSessionMemory: 100 });
  session.on("error", () => {});
  return Object.assign(session, { [Symbol.dispose]: () => session.close() });
}
