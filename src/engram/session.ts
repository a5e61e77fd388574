/**
 * One session with the connector: Data and Control on one connection, the handshake, heartbeats, and its end
 * (data-plane 6.10).
 *
 * ```
 *   dialling ──► Data, then Control ──► handshake ──► standing ──► over
 * ```
 */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  ControlRequestSchema,
  ControlResponseSchema,
  DataRequestSchema,
  TransportConnectorService,
} from "../../gen/transport/v1/transport_pb.ts";
import type { CallStatus, ClientStream } from "../adapters/grpc/call.ts";
import type { GrpcChannel } from "../adapters/grpc/channel.ts";
import { type GrpcCode, grpcCodes } from "../adapters/grpc/codes.ts";
import { decode, pathOf } from "../adapters/grpc/codec.ts";
import { isTransportError, type Reason, TransportError } from "../contract/errors.ts";
import { packetKeys, protocolVersion, requestHeaders } from "../contract/names.ts";
import type { Clock, Log, Timer } from "../contract/runtime.ts";
import type { EngramConfig } from "./config.ts";
import { heartbeat, readControl } from "./control.ts";
import type { Outbox, Sink } from "./outbox.ts";
import type { Receipts } from "./receipts.ts";
import type { Receiver } from "./receiver.ts";

/** Why a session is over; final: another attempt would end the same way (data-plane 6.10 rule 28). */
export interface SessionEnd {
  readonly error: TransportError;
  readonly isFinal: boolean;
}

export interface SessionDeps {
  readonly config: EngramConfig;
  readonly channel: GrpcChannel;
  readonly clock: Clock;
  readonly log: Log;
  readonly receiver: Receiver;
  readonly receipts: Receipts;
  readonly outbox: Outbox;
}

const finalCodes: ReadonlySet<GrpcCode> = new Set([
  grpcCodes.InvalidArgument,
  grpcCodes.PermissionDenied,
  grpcCodes.Unauthenticated,
  grpcCodes.Unimplemented,
  grpcCodes.FailedPrecondition,
]);

const heartbeatMessage = toBinary(
  DataRequestSchema,
  create(DataRequestSchema, { metadata: { [packetKeys.heartbeat]: "true" } }),
);

export class Session {
  readonly #deps: SessionDeps;
  readonly #data: ClientStream;
  readonly #control: ClientStream;
  readonly #ready = Promise.withResolvers<boolean>();
  readonly #over = Promise.withResolvers<SessionEnd>();
  readonly #timers: Timer[] = [];
  #isStanding = false;
  #isFinishing = false;
  #isOver = false;
  #openStreams = 2;
  #needsCapabilities: boolean | null = null;
  #hasCapabilities = false;
  #hasSentData = false;
  #isHeld = false;

  /** On a channel that is connected. */
  constructor(deps: SessionDeps) {
    this.#deps = deps;
    const { channel, config: { binding, messageTimeoutMs, controlHeartbeatMs, dataHeartbeatMs }, clock } = deps;
    const { data, control } = TransportConnectorService.method;
    const metadata = { [requestHeaders.protocol]: protocolVersion };
    deps.receiver.reset();
    this.#data = channel.stream(pathOf(data), { metadata }, {
      message: (bytes, start, end) => this.#received(bytes, start, end),
      writable: () => deps.outbox.drain(),
      end: (status) => this.#ended("Data", status),
    });
    const named = { ...metadata, [requestHeaders.binding]: `${binding.namespace}/${binding.name}` };
    this.#control = channel.stream(pathOf(control), { metadata: named }, {
      message: (bytes, start, end) => {
        this.#directed(bytes, start, end);
        return true;
      },
      writable: () => deps.receipts.drain(),
      end: (status) => this.#ended("Control", status),
    });
    deps.receipts.attach(this.#control);
    this.#timers.push(
      clock.after(messageTimeoutMs, () => this.#late(messageTimeoutMs)),
      clock.every(controlHeartbeatMs, () => this.#say(toBinary(ControlRequestSchema, heartbeat(clock.nowMs())))),
      clock.every(dataHeartbeatMs, () => this.#beat()),
    );
  }

  /** Settles with true when the handshake is done, with false when it will not be. */
  get ready(): Promise<boolean> {
    return this.#ready.promise;
  }

  get over(): Promise<SessionEnd> {
    return this.#over.promise;
  }

  /** There is room for packets again. */
  resume(): void {
    if (!this.#isHeld || this.#isOver) return;
    this.#isHeld = false;
    this.#data.resume();
  }

  /** Ends both streams behind what was written, and settles when the connector has ended them, or after `limitMs`. */
  async finish(limitMs: number): Promise<void> {
    if (this.#isOver) return;
    this.#isFinishing = true;
    this.#data.halfClose();
    // the connector has read every packet when it ends Data; receipts go on until then
    this.resume();
    const timer = this.#deps.clock.after(limitMs, () => this.#end("DeadlineExceeded", "the connector did not end"));
    await this.#over.promise;
    timer.cancel();
  }

  #received(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#isFinishing) return true;
    try {
      if (this.#deps.receiver.receive(bytes, start, end)) return true;
    } catch (error) {
      if (!isTransportError(error)) throw error;
      this.#end(error.reason, error.message);
    }
    this.#isHeld = true;
    return false;
  }

  #directed(bytes: Uint8Array, start: number, end: number): void {
    let facts: ReturnType<typeof readControl>;
    try {
      facts = readControl(decode(ControlResponseSchema, bytes, start, end));
    } catch (error) {
      if (!isTransportError(error)) throw error;
      return this.#end(error.reason, error.message);
    }
    const { type, startup, answer } = facts;
    this.#deps.log.debug("directive of the connector", { type });
    if (startup === "badMode") {
      return this.#end("InvalidMetadata", `connector.ready without a known ${requestHeaders.capabilities}`);
    }
    if (answer !== null) this.#say(toBinary(ControlRequestSchema, answer));
    if (startup === "capabilities") this.#hasCapabilities = true;
    else if (startup !== null) this.#needsCapabilities = startup === "readyWithCapabilities";
    if (this.#isStanding || this.#needsCapabilities === null) return;
    if (this.#needsCapabilities && !this.#hasCapabilities) return;
    this.#isStanding = true;
    this.#deps.outbox.attach(this.#dataSink());
    this.#ready.resolve(true);
  }

  #dataSink(): Sink {
    const data = this.#data;
    const sent = () => this.#hasSentData = true;
    return {
      get writable() {
        return data.writable;
      },
      write(message) {
        sent();
        data.write(message);
      },
    };
  }

  #late(limitMs: number): void {
    if (this.#isStanding) return;
    const missing = this.#needsCapabilities === null ? "connector.ready" : "connector.capabilities";
    this.#end("DeadlineExceeded", `no ${missing} from the connector within ${limitMs} ms`, true);
  }

  #beat(): void {
    if (!this.#isStanding || this.#isFinishing) return;
    if (!this.#hasSentData && this.#data.writable) this.#data.write(heartbeatMessage);
    this.#hasSentData = false;
  }

  #say(message: Uint8Array): void {
    if (this.#isOver || this.#isFinishing && this.#openStreams < 2) return;
    this.#control.write(message);
  }

  #ended(stream: "Data" | "Control", status: CallStatus): void {
    this.#openStreams--;
    if (this.#isOver) return;
    if (this.#isFinishing) {
      if (this.#openStreams === 0) return this.#end("Aborted", "the engram has ended");
      if (stream === "Data") this.#control.halfClose();
      return;
    }
    const text = status.code === grpcCodes.Ok ? "ended by the connector" : status.message;
    this.#end(status.reason ?? "PeerFailed", `${stream} stream: ${text}`, finalCodes.has(status.code));
  }

  #end(reason: Reason, message: string, isFinal = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) timer.cancel();
    this.#deps.outbox.attach(null);
    this.#deps.receipts.attach(null);
    this.#data.cancel();
    this.#control.cancel();
    this.#ready.resolve(false);
    this.#over.resolve({ error: new TransportError(reason, message), isFinal });
  }
}
