/**
 * DiscoveryService.WatchBindings over gRPC on node:http2, without the Connect adapter: thousands of watches are open
 * at once and an edit is told to many of them in one turn, and the adapter costs ten times the memory and processor
 * time of this. It takes only what `isPlainGrpc` says; everything else stays with the adapter.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import {
  DiscoveryService,
  WatchBindingsRequestSchema,
  WatchBindingsResponseSchema,
} from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import type { Clock, Timer } from "../../contract/runtime.ts";
import type { VersionedBinding } from "../../control/versioned-binding.ts";
import type { Delta } from "../../control/subscriptions.ts";
import type { Discovery } from "../rpc/discovery-server.ts";
import { callerValues } from "../identity/caller.ts";
import { isPlainGrpc } from "../grpc/serve.ts";
import { endWithTrailers, responseHeaders } from "../grpc/server-end.ts";
import { parseGrpcTimeout, reasonHeader, statusTrailers } from "../grpc/status.ts";
import { statusOf } from "../rpc/status.ts";
import { WatchSession } from "../rpc/watch-session.ts";
import { type FrameFault, FrameReader, type MessageSink } from "./frame-reader.ts";

const watchPath = `/${DiscoveryService.typeName}/${DiscoveryService.method.watchBindings.name}`;
const bindingsTag = WatchBindingsResponseSchema.field.bindings.number << 3 | WireType.LengthDelimited;

/** Whether a request is a watch that this path serves. */
export function isPlainGrpcWatch(headers: IncomingHttpHeaders): boolean {
  return headers[":path"] === watchPath && isPlainGrpc(headers);
}

export interface WatchStreamDeps {
  readonly discovery: Discovery;
  readonly clock: Clock;
  /** Largest request message in bytes. */
  readonly maxReceiveBytes: number;
}

/** Serves one watch until it ends. */
export function serveWatchStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: WatchStreamDeps): void {
  new WatchStream(stream, headers, deps);
}

class WatchStream implements MessageSink {
  readonly #stream: ServerHttp2Stream;
  readonly #deps: WatchStreamDeps;
  readonly #session: WatchSession;
  readonly #reader: FrameReader;
  readonly #onClosing = (): void => this.#end(this.#deps.discovery.closing.reason);
  #deadline: Timer | null = null;
  #needsDrain = false;
  #isEnded = false;
  #hasEnded = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: WatchStreamDeps) {
    this.#stream = stream;
    this.#deps = deps;
    const { closing } = deps.discovery;
    const caller = { requestHeader: toHeaders(headers), values: callerValues({ stream }) };
    this.#session = new WatchSession(deps.discovery, caller, () => this.#pump());
    this.#reader = new FrameReader(this, deps.maxReceiveBytes, Infinity);
    // What a peer's reset or a broken connection reports here also closes the stream, which is what counts.
    stream.on("error", () => {});
    stream.on("close", () => this.#closed());
    stream.respond(responseHeaders, { waitForTrailers: true });
    stream.on("data", (chunk: Buffer) => {
      if (!this.#isEnded && !this.#reader.read(chunk)) stream.pause();
    });
    stream.on("end", () => {
      this.#hasEnded = true;
      if (!this.#reader.isHolding) this.#peerEnded();
    });
    stream.on("drain", () => {
      this.#needsDrain = false;
      this.#pump();
    });
    const timeoutMs = parseGrpcTimeout(headers["grpc-timeout"] as string | undefined);
    if (timeoutMs !== null) {
      const late = () =>
        this.#end(new TransportError("DeadlineExceeded", `the deadline of ${timeoutMs} ms has passed`));
      this.#deadline = deps.clock.after(timeoutMs, late);
    }
    closing.addEventListener("abort", this.#onClosing);
    if (closing.aborted) this.#onClosing();
  }

  message(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#isEnded) return true;
    try {
      const request = fromBinary(WatchBindingsRequestSchema, bytes.subarray(start, end));
      const taken = this.#session.take(request);
      if (taken === undefined) {
        this.#pump();
        return true;
      }
      taken.then(() => this.#goOn(), (error: unknown) => this.#end(error));
      return false;
    } catch (error) {
      this.#end(
        error instanceof TransportError
          ? error
          : new TransportError("InvalidRequest", "a message is not a WatchBindingsRequest", {}, { cause: error }),
      );
      return true;
    }
  }

  messageParts(parts: readonly Uint8Array[]): boolean {
    const whole = Buffer.concat(parts);
    return this.message(whole, 0, whole.length);
  }

  fault(fault: FrameFault, length: number): void {
    const text = fault === "too-large"
      ? `message of ${length} bytes is over the limit of ${this.#deps.maxReceiveBytes} bytes`
      : "compressed message without grpc-encoding";
    this.#end(new TransportError(fault === "too-large" ? "PacketTooLarge" : "InvalidRequest", text));
  }

  /** Reads on after a message that took its time. */
  #goOn(): void {
    if (this.#isEnded) return;
    this.#pump();
    if (!this.#reader.resume()) return;
    if (this.#hasEnded) this.#peerEnded();
    else this.#stream.resume();
  }

  #peerEnded(): void {
    if (this.#reader.isCutOff) this.#end(new TransportError("InvalidRequest", "the stream ended inside of a message"));
    else this.#pump();
  }

  /** Writes what is due. */
  #pump(): void {
    while (!this.#isEnded && !this.#needsDrain) {
      const isUnasked = this.#hasEnded && !this.#reader.isHolding;
      const delta = isUnasked ? this.#session.nextUnasked() : this.#session.next();
      if (delta !== null) this.#needsDrain = !this.#stream.write(encodeDelta(delta));
      else if (isUnasked) this.#end(null);
      else return;
    }
  }

  #end(error: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#session.close();
    this.#deadline?.cancel();
    const stream = this.#stream;
    if (stream.destroyed) return;
    endWithTrailers(stream, trailersOf(error), this.#deps.clock);
  }

  #closed(): void {
    this.#isEnded = true;
    this.#deadline?.cancel();
    this.#deps.discovery.closing.removeEventListener("abort", this.#onClosing);
    this.#session.close();
  }
}

/** A gRPC message: the small fields encoded here, the bindings as they were encoded once for all. */
function encodeDelta({ nonce, snapshot, bindings, removed }: Delta<VersionedBinding>): Buffer {
  const head = toBinary(
    WatchBindingsResponseSchema,
    create(WatchBindingsResponseSchema, { nonce, snapshot, removed: [...removed] }),
  );
  let length = head.length;
  for (const { field } of bindings) length += 1 + field.length;
  const frame = Buffer.allocUnsafe(5 + length);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  frame.set(head, 5);
  let at = 5 + head.length;
  for (const { field } of bindings) {
    frame[at++] = bindingsTag;
    frame.set(field, at);
    at += field.length;
  }
  return frame;
}

function toHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) result.append(name, each);
  }
  return result;
}

function trailersOf(error: unknown): Record<string, string> {
  if (error === null) return statusTrailers(null);
  const { code, message, reason } = statusOf(error);
  return { ...statusTrailers({ code, message }), ...reason === null ? {} : { [reasonHeader]: reason } };
}
