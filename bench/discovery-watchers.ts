/** Many watchers of the discovery service in one process, over a few connections, with as little client as works. */
import { Buffer } from "node:buffer";
import * as http2 from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  DiscoveryService,
  WatchBindingsRequestSchema,
  WatchBindingsResponseSchema,
} from "../gen/bobravoz/discovery/v1/discovery_pb.ts";

export interface WatchedStep {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
}

/** One watch, which accepts everything at once and remembers the versions that it holds. */
class Watcher {
  readonly held: Record<string, string> = {};
  bindings = 0;
  bytes = 0;
  readonly #stream: http2.ClientHttp2Stream;
  #rest: Buffer = Buffer.alloc(0);

  constructor(
    session: http2.ClientHttp2Session,
    selectors: readonly WatchedStep[],
    heldVersions: Record<string, string>,
    onResponse: () => void,
  ) {
    const { typeName, method } = DiscoveryService;
    this.#stream = session.request({
      ":method": "POST",
      ":path": `/${typeName}/${method.watchBindings.name}`,
      "content-type": "application/grpc+proto",
      "te": "trailers",
    });
    this.#stream.on("data", (chunk: Buffer) => this.#take(chunk, onResponse));
    this.#stream.on("error", (error) => {
      if (!this.#stream.aborted) throw error;
    });
    this.#send({ message: { case: "subscribe", value: { selectors: [...selectors], heldVersions } } });
    Object.assign(this.held, heldVersions);
  }

  close(): void {
    this.#stream.close(http2.constants.NGHTTP2_CANCEL);
  }

  #take(chunk: Buffer, onResponse: () => void): void {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      const response = fromBinary(WatchBindingsResponseSchema, rest.subarray(5, end));
      rest = rest.subarray(end);
      this.#send({ message: { case: "ack", value: { nonce: response.nonce } } });
      for (const { namespace, name, version } of response.bindings) this.held[`${namespace}/${name}`] = version;
      this.bindings += response.bindings.length;
      this.bytes += end;
      onResponse();
    }
    this.#rest = rest;
  }

  #send(request: MessageInitShape<typeof WatchBindingsRequestSchema>): void {
    const message = toBinary(WatchBindingsRequestSchema, create(WatchBindingsRequestSchema, request));
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, 5);
    this.#stream.write(frame);
  }
}

export interface Received {
  readonly responses: number;
  readonly bindings: number;
  readonly bytes: number;
}

/** All watchers; each of `selectors` is what one of them selects. */
export class Watchers {
  readonly #address: string;
  readonly #selectors: readonly (readonly WatchedStep[])[];
  readonly #connections: number;
  #sessions: http2.ClientHttp2Session[] = [];
  #watchers: Watcher[] = [];

  constructor(address: string, selectors: readonly (readonly WatchedStep[])[], connections = 8) {
    this.#address = address;
    this.#selectors = selectors;
    this.#connections = connections;
  }

  /** Connects all of them with what they hold, and settles when each has its snapshot. */
  async open(): Promise<Received> {
    const held = this.#selectors.map((_, index) => this.#watchers[index]?.held ?? {});
    this.#sessions = Array.from({ length: this.#connections }, () => {
      const session = http2.connect(`http://${this.#address}`);
      session.setMaxListeners(0);
      session.on("connect", () => session.setLocalWindowSize(1 << 20));
      return session;
    });
    let responses = 0;
    await new Promise<void>((resolve) => {
      const onResponse = () => {
        responses += 1;
        if (responses === this.#selectors.length) resolve();
      };
      this.#watchers = this.#selectors.map((selectors, index) =>
        new Watcher(this.#sessions[index % this.#connections]!, selectors, { ...held[index]! }, onResponse)
      );
    });
    const sum = (pick: (watcher: Watcher) => number) =>
      this.#watchers.reduce((total, watcher) => total + pick(watcher), 0);
    return { responses, bindings: sum(({ bindings }) => bindings), bytes: sum(({ bytes }) => bytes) };
  }

  /** Ends all watches, as if the network were gone; what each holds is kept for the next `open`. */
  async close(): Promise<void> {
    for (const watcher of this.#watchers) watcher.close();
    const closed = this.#sessions.map((session) => new Promise<void>((resolve) => session.close(resolve)));
    await Promise.all(closed);
  }
}
