/** Gives credits back as a connector with `ackEvery.messages` 10 and `maxDelay` 250 ms does (data-plane 6.7). */
import { create, toBinary } from "@bufbuild/protobuf";
import { ProcessRequestSchema } from "../gen/transport/v1/hub_pb.ts";
import { frameOf } from "./packets.ts";

const everyMessages = 10;
const maxDelayMs = 250;

export class CreditReturn {
  readonly #write: (frames: Buffer) => void;
  readonly #frames = new Map<number, Buffer>();
  readonly #timer: ReturnType<typeof setInterval>;
  #pending = 0;
  #bytesEach = 0;

  /** Call `close` in the end. */
  constructor(write: (frames: Buffer) => void) {
    this.#write = write;
    this.#timer = setInterval(() => this.#flushRest(), maxDelayMs);
    this.#timer.unref();
  }

  /** `messages` of `bytesEach` were taken: every ten of them give one frame, those of one call go out in one write. */
  taken(messages: number, bytesEach: number): void {
    this.#pending += messages;
    this.#bytesEach = bytesEach;
    const frames = Math.floor(this.#pending / everyMessages);
    if (frames === 0) return;
    this.#pending -= frames * everyMessages;
    const frame = this.#frame(everyMessages);
    this.#write(frames === 1 ? frame : Buffer.concat(Array<Buffer>(frames).fill(frame)));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #flushRest(): void {
    if (this.#pending === 0) return;
    const frame = this.#frame(this.#pending);
    this.#pending = 0;
    this.#write(frame);
  }

  #frame(messages: number): Buffer {
    const bytes = messages * this.#bytesEach;
    const key = bytes * 16 + messages;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      const flow = { creditsMessages: messages, creditsBytes: bytes };
      frame = frameOf(toBinary(ProcessRequestSchema, create(ProcessRequestSchema, { flow })));
      this.#frames.set(key, frame);
    }
    return frame;
  }
}
