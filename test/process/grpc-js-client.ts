/** @grpc/grpc-js as a client of Process, with our generated messages as its codec. */
import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { ProcessRequestSchema, type ProcessResponse, ProcessResponseSchema } from "../../gen/transport/v1/hub_pb.ts";
import { processPath } from "../../src/adapters/http/process-stream.ts";
import { reasonHeader } from "../../src/adapters/grpc/status.ts";
import type { Call, CallStatus, ClientKind, RequestInit } from "./client.ts";

/** Responses that may wait for `read`. */
const readAhead = 4;

export const grpcJs: ClientKind = {
  name: "grpc-js",
  connect(address, tls) {
    const client = new grpc.Client(
      address,
      tls === null
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert)),
      {
        "grpc.max_receive_message_length": -1,
        "grpc.use_local_subchannel_pool": 1,
        // it would send the address as the TLS server name, which Node refuses
        "grpc.ssl_target_name_override": "localhost",
      },
    );
    const calls = new Set<Call>();
    return {
      call(headers, timeoutMs) {
        const call = new GrpcJsCall(client, headers, timeoutMs);
        calls.add(call);
        return call;
      },
      close() {
        for (const call of calls) call.cancel();
        client.close();
      },
    };
  },
};

class GrpcJsCall implements Call {
  readonly #stream: grpc.ClientDuplexStream<RequestInit, ProcessResponse>;
  readonly #responses: ProcessResponse[] = [];
  #status: CallStatus | null = null;
  readonly #over = Promise.withResolvers<void>();
  #wake: () => void = () => {};

  constructor(client: grpc.Client, headers: Readonly<Record<string, string>>, timeoutMs: number | undefined) {
    const metadata = new grpc.Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const stream = client.makeBidiStreamRequest<RequestInit, ProcessResponse>(
      processPath,
      (request) => Buffer.from(toBinary(ProcessRequestSchema, create(ProcessRequestSchema, request))),
      (bytes) => fromBinary(ProcessResponseSchema, bytes),
      metadata,
      timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
    );
    this.#stream = stream;
    stream.on("data", (response: ProcessResponse) => {
      this.#responses.push(response);
      if (this.#responses.length >= readAhead) stream.pause();
      this.#wake();
    });
    stream.on("status", ({ code, details, metadata }: grpc.StatusObject) => {
      this.#status = { code, message: details, reason: metadata.get(reasonHeader)[0]?.toString() ?? null };
      this.#over.resolve();
      this.#wake();
    });
    // the status says the same
    stream.on("error", () => {});
  }

  send(request: RequestInit): Promise<void> {
    if (this.#status !== null) return Promise.resolve();
    const written = new Promise<void>((resolve) => this.#stream.write(request, () => resolve()));
    return Promise.race([written, this.#over.promise]);
  }

  endSending(): void {
    this.#stream.end();
  }

  cancel(): void {
    this.#stream.cancel();
  }

  async read(): Promise<ProcessResponse | CallStatus> {
    for (;;) {
      const response = this.#responses.shift();
      if (response !== undefined) return response;
      this.#stream.resume();
      if (this.#status !== null) return this.#status;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
