/** Exactly one message where a stream could carry any number: the response of a client's call, a server's request. */
import type { CallStatus, ClientStreamEvents, Metadata, ServerStream, ServerStreamEvents } from "./call.ts";
import { grpcCodes } from "./codes.ts";
import { localStatus } from "./status.ts";

export interface UnaryResult {
  /** Absent where the status is not OK. */
  readonly message: Uint8Array | null;
  readonly headers: Metadata;
  /** Unimplemented where the server said OK with no message or with several, which is another kind of method. */
  readonly status: CallStatus;
}

/** Events of a call that is answered by one message; `settle` is called once. */
export function expectOne(settle: (result: UnaryResult) => void): ClientStreamEvents {
  let headers: Metadata = {};
  let message: Uint8Array | null = null;
  let count = 0;
  return {
    headers(metadata) {
      headers = metadata;
    },
    message(bytes, start, end) {
      message = bytes.subarray(start, end);
      count++;
      return true;
    },
    end(status) {
      if (status.code !== grpcCodes.Ok) settle({ message: null, headers, status });
      else if (count === 1) settle({ message, headers, status });
      else {
        const { code, message: text, reason } = localStatus(
          grpcCodes.Unimplemented,
          `${count} messages instead of one`,
        );
        settle({ message: null, headers, status: { code, message: text, reason, trailers: status.trailers } });
      }
    },
  };
}

/**
 * Events of a server's call that takes one message: `take` is called with it once the client has ended its side. None or
 * several end the call as Unimplemented, which is another kind of method.
 */
export function takeOne(
  stream: ServerStream,
  take: (message: Uint8Array) => void,
): Pick<ServerStreamEvents, "message" | "halfClosed"> {
  let message: Uint8Array | null = null;
  const refuse = (text: string) => stream.end({ code: grpcCodes.Unimplemented, message: `${stream.path}: ${text}` });
  return {
    message(bytes, start, end) {
      if (message !== null) refuse("more than one message");
      message = bytes.subarray(start, end);
      return true;
    },
    halfClosed() {
      if (message === null) refuse("no message");
      else take(message);
    },
  };
}
