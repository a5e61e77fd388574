/**
 * Translates reasons to RPC codes, once: the Connect adapter and the fast path of `Process` use the same table.
 * The reason itself travels beside the code as metadata, so that a client never has to read a message.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { isTransportError, type Reason, type TransportError } from "../../contract/errors.ts";
import { codeOfReason } from "../grpc/codes.ts";
import { reasonHeader } from "../grpc/status.ts";

/** The RPC code of each reason; the number is the gRPC status code. */
export const codes: Readonly<Record<Reason, Code>> = codeOfReason;

/** How a call ends: the gRPC status code, its message and, where the failure has one, the reason. */
export interface RpcStatus {
  readonly code: Code;
  readonly message: string;
  readonly reason: Reason | null;
}

/**
 * The status that a peer gets for `error`, whatever was thrown. A failure of our own is `Internal` without its text,
 * which may hold what a peer must not see.
 */
export function statusOf(error: unknown): RpcStatus {
  if (isTransportError(error)) return { code: codes[error.reason], message: error.message, reason: error.reason };
  if (error instanceof ConnectError) return { code: error.code, message: error.rawMessage, reason: null };
  if (isNamed(error, "AbortError")) return { code: Code.Canceled, message: "call cancelled", reason: "Aborted" };
  if (isNamed(error, "TimeoutError")) {
    return { code: Code.DeadlineExceeded, message: "the deadline has passed", reason: "DeadlineExceeded" };
  }
  return { code: Code.Internal, message: "internal error", reason: null };
}

/** The error to throw from a handler of a ConnectRouter: code and message of `statusOf`, reason in `reasonHeader`. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const { code, message, reason } = statusOf(error);
  return new ConnectError(message, code, reason === null ? undefined : { [reasonHeader]: reason }, undefined, error);
}

/** Throws what `toConnectError` makes of a failure of `call`, and returns its result otherwise. */
export async function withStatus<T>(call: () => Promise<T> | T): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toConnectError(error);
  }
}

/** The reason that a failed call carries, or null where it came from elsewhere. For clients. */
export function reasonOf(error: unknown): TransportError["reason"] | null {
  if (!(error instanceof ConnectError)) return null;
  const reason = error.metadata.get(reasonHeader);
  return reason !== null && Object.hasOwn(codes, reason) ? reason as Reason : null;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
