/**
 * What one gRPC call looks like from both ends: messages as bytes, metadata, and the status that closes it.
 * No promise per message: the stream calls its events, and the owner of the stream calls the stream.
 *
 * Bytes of an incoming message are never written to again; they may be kept and passed on without a copy. Bytes given
 * to `write` belong to the stream from then on.
 */
import type { Reason, TransportError } from "../../contract/errors.ts";
import type { GrpcCode } from "./codes.ts";

/**
 * Custom metadata as it stands on the wire: names in lower case, values of names in `-bin` in base64. A name that came
 * several times is one text, joined by ", ".
 */
export type Metadata = Readonly<Record<string, string | string[]>>;

/** How a call ended. */
export interface CallStatus {
  readonly code: GrpcCode;
  readonly message: string;
  /** From the peer's `bobravoz-reason` where it sends one, else the one that fits the code; null with code OK. */
  readonly reason: Reason | null;
  /** The peer's trailers without the status; empty where none came. */
  readonly trailers: Metadata;
}

/** What the client's and the server's end have in common. */
export interface MessageStream {
  /** Whether another message may be written now; `MessageEvents.writable` tells when it is true again. */
  readonly writable: boolean;
  /** Adds a message to the batch that is sent at the end of the current turn, or by `flush` before. */
  write(message: Uint8Array): void;
  /** The same for a message in parts, which are not joined. */
  writeParts(parts: readonly Uint8Array[]): void;
  /** Sends what was written, in one write where it is short. Nothing happens where nothing was, or after the end. */
  flush(): void;
  /** Reading goes on after `message` answered false; in a turn of its own, never from inside of this call. */
  resume(): void;
}

export interface MessageEvents {
  /** One message at `bytes[start, end)`. Answers false to stop reading until `resume`: back-pressure for the peer. */
  message(bytes: Uint8Array, start: number, end: number): boolean;
  /** All messages of what arrived together were given: the moment to flush what they led to. */
  endOfChunk?(): void;
  /** `writable` has become true again. */
  writable?(): void;
}

/** The client's end of a call. */
export interface ClientStream extends MessageStream {
  /** Ends our side, after what was written. Idempotent. */
  halfClose(): void;
  /** Gives the call up: RST_STREAM CANCEL, and `end` at once with code Canceled, or the code of `error`. Idempotent. */
  cancel(error?: TransportError): void;
}

export interface ClientStreamEvents extends MessageEvents {
  /** The server's leading metadata, before its first message; absent where the call ended without any. */
  headers?(metadata: Metadata): void;
  /** The call is over. Called once, last, and never from inside of `GrpcChannel.stream`. */
  end(status: CallStatus): void;
}

export interface CallOptions {
  readonly metadata?: Metadata;
  /** Sent as grpc-timeout, and held on this side too: then DeadlineExceeded. Default: none. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/** What a server knows of a call. */
export interface Call {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Request metadata, without HTTP/2's own headers. */
  readonly metadata: Metadata;
  /** First value of a name, or undefined. */
  header(name: string): string | undefined;
}

/** How a server ends a call: OK (null), what `codeOfReason` says of the error, or a status in numbers. */
export type Outcome = TransportError | Pick<CallStatus, "code" | "message"> | null;

/** The server's end of a call. */
export interface ServerStream extends MessageStream, Call {
  /** Sends the leading metadata now; without it, they go out with the first flush. Only the first call counts. */
  sendHeaders(metadata?: Metadata): void;
  /** Ends the call after what was written. Without headers or messages before, status and headers are one. Idempotent. */
  end(outcome: Outcome, trailers?: Metadata): void;
}

export interface ServerStreamEvents extends MessageEvents {
  /** The client has ended its side. */
  halfClosed(): void;
  /**
   * The stream is gone; called once, last, also after `end`. `isReset`: before an end of ours, by the client's reset,
   * by the loss of the connection, or since the deadline passed.
   */
  closed(isReset: boolean): void;
}

/** One method of a server, by its kind. */
export type Method =
  | {
    readonly kind: "unary";
    /** Answers the response message. What it throws becomes the status. `signal` fires when nobody waits any more. */
    handle(message: Uint8Array, call: Call, signal: AbortSignal): Uint8Array | Promise<Uint8Array>;
  }
  | {
    readonly kind: "stream";
    /** Takes a call, of any number of messages both ways. What it throws becomes the status. */
    open(stream: ServerStream): ServerStreamEvents;
  };

/** Methods by path, `/package.Service/Method`. */
export type Methods = Readonly<Record<string, Method>>;
