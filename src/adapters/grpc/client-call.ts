/**
 * One call of a client: from the wait for a connection to the status that closes it.
 *
 * ```
 *   waiting ──start──► open ──headers──► messages … ──trailers, end──► over
 *      └──────────────────┴─── cancel, deadline, reset, loss, fault ──────┘
 * ```
 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import { setImmediate } from "node:timers";
import { type Reason, TransportError } from "../../contract/errors.ts";
import type { Clock, Timer } from "../../contract/runtime.ts";
import type { FrameFault } from "../http/frame-reader.ts";
import type { CallOptions, CallStatus, ClientStream, ClientStreamEvents } from "./call.ts";
import { codeOfHttpStatus, codeOfReason, codeOfReset, type GrpcCode, grpcCodes } from "./codes.ts";
import { MessageIo, type MessageIoOwner } from "./message-io.ts";
import { formatGrpcTimeout, isGrpcType, localStatus, readMetadata, readStatus } from "./status.ts";

export interface ClientCallDeps {
  readonly clock: Clock;
  readonly authority: string;
  readonly scheme: "http" | "https";
  readonly maxReceiveBytes: number;
}

export class ClientCall implements ClientStream, MessageIoOwner {
  readonly #path: string;
  readonly #options: CallOptions;
  readonly #events: ClientStreamEvents;
  readonly #deps: ClientCallDeps;
  readonly #ended: (call: ClientCall) => void;
  readonly #io: MessageIo;
  readonly #endsAtMs: number;
  #timer: Timer | null = null;
  #stream: ClientHttp2Stream | null = null;
  /** What the peer said; the call ends with it once everything before it was given. */
  #status: CallStatus | null = null;
  /** A status among the headers, which counts only where nothing follows them. */
  #headerStatus: CallStatus | null = null;
  #lossCause = "";
  #isCutOff = false;
  #isHalfClosed = false;
  #isOver = false;

  /** `ended` is called right before `events.end`. */
  constructor(
    path: string,
    options: CallOptions,
    events: ClientStreamEvents,
    deps: ClientCallDeps,
    ended: (call: ClientCall) => void,
  ) {
    this.#path = path;
    this.#options = options;
    this.#events = events;
    this.#deps = deps;
    this.#ended = ended;
    this.#io = new MessageIo(this, deps.maxReceiveBytes);
    this.#io.tell(events);
    const { timeoutMs, signal } = options;
    this.#endsAtMs = timeoutMs === undefined ? Infinity : deps.clock.monotonicMs() + timeoutMs;
    if (timeoutMs !== undefined) {
      this.#timer = deps.clock.after(timeoutMs, () => {
        this.#abandon(deadlineExceeded);
      });
    }
    if (signal?.aborted) queueMicrotask(this.#aborted);
    else signal?.addEventListener("abort", this.#aborted, { once: true });
  }

  /** The connection stands. */
  start(session: ClientHttp2Session): void {
    if (this.#isOver) return;
    const remainingMs = this.#endsAtMs - this.#deps.clock.monotonicMs();
    let stream: ClientHttp2Stream;
    try {
      stream = session.request({
        ":method": "POST",
        ":scheme": this.#deps.scheme,
        ":authority": this.#deps.authority,
        ":path": this.#path,
        "content-type": "application/grpc",
        te: "trailers",
        "user-agent": "grpc-bobravoz",
        "grpc-accept-encoding": "identity",
        ...remainingMs === Infinity ? {} : { "grpc-timeout": formatGrpcTimeout(remainingMs) },
        ...this.#options.metadata,
      }, { endStream: false });
    } catch (error) {
      // the connection went away, or the metadata is none that HTTP/2 can carry
      const code = session.closed || session.destroyed ? grpcCodes.Unavailable : grpcCodes.Internal;
      queueMicrotask(() => this.#finish(localStatus(code, textOf(error))));
      return;
    }
    this.#stream = stream;
    stream.on("response", (headers) => this.#responded(headers));
    stream.on("trailers", (headers: IncomingHttpHeaders) => this.#status ??= readStatus(headers));
    stream.on("error", (error) => this.#lossCause ||= textOf(error));
    stream.on("close", () => this.#closed(session));
    // the stream of a server that gives up closes only after all of it was read, which may be never where that is held
    stream.on("aborted", () =>
      setImmediate(() => {
        if (this.#told() === null) this.#closed(session);
      }));
    this.#io.attach(stream);
    if (this.#isHalfClosed) stream.end();
  }

  /** There will be no connection. */
  fail(error: TransportError): void {
    this.#finish(localStatus(codeOfReason[error.reason], error.message, error.reason));
  }

  get writable(): boolean {
    return !this.#isHalfClosed && this.#io.writable;
  }

  write(message: Uint8Array): void {
    this.writeParts([message]);
  }

  writeParts(parts: readonly Uint8Array[]): void {
    if (this.#isHalfClosed) throw new Error(`message after the end of our side of ${this.#path}`);
    this.#io.write(parts);
  }

  flush(): void {
    this.#io.flush();
  }

  resume(): void {
    this.#io.resume();
  }

  halfClose(): void {
    if (this.#isHalfClosed || this.#isOver) return;
    this.#io.flush();
    this.#isHalfClosed = true;
    this.#stream?.end();
  }

  cancel(error?: TransportError): void {
    const code = error === undefined ? grpcCodes.Canceled : codeOfReason[error.reason];
    this.#abandon(localStatus(code, error?.message ?? "call cancelled", error?.reason));
  }

  fault(fault: FrameFault, length: number): void {
    const limit = this.#deps.maxReceiveBytes;
    if (fault === "compressed") this.#abandon(localStatus(grpcCodes.Internal, "the server sent a compressed message"));
    else {
      const text = `message of ${length} bytes is over the limit of ${limit} bytes`;
      this.#abandon(localStatus(grpcCodes.ResourceExhausted, text, "PacketTooLarge"));
    }
  }

  peerEnded(isCutOff: boolean): void {
    this.#isCutOff = isCutOff;
    if (this.#status !== null) this.#conclude();
    else {
      // trailers may be told after the end of the data; a stream that was closed says in its `close` why
      setImmediate(() => {
        if (this.#told() !== null || !this.#stream!.closed) this.#conclude();
      });
    }
  }

  beforeWrite(): void {}

  readonly #aborted = (): void => {
    const error: unknown = this.#options.signal?.reason;
    if (error instanceof TransportError) this.cancel(error);
    else if (error instanceof Error && error.name === "TimeoutError") {
      this.#abandon(deadlineExceeded);
    } else this.cancel();
  };

  #responded(headers: IncomingHttpHeaders): void {
    if (this.#isOver) return;
    this.#headerStatus = readStatus(headers);
    if (this.#headerStatus !== null) {
      this.#io.read();
      return;
    }
    const httpStatus = Number(headers[":status"]);
    const type = headers["content-type"] ?? "";
    if (httpStatus !== 200) {
      this.#abandon(localStatus(codeOfHttpStatus(httpStatus), `HTTP status ${httpStatus} instead of a gRPC response`));
    } else if (!isGrpcType(type)) {
      this.#abandon(localStatus(grpcCodes.Unknown, `content-type ${JSON.stringify(type)} instead of application/grpc`));
    } else {
      this.#events.headers?.(readMetadata(headers));
      // not earlier: on Deno the first data may come before the headers
      this.#io.read();
    }
  }

  /** What the peer said of the end so far. */
  #told(): CallStatus | null {
    return this.#status ?? (this.#io.hasRead ? null : this.#headerStatus);
  }

  #conclude(): void {
    const status = this.#told();
    if (status === null || this.#isCutOff && status.code === grpcCodes.Ok) this.#finishWithout(withoutStatus);
    else this.#finish(status);
  }

  #closed(session: ClientHttp2Session): void {
    if (this.#isOver) return;
    if (this.#told() !== null) {
      if (this.#io.isHolding) this.#io.endBehindRest();
      else this.#conclude();
    } else if (isLost(session)) {
      const text = `connection lost${this.#lossCause === "" ? "" : `: ${this.#lossCause}`}`;
      this.#finishWithout(localStatus(grpcCodes.Unavailable, text));
    } else this.#finishWithout(ofReset(this.#stream!.rstCode ?? 0));
  }

  /** Ends a call whose peer gave no status: perhaps because of a deadline that our own timer has yet to notice. */
  #finishWithout(status: CallStatus): void {
    this.#finish(this.#deps.clock.monotonicMs() >= this.#endsAtMs ? deadlineExceeded : status);
  }

  /** Ends a call that its peer takes to be under way. */
  #abandon(status: CallStatus): void {
    if (this.#isOver) return;
    const stream = this.#stream;
    this.#finish(status);
    if (stream !== null && !stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }

  #finish(status: CallStatus): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#io.close();
    this.#timer?.cancel();
    this.#options.signal?.removeEventListener("abort", this.#aborted);
    const stream = this.#stream;
    // the server is done: nobody reads what we would still send
    if (stream !== null && !stream.closed && !stream.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
    this.#ended(this);
    this.#events.end(status);
  }
}

const deadlineExceeded = localStatus(grpcCodes.DeadlineExceeded, "the call's deadline has passed");
const withoutStatus = localStatus(
  grpcCodes.Internal,
  "the response ended without a gRPC status, or inside of a message",
);

function ofReset(http2Code: number): CallStatus {
  if (http2Code === constants.NGHTTP2_NO_ERROR) return withoutStatus;
  const code: GrpcCode = codeOfReset(http2Code);
  const reason: Reason | undefined = code === grpcCodes.Canceled ? "PeerFailed" : undefined;
  return localStatus(code, `stream reset by the server with HTTP/2 code ${http2Code}`, reason);
}

/** Whether the connection is gone; on Deno the session says so a little later than its socket. */
function isLost(session: ClientHttp2Session): boolean {
  return session.destroyed || session.socket?.destroyed === true;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
