/**
 * Messages in and out of one HTTP/2 stream, for either end of a call: cutting, gathering, and back-pressure both ways.
 * It knows nothing of status, headers or deadlines.
 */
import type { Buffer } from "node:buffer";
import type { Http2Stream } from "node:http2";
import { setImmediate } from "node:timers";
import { type FrameFault, FrameReader, type MessageSink } from "../http/frame-reader.ts";
import type { MessageEvents } from "./call.ts";
import { MessageWriter } from "./message-writer.ts";

/**
 * Bytes that may be on their way to the socket; a batch of this size is written before the end of the turn. With less,
 * for example only until the stream asks for its drain, both ends wait for each other in turn.
 */
const maxBatchBytes = 256 * 1024;

export interface MessageIoOwner {
  /** The peer broke the framing; nothing more is read. */
  fault(fault: FrameFault, length: number): void;
  /** The peer has ended its side and everything that it sent was given; `isCutOff`: in the middle of a message. */
  peerEnded(isCutOff: boolean): void;
  /** Right before something is written. */
  beforeWrite(): void;
}

export class MessageIo implements MessageSink {
  readonly #owner: MessageIoOwner;
  readonly #reader: FrameReader;
  readonly #writer = new MessageWriter();
  #events: MessageEvents | null = null;
  #stream: Http2Stream | null = null;
  #willFlush = false;
  #wasUnwritable = false;
  #willReadRest = false;
  #isClosed = false;
  #hasEnded = false;
  #hasRead = false;

  constructor(owner: MessageIoOwner, maxReceiveBytes: number) {
    this.#owner = owner;
    // a message that straddles chunks is joined: who reads it wants it in one piece
    this.#reader = new FrameReader(this, maxReceiveBytes, Infinity);
  }

  /** Writes to `stream` from now on, also what was written before. */
  attach(stream: Http2Stream): void {
    this.#stream = stream;
    this.flush();
  }

  /** Who is told, of room to write at once and of messages from `read` on. */
  tell(events: MessageEvents): void {
    this.#events = events;
  }

  /** Starts to read the stream. */
  read(): void {
    const stream = this.#stream!;
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("end", () => {
      this.#hasEnded = true;
      if (!this.#isClosed && !this.#reader.isHolding) this.#owner.peerEnded(this.#reader.isCutOff);
    });
  }

  /** Whether messages were read off the stream that `resume` has yet to give. */
  get isHolding(): boolean {
    return this.#reader.isHolding;
  }

  /** Whether anything came, complete or not. */
  get hasRead(): boolean {
    return this.#hasRead;
  }

  get writable(): boolean {
    const waitingBytes = this.#writer.pendingBytes + (this.#stream?.writableLength ?? 0);
    const writable = !this.#isClosed && waitingBytes < maxBatchBytes;
    if (!writable) this.#wasUnwritable = true;
    return writable;
  }

  write(message: Uint8Array | readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    let size = 0;
    if (message instanceof Uint8Array) size = message.length;
    else for (const part of message) size += part.length;
    this.#writer.add(message, size);
    if (this.#stream !== null && this.#writer.pendingBytes >= maxBatchBytes) this.flush();
    else if (!this.#willFlush) {
      this.#willFlush = true;
      queueMicrotask(() => {
        this.#willFlush = false;
        this.flush();
      });
    }
  }

  flush(): void {
    const stream = this.#stream;
    if (stream === null || this.#isClosed || stream.destroyed || this.#writer.pendingBytes === 0) return;
    this.#owner.beforeWrite();
    this.#writer.flush(stream, this.#written);
  }

  resume(): void {
    if (this.#willReadRest || this.#isClosed) return;
    this.#willReadRest = true;
    setImmediate(() => {
      this.#willReadRest = false;
      this.#readRest();
    });
  }

  /** The stream is gone without an `end`, but what was held may still be given. */
  endBehindRest(): void {
    this.#hasEnded = true;
  }

  /** Reads and writes nothing more. */
  close(): void {
    this.#isClosed = true;
  }

  message(bytes: Uint8Array, start: number, end: number): boolean {
    // an end of the call from inside of an earlier message of the same chunk counts at once
    return this.#isClosed || this.#events!.message(bytes, start, end);
  }

  messageParts(): boolean {
    throw new Error("parts were not asked for");
  }

  fault(fault: FrameFault, length: number): void {
    if (!this.#isClosed) this.#owner.fault(fault, length);
  }

  /** A batch has left, so that there is room for more. */
  readonly #written = (): void => {
    if (!this.#wasUnwritable || this.#isClosed || this.#events === null) return;
    this.#wasUnwritable = false;
    if (this.writable) this.#events.writable?.();
  };

  #read(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#hasRead = true;
    const goesOn = this.#reader.read(chunk);
    if (!goesOn) this.#stream!.pause();
    if (!this.#isClosed) this.#events!.endOfChunk?.();
  }

  #readRest(): void {
    if (this.#isClosed || !this.#reader.isHolding) return;
    const goesOn = this.#reader.resume();
    if (!this.#isClosed) this.#events!.endOfChunk?.();
    if (!goesOn || this.#isClosed) return;
    if (this.#hasEnded) this.#owner.peerEnded(this.#reader.isCutOff);
    else this.#stream!.resume();
  }
}
