// The suite's calls on connect-node.

import { setTimeout as pause } from "node:timers/promises";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { payloadOf } from "./client-request.ts";
import { anyOf, header } from "./echo.ts";
import {
  BidiStreamRequestSchema,
  BidiStreamResponseSchema,
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
  ClientStreamRequestSchema,
  ClientStreamResponseSchema,
  ConformanceService,
  type Error as ConformanceError,
  ErrorSchema,
  type Header,
  ServerStreamRequestSchema,
  ServerStreamResponseSchema,
  StreamType,
  UnaryRequestSchema,
  UnaryResponseSchema,
  UnimplementedRequestSchema,
  UnimplementedResponseSchema,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";

/** Makes the call that the suite asks for and tells what came of it. */
export async function callConnect(request: ClientCompatRequest): Promise<ClientResponseResult> {
  const client = clientOf(request);
  const cancel = new AbortController();
  const timing = request.cancel?.cancelTiming ?? { case: undefined };
  const result = create(ClientResponseResultSchema);
  const headers = new Headers();
  for (const { name, value } of request.requestHeaders) for (const each of value) headers.append(name, each);
  const options: CallOptions = {
    headers,
    timeoutMs: request.timeoutMs,
    signal: cancel.signal,
    onHeader: (all) => result.responseHeaders = toHeaders(all),
    onTrailer: (all) => result.responseTrailers = toHeaders(all),
  };
  let wake = () => {};
  let isOver = false;
  const cancelAfter = () => {
    if (timing.case === "afterCloseSendMs") setTimeout(() => cancel.abort(), timing.value);
  };
  const only = <D extends DescMessage>(schema: D) => {
    cancelAfter();
    return fromBinary(schema, request.requestMessages[0]!.value);
  };
  async function* messages<D extends DescMessage>(schema: D): AsyncGenerator<MessageShape<D>> {
    for (const [i, message] of request.requestMessages.entries()) {
      await pause(request.requestDelayMs);
      yield fromBinary(schema, message.value);
      if (request.streamType !== StreamType.FULL_DUPLEX_BIDI_STREAM) continue;
      while (result.payloads.length <= i && !isOver) await new Promise<void>((resolve) => wake = resolve);
    }
    if (timing.case === "beforeCloseSend") cancel.abort();
    else cancelAfter();
  }
  const take = <D extends DescMessage>(schema: D, response: MessageShape<D>) => {
    result.payloads.push(payloadOf(toBinary(schema, response)));
    wake();
    if (timing.case === "afterNumResponses" && result.payloads.length === timing.value) cancel.abort();
  };

  try {
    switch (request.method) {
      case "Unary":
        take(UnaryResponseSchema, await client.unary(only(UnaryRequestSchema), options));
        break;
      case "Unimplemented":
        take(UnimplementedResponseSchema, await client.unimplemented(only(UnimplementedRequestSchema), options));
        break;
      case "ClientStream":
        take(ClientStreamResponseSchema, await client.clientStream(messages(ClientStreamRequestSchema), options));
        break;
      case "ServerStream":
        for await (const response of client.serverStream(only(ServerStreamRequestSchema), options)) {
          take(ServerStreamResponseSchema, response);
        }
        break;
      case "BidiStream":
        for await (const response of client.bidiStream(messages(BidiStreamRequestSchema), options)) {
          take(BidiStreamResponseSchema, response);
        }
        break;
      default:
        throw new Error(`no method ${request.method}`);
    }
  } catch (error) {
    result.error = toError(error);
    if (result.responseTrailers.length === 0) result.responseTrailers = toHeaders(ConnectError.from(error).metadata);
  } finally {
    isOver = true;
    wake();
  }
  return result;
}

function clientOf({ host, port, serverTlsCert, clientTlsCreds, messageReceiveLimit }: ClientCompatRequest) {
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
  const isSecure = serverTlsCert.length > 0;
  const tls = { ca: text(serverTlsCert), cert: text(clientTlsCreds?.cert), key: text(clientTlsCreds?.key) };
  const transport = createGrpcTransport({
    baseUrl: `${isSecure ? "https" : "http"}://${host}:${port}`,
    nodeOptions: isSecure ? tls : {},
    acceptCompression: [],
    readMaxBytes: messageReceiveLimit || undefined,
    idleConnectionTimeoutMs: 100,
  });
  return createClient(ConformanceService, transport);
}

function toError(error: unknown): ConformanceError {
  const { code, rawMessage, details } = ConnectError.from(error);
  return create(ErrorSchema, {
    code,
    message: rawMessage,
    details: details.map((detail) =>
      "desc" in detail
        ? anyOf(detail.desc, toBinary(detail.desc, create(detail.desc, detail.value)))
        : { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }
    ),
  });
}

function toHeaders(headers: Headers): Header[] {
  return [...headers].map(([name, value]) => header(name, value));
}
