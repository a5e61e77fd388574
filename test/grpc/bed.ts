// A service of our own framing on a real socket, and a call of it that a test can look at.

import { Buffer } from "node:buffer";
import { systemClock } from "../../src/adapters/clock.ts";
import type { CallOptions, CallStatus, ClientStream, Metadata, Methods } from "../../src/adapters/grpc/call.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { type Http2Port, listenMethods } from "../../src/adapters/grpc/listen.ts";
import type { ChannelOptions, ListenOptions } from "../../src/adapters/grpc/options.ts";
import { TransportError } from "../../src/contract/errors.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { Signal, within } from "../support/deadline.ts";

/** Stays what it was, however long a test goes on. */
export interface Facts {
  /** How calls of `Wait` ended: whether by a reset. */
  readonly closed: boolean[];
  /** Lets a held call of `Held` read on. */
  release: () => void;
  readonly signal: Signal;
}

export function testMethods(facts: Facts): Methods {
  return {
    "/test.Service/Unary": {
      kind: "unary",
      handle(message) {
        const text = Buffer.from(message).toString();
        if (text === "unknown step") throw new TransportError("UnknownStep", "no step “mic” – 100%");
        if (text === "bug") throw new Error("secret");
        return message;
      },
    },
    "/test.Service/Echo": {
      kind: "stream",
      open(stream) {
        stream.sendHeaders({ "x-kind": stream.header("x-kind") ?? "none" });
        return {
          message(bytes, start, end) {
            stream.write(bytes.subarray(start, end));
            return true;
          },
          halfClosed: () => stream.end(null, { "x-told": "all" }),
          closed() {},
        };
      },
    },
    "/test.Service/Wait": {
      kind: "stream",
      open(stream) {
        stream.sendHeaders();
        return {
          message: () => true,
          halfClosed() {},
          closed(isReset) {
            facts.closed.push(isReset);
            facts.signal.notify();
          },
        };
      },
    },
    // reads one message and no more until it is released; tells at the end how many came
    "/test.Service/Held": {
      kind: "stream",
      open(stream) {
        let count = 0;
        let isHeld = true;
        stream.sendHeaders();
        facts.release = () => {
          isHeld = false;
          stream.resume();
        };
        return {
          message() {
            count++;
            return !isHeld;
          },
          halfClosed: () => stream.end(null, { "x-count": String(count) }),
          closed() {},
        };
      },
    },
  };
}

export interface Bed extends AsyncDisposable {
  readonly port: Http2Port;
  readonly channel: GrpcChannel;
  readonly facts: Facts;
}

/** A port and a channel to it. */
export async function openBed(
  listen: Partial<ListenOptions> = {},
  dial: Partial<ChannelOptions> = {},
): Promise<Bed> {
  const facts: Facts = { closed: [], release() {}, signal: new Signal() };
  const port = await listenMethods({
    address: "127.0.0.1:0",
    tls: null,
    methods: testMethods(facts),
    clock: systemClock,
    log: silentLog,
    ...listen,
  });
  const channel = openChannel(port.address, dial);
  return {
    port,
    channel,
    facts,
    async [Symbol.asyncDispose]() {
      await within(5_000, "the end of the channel", channel.close());
      await within(5_000, "the end of the port", port.close(500));
    },
  };
}

export function openChannel(address: string, options: Partial<ChannelOptions> = {}): GrpcChannel {
  return new GrpcChannel({ address, tls: null, clock: systemClock, ...options });
}

/** A call and all that came of it. */
export class SeenCall {
  readonly stream: ClientStream;
  readonly messages: Buffer[] = [];
  headers: Metadata | null = null;
  /** In the order in which they came. */
  readonly order: string[] = [];
  /** Reading stops after each message while this is false. */
  goesOn = true;
  readonly signal = new Signal();
  readonly #status = Promise.withResolvers<CallStatus>();

  constructor(channel: GrpcChannel, path: string, options: CallOptions = {}) {
    this.stream = channel.stream(`/test.Service/${path}`, options, {
      headers: (metadata) => {
        this.headers = metadata;
        this.#saw("headers");
      },
      message: (bytes, start, end) => {
        this.messages.push(Buffer.from(bytes.subarray(start, end)));
        this.#saw("message");
        return this.goesOn;
      },
      writable: () => this.#saw("writable"),
      end: (status) => {
        this.#saw("end");
        this.#status.resolve(status);
      },
    });
  }

  get status(): Promise<CallStatus> {
    return within(5_000, "the end of a call", this.#status.promise);
  }

  #saw(what: string): void {
    this.order.push(what);
    this.signal.notify();
  }
}
