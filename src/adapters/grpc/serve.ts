/**
 * gRPC methods on our own framing: picks the method of a stream and refuses what is not gRPC.
 * Other protocols and methods of a port that serves more are handed on before they come here.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { TransportError } from "../../contract/errors.ts";
import type { Log } from "../../contract/runtime.ts";
import type { Method, Methods, ServerStream, ServerStreamEvents } from "./call.ts";
import { grpcCodes } from "./codes.ts";
import { endWithResponse } from "../http/half-open.ts";
import { ServerCall, type ServerCallDeps } from "./server-call.ts";
import { isGrpcType, outcomeOf } from "./status.ts";
import { takeOne } from "./unary.ts";

export interface ServeDeps extends ServerCallDeps {
  readonly log: Log;
}

/** Whether a request is gRPC with bytes that nothing of ours has to undo: the proto codec, not compressed. */
export function isPlainGrpc(headers: IncomingHttpHeaders): boolean {
  return headers[":method"] === "POST" && isGrpcType(headers["content-type"]) && isIdentity(headers["grpc-encoding"]);
}

/** Serves one stream until it ends: by the method of its path, or with the status or HTTP status of its fault. */
export function serveGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, methods: Methods, deps: ServeDeps) {
  if (headers[":method"] !== "POST") return refuse(stream, 405, { allow: "POST" });
  if (!isGrpcType(headers["content-type"])) return refuse(stream, 415, { "accept-post": "application/grpc" });
  const call = new ServerCall(stream, headers, deps);
  const method = Object.hasOwn(methods, call.path) ? methods[call.path]! : null;
  const encoding = headers["grpc-encoding"];
  if (method === null) call.end({ code: grpcCodes.Unimplemented, message: `no method ${call.path}` });
  else if (!isIdentity(encoding)) {
    call.end({ code: grpcCodes.Unimplemented, message: `grpc-encoding ${encoding} is not known, only identity` });
  } else {
    try {
      call.open(method.kind === "stream" ? (each) => method.open(each) : (each) => openUnary(each, method, deps.log));
    } catch (error) {
      endWith(call, error, deps.log);
    }
  }
}

function openUnary(stream: ServerStream, method: Method & { kind: "unary" }, log: Log): ServerStreamEvents {
  const abort = new AbortController();
  const answer = async (request: Uint8Array) => {
    try {
      stream.write(await method.handle(request, stream, abort.signal));
      stream.end(null);
    } catch (error) {
      endWith(stream, error, log);
    }
  };
  return {
    ...takeOne(stream, (request) => void answer(request)),
    closed(isReset) {
      if (isReset) abort.abort(new TransportError("Aborted", "nobody waits for the response any more"));
    },
  };
}

function endWith(stream: ServerStream, error: unknown, log: Log): void {
  const outcome = outcomeOf(error);
  if (!(outcome instanceof TransportError)) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    log.error("method failed", { path: stream.path, reason: message, stack });
  }
  stream.end(outcome);
}

function isIdentity(encoding: string | string[] | undefined): boolean {
  return encoding === undefined || encoding === "identity";
}

/** An HTTP answer for what is not gRPC, with a line for a person who tried the port by hand. */
function refuse(stream: ServerHttp2Stream, status: number, headers: Readonly<Record<string, string>>): void {
  stream.on("error", () => {});
  endWithResponse(stream);
  stream.respond({ ":status": status, "content-type": "text/plain", ...headers });
  stream.end(notGrpc);
  stream.resume();
}

/** What a port of ours says to an HTTP request that is no call of a method it knows. */
export const notGrpc = "this port speaks gRPC\n";
