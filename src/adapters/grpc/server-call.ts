/** One call of a server, from its headers to its status. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { type Reason, TransportError } from "../../contract/errors.ts";
import type { Clock, Timer } from "../../contract/runtime.ts";
import type { FrameFault } from "../http/frame-reader.ts";
import type { Metadata, Outcome, ServerStream, ServerStreamEvents } from "./call.ts";
import { grpcCodes } from "./codes.ts";
import { MessageIo, type MessageIoOwner } from "./message-io.ts";
import { endWithoutMessages, endWithTrailers, responseHeaders } from "./server-end.ts";
import { parseGrpcTimeout, readMetadata, statusTrailers } from "./status.ts";

export interface ServerCallDeps {
  readonly clock: Clock;
  readonly maxReceiveBytes: number;
}

export class ServerCall implements ServerStream, MessageIoOwner {
  readonly path: string;
  readonly #headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #deps: ServerCallDeps;
  readonly #io: MessageIo;
  #events: ServerStreamEvents | null = null;
  #timer: Timer | null = null;
  #hasResponded = false;
  #hasEnded = false;
  #isReset = true;
  #isClosed = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: ServerCallDeps) {
    this.path = headers[":path"] ?? "";
    this.#headers = headers;
    this.#stream = stream;
    this.#deps = deps;
    this.#io = new MessageIo(this, deps.maxReceiveBytes);
    this.#io.attach(stream);
    // what a peer's reset or a broken connection reports here also closes the stream, which is what counts
    stream.on("error", () => {});
    stream.on("close", () => this.#closed());
    // the stream of a peer that leaves closes only after all of it was read, which may be never where reading is held
    stream.on("aborted", () => {
      this.#closed();
      stream.resume();
    });
  }

  /** Hands the call to its handler: nothing is read before. */
  open(handler: (stream: ServerStream) => ServerStreamEvents): void {
    const timeoutMs = parseGrpcTimeout(this.header("grpc-timeout"));
    if (timeoutMs !== null) {
      this.#timer = this.#deps.clock.after(timeoutMs, () => {
        this.#fail("DeadlineExceeded", `deadline of ${timeoutMs} ms exceeded`);
      });
    }
    this.#events = handler(this);
    if (this.#hasEnded) return;
    this.#io.tell(this.#events);
    this.#io.read();
  }

  get metadata(): Metadata {
    return readMetadata(this.#headers);
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  get writable(): boolean {
    return !this.#hasEnded && this.#io.writable;
  }

  write(message: Uint8Array): void {
    if (!this.#hasEnded) this.#io.write(message);
  }

  writeParts(parts: readonly Uint8Array[]): void {
    if (!this.#hasEnded) this.#io.write(parts);
  }

  flush(): void {
    this.#io.flush();
  }

  resume(): void {
    this.#io.resume();
  }

  sendHeaders(metadata?: Metadata): void {
    if (this.#hasResponded || this.#stream.destroyed) return;
    this.#hasResponded = true;
    this.#stream.respond({ ...responseHeaders, ...metadata }, { waitForTrailers: true });
  }

  end(outcome: Outcome, trailers?: Metadata): void {
    this.#end(outcome, trailers, false);
  }

  fault(fault: FrameFault, length: number): void {
    if (fault === "compressed") {
      // Internal, as gRPC says (doc/compression.md); with grpc-encoding the call had been refused before
      this.#end({ code: grpcCodes.Internal, message: "compressed message without grpc-encoding" }, undefined, true);
    } else {
      const text = `message of ${length} bytes is over the limit of ${this.#deps.maxReceiveBytes} bytes`;
      this.#fail("PacketTooLarge", text);
    }
  }

  peerEnded(isCutOff: boolean): void {
    if (this.#hasEnded) return;
    if (isCutOff) this.#fail("InvalidPacket", "the stream ended inside of a message");
    else this.#events!.halfClosed();
  }

  beforeWrite(): void {
    if (!this.#hasResponded) this.sendHeaders();
  }

  #fail(reason: Reason, message: string): void {
    this.#end(new TransportError(reason, message), undefined, true);
  }

  #end(outcome: Outcome, trailers: Metadata | undefined, isReset: boolean): void {
    if (this.#hasEnded) return;
    const stream = this.#stream;
    this.#io.flush();
    this.#hasEnded = true;
    this.#isReset = isReset;
    this.#io.close();
    this.#timer?.cancel();
    if (stream.destroyed) return;
    const status = statusTrailers(outcome);
    if (!this.#hasResponded && status["grpc-status"] !== "0") {
      this.#hasResponded = true;
      endWithoutMessages(stream, { ...trailers, ...status }, this.#deps.clock);
      return;
    }
    this.sendHeaders();
    endWithTrailers(stream, { ...trailers, ...status }, this.#deps.clock);
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hasEnded = true;
    this.#io.close();
    this.#timer?.cancel();
    this.#events?.closed(this.#isReset);
  }
}
