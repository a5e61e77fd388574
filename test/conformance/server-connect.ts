// The suite's service on the Connect adapter.

import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { header } from "./echo.ts";
import { ConformanceService, type Header } from "./gen/connectrpc/conformance/v1/conformance_pb.ts";
import { allOf, Inbox } from "./inbox.ts";
import { Refused, service, type ServiceMethod } from "./service.ts";

type Messages<D extends DescMessage> = AsyncIterable<MessageShape<D>>;

export function connectRoutes(router: ConnectRouter): void {
  const { unary, clientStream, serverStream, bidiStream } = ConformanceService.method;
  router.service(ConformanceService, {
    unary: (request, context) => last(answer(service.Unary, unary, only(request), context)),
    clientStream: (requests, context) => last(answer(service.ClientStream, clientStream, requests, context)),
    serverStream: (request, context) => answer(service.ServerStream, serverStream, only(request), context),
    bidiStream: (requests, context) => answer(service.BidiStream, bidiStream, requests, context),
  });
}

async function* answer<I extends DescMessage, O extends DescMessage>(
  run: ServiceMethod,
  method: { readonly input: I; readonly output: O },
  requests: Messages<I>,
  context: HandlerContext,
): AsyncGenerator<MessageShape<O>> {
  const responses = new Inbox<Uint8Array>();
  let failure: unknown = null;
  const timeoutMs = context.timeoutMs();
  run({
    seen: {
      headers: [...context.requestHeader].map(([name, value]) => header(name, value)),
      timeoutMs: timeoutMs ?? null,
    },
    requests: encoded(method.input, requests),
    headers: (all) => append(context.responseHeader, all),
    trailers: (all) => append(context.responseTrailer, all),
    // the adapter sends them with the first message
    sendHeaders() {},
    respond: (response) => responses.push(response),
  }).catch((error: unknown) => failure = error).finally(() => responses.end());
  for await (const response of responses) yield fromBinary(method.output, response);
  if (failure !== null) throw toConnectError(failure);
}

function toConnectError(error: unknown): unknown {
  if (!(error instanceof Refused)) return error;
  const connectError = new ConnectError(error.message, error.error.code);
  connectError.details = error.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return connectError;
}

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}

async function* encoded<D extends DescMessage>(schema: D, messages: Messages<D>): AsyncGenerator<Uint8Array> {
  for await (const message of messages) yield toBinary(schema, message);
}

async function last<T>(items: AsyncIterable<T>): Promise<T> {
  const all = await allOf(items);
  return all[all.length - 1]!;
}

function append(to: Headers, headers: readonly Header[]): void {
  for (const { name, value } of headers) for (const each of value) to.append(name, each);
}
