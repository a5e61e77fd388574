/** What comes in, from the hub and directly from peers, in one order, each packet acknowledged once it is handled. */
import * as http2 from "node:http2";
import { create } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  type DataPacket,
  HubService,
  type ProcessRequest,
  type ProcessResponse,
  ProcessResponseSchema,
} from "../../../../gen/transport/v1/hub_pb.ts";
import { SendQueue } from "../../../../src/adapters/rpc/send-queue.ts";
import type { StepStream } from "../../../../src/adapters/rpc/step-stream.ts";
import { packetKeys } from "../../../../src/contract/names.ts";
import { Acknowledger } from "./acknowledger.ts";

interface Incoming {
  readonly packet: DataPacket;
  readonly handled: () => void;
}

export class Inlet {
  readonly #settings: () => string;
  readonly #queue = new SendQueue<Incoming>();
  readonly #acknowledgers = new Set<Acknowledger>();
  #server: http2.Http2Server | null = null;
  /** Packets that came over a peer's own connection, and through the hub. */
  readonly counts = { direct: 0, hub: 0 };

  /** `settings` answers the effective settings in force. */
  constructor(settings: () => string) {
    this.#settings = settings;
  }

  /** Packets as they come; the one before is acknowledged when the next is asked for. Ends after `isLast`. */
  async *packets(isLast: (packet: DataPacket) => boolean): AsyncGenerator<DataPacket> {
    for await (const { packet, handled } of this.#queue) {
      try {
        yield packet;
      } finally {
        handled();
      }
      if (isLast(packet)) return;
    }
  }

  /** Takes what the hub sends; settles when the hub ends the stream. */
  async readHub(stream: StepStream): Promise<void> {
    const acknowledger = this.#acknowledge((messages, bytes) => stream.grant(messages, bytes));
    for await (const packet of stream.packets) {
      this.counts.hub++;
      await this.#queue.send({ packet, handled: acknowledger.received(packet) });
    }
  }

  /** Listens for peers on a loopback port and answers `host:port`. Idempotent. */
  async listen(port: number): Promise<string> {
    if (this.#server === null) {
      const handler = connectNodeAdapter({
        routes: (router) => void router.service(HubService, { process: (requests) => this.#readPeer(requests) }),
        acceptCompression: [],
      });
      const server = this.#server = http2.createServer(handler);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, "127.0.0.1", resolve);
      });
    }
    return `127.0.0.1:${port}`;
  }

  /** Acknowledges what is handled and not acknowledged yet. */
  flush(): void {
    for (const acknowledger of this.#acknowledgers) acknowledger.flush();
  }

  /** Takes no more peers, and settles when those that are connected have ended. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  async *#readPeer(requests: AsyncIterable<ProcessRequest>): AsyncGenerator<ProcessResponse> {
    const answers = new SendQueue<ProcessResponse>();
    const acknowledger = this.#acknowledge((creditsMessages, creditsBytes) =>
      answers.add(create(ProcessResponseSchema, { flow: { creditsMessages, creditsBytes } }))
    );
    const read = async () => {
      for await (const { packet } of requests) {
        if (packet === undefined || packet.metadata[packetKeys.heartbeat] === "true") continue;
        this.counts.direct++;
        await this.#queue.send({ packet, handled: acknowledger.received(packet) });
      }
      await acknowledger.idle();
      acknowledger.flush();
      answers.end();
    };
    const reading = read().catch((error) => answers.fail(error));
    yield* answers;
    await reading;
    this.#acknowledgers.delete(acknowledger);
  }

  #acknowledge(grant: (messages: number, bytes: number) => void): Acknowledger {
    const acknowledger = new Acknowledger(this.#settings(), grant);
    this.#acknowledgers.add(acknowledger);
    return acknowledger;
  }
}
