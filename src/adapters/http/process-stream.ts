/**
 * HubService.Process over gRPC on node:http2, without the Connect adapter: frames in, sessions, frames out.
 * It takes only `application/grpc` without compression; everything else stays with the Connect adapter.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Clock, Timer } from "../../contract/runtime.ts";
import { TransportError } from "../../contract/errors.ts";
import type { Packet } from "../../delivery/packet.ts";
import type { Hub } from "../../hub/hub.ts";
import type { StreamPort } from "../../hub/port.ts";
import { parseRegistration, type Registration } from "../../hub/registration.ts";
import type { Session } from "../../hub/session.ts";
import { isPlainGrpc } from "../grpc/serve.ts";
import { endWithoutMessages, endWithTrailers, responseHeaders } from "../grpc/server-end.ts";
import { outcomeOf, parseGrpcTimeout, statusTrailers } from "../grpc/status.ts";
import type { IdentityGate } from "../identity/gate.ts";
import { type FrameFault, FrameReader, type MessageSink } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";

export const processPath = "/transport.v1.HubService/Process";

/**
 * Bytes that may be on their way to the socket. With less, for example only until the stream asks for its drain, both
 * ends wait for each other in turn: the outbox behind it holds a hundred messages of a lane, which is soon written.
 */
const maxBatchBytes = 256 * 1024;

/** A batch that reaches this is written at once; a smaller one when the turn of the event loop ends. */
const fullBatchBytes = 64 * 1024;

/** Longer messages travel in the parts that they came in. On Deno slices cost more than the copy they save. */
const partsFromBytes = "Deno" in globalThis ? Infinity : 4096;

/** Whether a request is one for this path. */
export function isPlainGrpcProcess(headers: IncomingHttpHeaders): boolean {
  return headers[":path"] === processPath && isPlainGrpc(headers);
}

export interface ProcessStreamDeps {
  readonly hub: Hub;
  readonly clock: Clock;
  /** Largest request message in bytes (`BUBU_GRPC_MAX_RECV_BYTES`). */
  readonly maxReceiveBytes: number;
  /** Who may open a stream; null: everybody. */
  readonly identity: IdentityGate | null;
}

/** Serves one stream until it ends. */
export function serveProcessStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: ProcessStreamDeps) {
  new ProcessStream(stream, headers, deps);
}

class ProcessStream implements StreamPort, MessageSink {
  readonly #stream: ServerHttp2Stream;
  readonly #deps: ProcessStreamDeps;
  readonly #reader: FrameReader;
  readonly #writer = new FrameWriter();
  #session: Session | null = null;
  #deadline: Timer | null = null;
  /** A batch has left, so that there is room for more. */
  readonly #written = () => {
    if (!this.#isEnded) this.#session?.writable();
  };
  #isEnded = false;
  #isReading = false;
  #hasEnded = false;
  #endsTurn = false;
  readonly #endTurn = (): void => {
    this.#endsTurn = false;
    this.#session!.endOfChunk();
  };

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: ProcessStreamDeps) {
    this.#stream = stream;
    this.#deps = deps;
    this.#reader = new FrameReader(this, deps.maxReceiveBytes, partsFromBytes);
    // what a peer's reset or a broken connection reports here also closes the stream, which is what counts
    stream.on("error", () => {});
    try {
      const registration = parseRegistration((name) => {
        const value = headers[name];
        return Array.isArray(value) ? value[0] : value;
      });
      const claim = { action: "stream", ...registration } as const;
      const checked = deps.identity?.check(claim, stream.session ?? null, headers.authorization);
      if (checked === undefined) this.#open(registration, headers);
      else this.#openAfter(checked, registration, headers);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Opens the session once the check is done; until then nothing is read, so that the peer is held by its window. */
  #openAfter(checked: Promise<void>, registration: Registration, headers: IncomingHttpHeaders): void {
    const stream = this.#stream;
    let isGone = false;
    const gone = () => {
      isGone = true;
      stream.resume();
    };
    stream.once("aborted", gone);
    stream.once("close", gone);
    checked.then(() => {
      stream.removeListener("aborted", gone);
      stream.removeListener("close", gone);
      if (isGone || stream.destroyed) this.#isEnded = true;
      else this.#open(registration, headers);
    }).catch((error: unknown) => this.#refuse(error));
  }

  #open(registration: Registration, headers: IncomingHttpHeaders): void {
    const stream = this.#stream;
    const { hub, clock } = this.#deps;
    const session = hub.open(registration, this);
    this.#session = session;
    stream.respond(responseHeaders, { waitForTrailers: true });
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("end", () => this.#peerEnded());
    stream.on("close", () => this.#closed());
    // a held sender that leaves: its stream closes only after all of it was read
    stream.on("aborted", () => {
      this.#closed();
      stream.resume();
    });
    const timeoutMs = parseGrpcTimeout(headers["grpc-timeout"] as string | undefined);
    if (timeoutMs !== null) {
      this.#deadline = clock.after(timeoutMs, () => {
        const text = `hub stream deadline exceeded: ${timeoutMs} ms`;
        session.end(new TransportError("DeadlineExceeded", text, registration));
      });
    }
    session.writable();
  }

  get writable(): boolean {
    return !this.#isEnded && this.#writer.pendingBytes + this.#stream.writableLength < maxBatchBytes;
  }

  write(packet: Packet, suffix: Uint8Array): void {
    this.#writer.add(packet, suffix);
    if (this.#writer.pendingBytes >= fullBatchBytes) this.flush();
  }

  writeEncoded(response: Uint8Array): void {
    this.#writer.addEncoded(response);
  }

  flush(): void {
    if (this.#isEnded || this.#stream.destroyed) return;
    this.#writer.flush(this.#stream, this.#written);
  }

  resume(): void {
    if (this.#isEnded || this.#isReading) return;
    // not from inside of the session's call: what waited goes on in a turn of its own
    setImmediate(() => this.#readRest());
  }

  end(error: TransportError | null): void {
    if (this.#isEnded) return;
    this.flush();
    this.#isEnded = true;
    const stream = this.#stream;
    if (stream.destroyed) return;
    this.#deadline?.cancel();
    endWithTrailers(stream, statusTrailers(error), this.#deps.clock);
  }

  message(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#session!.receive(bytes, start, end);
  }

  messageParts(parts: readonly Uint8Array[], length: number): boolean {
    return this.#session!.receiveParts(parts, length);
  }

  fault(fault: FrameFault, length: number): void {
    const session = this.#session!;
    const text = fault === "too-large"
      ? `message of ${length} bytes is over the limit of ${this.#deps.maxReceiveBytes} bytes`
      : "compressed message without grpc-encoding";
    session.end(new TransportError(fault === "too-large" ? "PacketTooLarge" : "InvalidPacket", text));
  }

  #read(chunk: Buffer): void {
    if (this.#isEnded) return;
    const session = this.#session!;
    session.startChunk();
    this.#isReading = true;
    const goesOn = this.#reader.read(chunk);
    this.#isReading = false;
    if (!goesOn) {
      session.endOfChunk();
      this.#stream.pause();
    } else if (!this.#endsTurn) {
      // the chunks of one turn, four to a socket's read, go out in one write
      this.#endsTurn = true;
      setImmediate(this.#endTurn);
    }
  }

  #readRest(): void {
    if (this.#isEnded || !this.#reader.isHolding) return;
    const session = this.#session!;
    session.startChunk();
    this.#isReading = true;
    const goesOn = this.#reader.resume();
    this.#isReading = false;
    session.endOfChunk();
    if (!goesOn) return;
    if (this.#hasEnded) this.#peerEnded();
    else this.#stream.resume();
  }

  #peerEnded(): void {
    this.#hasEnded = true;
    if (this.#isEnded || this.#reader.isHolding) return;
    const session = this.#session!;
    if (this.#reader.isCutOff) session.end(new TransportError("InvalidPacket", "the stream ended inside of a message"));
    else session.halfClosed();
  }

  #closed(): void {
    this.#isEnded = true;
    this.#deadline?.cancel();
    if (this.#session !== null) this.#deps.hub.close(this.#session, null);
  }

  #refuse(error: unknown): void {
    this.#isEnded = true;
    if (this.#session !== null) return this.#closed();
    if (this.#stream.destroyed) return;
    endWithoutMessages(this.#stream, statusTrailers(outcomeOf(error)), this.#deps.clock);
  }
}
