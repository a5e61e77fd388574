/** Messages of protobuf-es at the door of calls that carry bytes. */
import { type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { TransportError } from "../../contract/errors.ts";
import type { Call, CallOptions, Method } from "./call.ts";
import type { GrpcChannel } from "./channel.ts";

/** `/package.Service/Method`. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** The message at `bytes[start, end)`. Throws `InvalidPacket` naming its type. */
export function decode<D extends DescMessage>(
  schema: D,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): MessageShape<D> {
  try {
    return fromBinary(schema, bytes.subarray(start, end));
  } catch (cause) {
    throw new TransportError("InvalidPacket", `${schema.typeName} does not parse`, {}, { cause });
  }
}

/** Calls a unary method. Rejects as `GrpcChannel.unary` does. */
export async function callUnary<M extends DescMethod & { readonly methodKind: "unary" }>(
  channel: GrpcChannel,
  method: M,
  request: MessageShape<M["input"]>,
  options?: CallOptions,
): Promise<MessageShape<M["output"]>> {
  const response = await channel.unary(pathOf(method), toBinary(method.input, request), options);
  return decode<M["output"]>(method.output, response);
}

/** A unary method of a server whose messages are typed. */
export function unaryMethod<M extends DescMethod & { readonly methodKind: "unary" }>(
  method: M,
  handle: (
    request: MessageShape<M["input"]>,
    call: Call,
    signal: AbortSignal,
  ) => Promise<MessageShape<M["output"]>> | MessageShape<M["output"]>,
): Method {
  return {
    kind: "unary",
    handle: async (bytes, call, signal) =>
      toBinary(method.output, await handle(decode<M["input"]>(method.input, bytes), call, signal)),
  };
}
