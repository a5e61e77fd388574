// The suite's service, once for every server: it is told how to answer by the requests themselves.

import { setTimeout as pause } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { anyOf, detailsOf, payload, requestInfo, type Seen } from "./echo.ts";
import {
  BidiStreamRequestSchema,
  BidiStreamResponseSchema,
  ClientStreamRequestSchema,
  ClientStreamResponseSchema,
  type ConformancePayload,
  type Error as ConformanceError,
  type Header,
  ServerStreamRequestSchema,
  ServerStreamResponseSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
  UnaryResponseSchema,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";
import { allOf } from "./inbox.ts";

/** The call as a server of any making gives it to the service. */
export interface ServiceCall {
  readonly seen: Seen;
  /** Encoded requests until the client ends its side. */
  readonly requests: AsyncIterable<Uint8Array>;
  /** Set before the first response. */
  headers(headers: readonly Header[]): void;
  /** Set before the end. */
  trailers(trailers: readonly Header[]): void;
  /** Sends the headers without waiting for a response. */
  sendHeaders(): void;
  respond(response: Uint8Array): void;
}

/** Ends a call in the way that the suite asked for. */
export class Refused extends Error {
  readonly error: ConformanceError;
  readonly details: readonly Any[];

  constructor(error: ConformanceError, details: readonly Any[]) {
    super(error.message);
    this.error = error;
    this.details = details;
  }
}

export type ServiceMethod = (call: ServiceCall) => Promise<void>;

/** By the name of the method; what is not here is not implemented. */
export const service = {
  async Unary(call) {
    const [bytes] = await allOf(call.requests);
    const request = fromBinary(UnaryRequestSchema, bytes!);
    const told = await one(call, request.responseDefinition, [anyOf(UnaryRequestSchema, bytes!)]);
    call.respond(toBinary(UnaryResponseSchema, create(UnaryResponseSchema, { payload: told })));
  },
  async ClientStream(call) {
    const all = await allOf(call.requests);
    const first = all[0] === undefined ? undefined : fromBinary(ClientStreamRequestSchema, all[0]);
    const told = await one(call, first?.responseDefinition, all.map((each) => anyOf(ClientStreamRequestSchema, each)));
    call.respond(toBinary(ClientStreamResponseSchema, create(ClientStreamResponseSchema, { payload: told })));
  },
  async ServerStream(call) {
    const [bytes] = await allOf(call.requests);
    const { responseDefinition } = fromBinary(ServerStreamRequestSchema, bytes!);
    begin(call, responseDefinition);
    const responses = new Responses(call, responseDefinition, (told) => {
      call.respond(toBinary(ServerStreamResponseSchema, create(ServerStreamResponseSchema, { payload: told })));
    });
    responses.take(anyOf(ServerStreamRequestSchema, bytes!));
    await responses.sendRest();
  },
  async BidiStream(call) {
    let responses: Responses | null = null;
    let isFullDuplex = false;
    for await (const bytes of call.requests) {
      if (responses === null) {
        const { responseDefinition, fullDuplex } = fromBinary(BidiStreamRequestSchema, bytes);
        isFullDuplex = fullDuplex;
        begin(call, responseDefinition);
        responses = new Responses(call, responseDefinition, (told) => {
          call.respond(toBinary(BidiStreamResponseSchema, create(BidiStreamResponseSchema, { payload: told })));
        });
      }
      responses.take(anyOf(BidiStreamRequestSchema, bytes));
      if (isFullDuplex && !await responses.sendNext()) break;
    }
    await responses?.sendRest();
  },
} as const satisfies Record<string, ServiceMethod>;

/** The one response of a definition. */
async function one(
  call: ServiceCall,
  definition: UnaryResponseDefinition | undefined,
  requests: Any[],
): Promise<ConformancePayload> {
  const info = requestInfo(call.seen, requests);
  if (definition === undefined) return payload(undefined, info);
  call.headers(definition.responseHeaders);
  call.trailers(definition.responseTrailers);
  await pause(definition.responseDelayMs);
  const { response } = definition;
  if (response.case === "error") throw new Refused(response.value, detailsOf(response.value, info));
  return payload(response.value, info);
}

function begin(call: ServiceCall, definition: StreamResponseDefinition | undefined): void {
  if (definition === undefined) return;
  call.headers(definition.responseHeaders);
  call.trailers(definition.responseTrailers);
  // one with nothing to send ends with its error: whether that has headers of its own is the server's choice
  if (definition.responseData.length > 0) call.sendHeaders();
}

/** The responses of a stream, each telling of the requests that came since the one before. */
class Responses {
  readonly #call: ServiceCall;
  readonly #definition: StreamResponseDefinition | undefined;
  readonly #respond: (told: ConformancePayload) => void;
  #untold: Any[] = [];
  #sent = 0;

  constructor(
    call: ServiceCall,
    definition: StreamResponseDefinition | undefined,
    respond: (told: ConformancePayload) => void,
  ) {
    this.#call = call;
    this.#definition = definition;
    this.#respond = respond;
  }

  take(request: Any): void {
    this.#untold.push(request);
  }

  /** Whether there was one left to send. */
  async sendNext(): Promise<boolean> {
    const data = this.#definition?.responseData[this.#sent];
    if (data === undefined) return false;
    await pause(this.#definition!.responseDelayMs);
    const isFirst = this.#sent++ === 0;
    const info = this.#untold.length > 0 ? requestInfo(isFirst ? this.#call.seen : null, this.#untold) : null;
    this.#untold = [];
    this.#respond(payload(data, info));
    return true;
  }

  /** All that are left, and then the definition's error. */
  async sendRest(): Promise<void> {
    while (await this.sendNext());
    const error = this.#definition?.error;
    if (error === undefined) return;
    const info = this.#sent === 0 ? requestInfo(this.#call.seen, this.#untold) : null;
    throw new Refused(error, detailsOf(error, info));
  }
}
