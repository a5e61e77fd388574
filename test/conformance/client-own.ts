// The suite's calls on the client side of our own framing.

import { setTimeout as pause } from "node:timers/promises";
import { Buffer } from "node:buffer";
import { create, fromBinary } from "@bufbuild/protobuf";
import type { CallStatus, ClientStreamEvents, Metadata } from "../../src/adapters/grpc/call.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { expectOne } from "../../src/adapters/grpc/unary.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { header } from "./echo.ts";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
  ErrorSchema,
  type Header,
  StatusDetailsSchema,
  StreamType,
} from "./gen/connectrpc/conformance/v1/conformance_pb.ts";
import { Inbox } from "./inbox.ts";
import { payloadOf } from "./client-request.ts";

/** Makes the call that the suite asks for and tells what came of it. */
export async function callOwn(request: ClientCompatRequest): Promise<ClientResponseResult> {
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
  const channel = new GrpcChannel({
    address: `${request.host}:${request.port}`,
    tls: request.serverTlsCert.length === 0 ? null : {
      ca: text(request.serverTlsCert),
      cert: text(request.clientTlsCreds?.cert),
      key: text(request.clientTlsCreds?.key),
    },
    clock: systemClock,
    maxReceiveBytes: request.messageReceiveLimit || undefined,
  });
  try {
    return await call(channel, request);
  } finally {
    await channel.close();
  }
}

async function call(channel: GrpcChannel, request: ClientCompatRequest): Promise<ClientResponseResult> {
  const responses = new Inbox<Uint8Array>();
  const over = Promise.withResolvers<CallStatus>();
  let headers: Metadata = {};
  const takesOne = request.streamType === StreamType.UNARY || request.streamType === StreamType.CLIENT_STREAM;
  const end = (status: CallStatus) => {
    over.resolve(status);
    responses.end();
  };
  const events: ClientStreamEvents = takesOne
    ? expectOne((result) => {
      headers = result.headers;
      if (result.message !== null) responses.push(result.message);
      end(result.status);
    })
    : {
      headers: (metadata) => headers = metadata,
      message(bytes, from, to) {
        responses.push(bytes.subarray(from, to));
        return true;
      },
      end,
    };
  let isOver = false;
  void over.promise.then(() => isOver = true);
  const path = `/${request.service}/${request.method}`;
  const metadata = Object.fromEntries(request.requestHeaders.map(({ name, value }) => [name.toLowerCase(), value]));
  const stream = channel.stream(path, { metadata, timeoutMs: request.timeoutMs }, events);
  const timing = request.cancel?.cancelTiming ?? { case: undefined };
  const received: Uint8Array[] = [];
  const take = async () => {
    const response = await responses.next();
    if (response === null) return false;
    received.push(response);
    if (timing.case === "afterNumResponses" && received.length === timing.value) stream.cancel();
    return true;
  };
  let unsent = 0;
  for (const [i, message] of request.requestMessages.entries()) {
    if (request.streamType !== StreamType.UNARY && request.streamType !== StreamType.SERVER_STREAM) {
      await pause(request.requestDelayMs);
    }
    if (isOver) {
      unsent = request.requestMessages.length - i;
      break;
    }
    stream.write(message.value);
    if (request.streamType === StreamType.FULL_DUPLEX_BIDI_STREAM) await take();
  }
  if (timing.case === "beforeCloseSend") stream.cancel();
  stream.halfClose();
  if (timing.case === "afterCloseSendMs") setTimeout(() => stream.cancel(), timing.value);
  while (await take());
  return result(await over.promise, headers, received, unsent);
}

function result(status: CallStatus, headers: Metadata, received: readonly Uint8Array[], unsent: number) {
  const packed = status.trailers["grpc-status-details-bin"];
  const details = packed === undefined
    ? []
    : fromBinary(StatusDetailsSchema, Buffer.from(`${packed}`, "base64")).details;
  return create(ClientResponseResultSchema, {
    responseHeaders: toHeaders(headers),
    responseTrailers: toHeaders(status.trailers),
    payloads: received.map(payloadOf),
    error: status.code === 0 ? undefined : create(ErrorSchema, { code: status.code, message: status.message, details }),
    numUnsentRequests: unsent,
  });
}

function toHeaders(metadata: Metadata): Header[] {
  return Object.entries(metadata).map(([name, value]) => header(name, ...[value].flat()));
}
