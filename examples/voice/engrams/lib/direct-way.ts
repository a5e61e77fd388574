/** A connection to one peer: packets that are on their way to it, and what it has acknowledged. */
import type { DataPacket } from "../../../../gen/transport/v1/hub_pb.ts";
import { type Connection, connectTo } from "../../../../src/adapters/rpc/clients.ts";
import {
  openStepStream,
  packetBytes,
  type StepIdentity,
  type StepStream,
} from "../../../../src/adapters/rpc/step-stream.ts";

/** Totals of a peer-to-peer edge as its sender counts them: delivered is what the peer has acknowledged. */
export interface DirectCount {
  received: number;
  receivedBytes: number;
  delivered: number;
  deliveredBytes: number;
  /** Sent over a connection that broke before they were acknowledged. */
  lost: number;
}

/** Packets without acknowledgement at which the sender waits. */
const maxInFlight = 100;

export class DirectWay {
  readonly endpoint: string;
  readonly #count: DirectCount;
  readonly #connection: Connection;
  readonly #stream: StepStream;
  readonly #opening: Promise<void>;
  readonly #reading: Promise<void>;
  #inFlight = 0;
  #failure: Error | null = null;
  #wake: (() => void)[] = [];

  constructor(endpoint: string, identity: StepIdentity, count: DirectCount, signal: AbortSignal) {
    this.endpoint = endpoint;
    this.#count = count;
    this.#connection = connectTo(endpoint, { env: {} });
    // Nothing is counted as sent to a peer that is not there.
    this.#opening = this.#connection.open();
    this.#opening.catch(() => {});
    this.#stream = openStepStream({
      connection: this.#connection,
      identity,
      signal,
      onFlow: ({ messages, bytes }) => {
        this.#inFlight -= messages;
        count.delivered += messages;
        count.deliveredBytes += bytes;
        this.#ring();
      },
    });
    this.#reading = this.#read();
  }

  /** Whether nothing can be sent any more. */
  get isBroken(): boolean {
    return this.#failure !== null;
  }

  /** Sends a packet. Rejects when the connection is broken; what was not acknowledged then counts as lost. */
  async send(packet: DataPacket): Promise<void> {
    await this.#opening;
    await this.#until(() => this.#inFlight < maxInFlight);
    await this.#stream.send(packet);
    this.#inFlight++;
    this.#count.received++;
    this.#count.receivedBytes += packetBytes(packet);
  }

  /** Settles when everything is acknowledged. */
  async drain(): Promise<void> {
    await this.#until(() => this.#inFlight === 0);
  }

  /** Drains, then ends the connection. */
  async close(): Promise<void> {
    await this.drain();
    this.#stream.end();
    await this.#reading;
    this.#connection.close();
  }

  async #read(): Promise<void> {
    try {
      // A peer sends flow control only.
      for await (const _ of this.#stream.packets);
    } catch (error) {
      this.#failure = error as Error;
      this.#connection.close();
    }
    this.#count.lost += this.#inFlight;
    this.#ring();
  }

  async #until(claim: () => boolean): Promise<void> {
    while (!claim()) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    if (this.#failure !== null) throw this.#failure;
  }

  #ring(): void {
    for (const resolve of this.#wake.splice(0)) resolve();
  }
}
