/** One step's Process stream from the side of an engram: towards a hub, or towards a peer. */
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { TransportError } from "../../contract/errors.ts";
import { packetKeys, protocolVersion, requestHeaders } from "../../contract/names.ts";
import {
  type DataPacket,
  DataPacketSchema,
  HubService,
  type ProcessRequest,
  ProcessRequestSchema,
} from "../../../gen/transport/v1/hub_pb.ts";
import { type Connection, fromCall } from "./clients.ts";
import { SendQueue } from "./send-queue.ts";

/** Who speaks (data-plane 2.2). */
export interface StepIdentity {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
  readonly generation: number;
}

/** What the other side acknowledged with one message. */
export interface Granted {
  readonly messages: number;
  readonly bytes: number;
}

export interface StepStreamOptions {
  readonly connection: Connection;
  readonly identity: StepIdentity;
  readonly signal: AbortSignal;
  /** Called for each flow message of the other side. */
  readonly onFlow?: (granted: Granted) => void;
}

export interface StepStream {
  /** Packets without heartbeats; ends when the other side ends the stream. Throws why it failed. Iterate it once. */
  readonly packets: AsyncIterable<DataPacket>;
  /** Resolves once there is room for the next; rejects when the stream has failed. */
  send(packet: DataPacket): Promise<void>;
  /** Acknowledges packets: gives credit for so many messages and bytes. */
  grant(messages: number, bytes: number): void;
  /** Sends no more. What was sent is on its way; the other side ends the stream after it. */
  end(): void;
}

/** Opens a stream. Nothing waits for the other side's answer; a refusal comes out of `packets`. */
export function openStepStream(options: StepStreamOptions): StepStream {
  const { connection, identity, signal } = options;
  const queue = new SendQueue<ProcessRequest>();
  const responses = createClient(HubService, connection.transport).process(queue, {
    signal,
    headers: {
      [requestHeaders.protocol]: protocolVersion,
      [requestHeaders.namespace]: identity.namespace,
      [requestHeaders.storyRun]: identity.storyRun,
      [requestHeaders.step]: identity.step,
      [requestHeaders.generation]: String(identity.generation),
      [requestHeaders.capabilities]: "none",
    },
  });
  async function* packets() {
    try {
      for await (const { packet, flow } of responses) {
        if (flow !== undefined) options.onFlow?.({ messages: flow.creditsMessages, bytes: flow.creditsBytes });
        if (packet !== undefined && packet.metadata[packetKeys.heartbeat] !== "true") yield packet;
      }
      queue.fail(new TransportError("Unavailable", `${connection.address} has ended the stream`, identity));
    } catch (error) {
      const failure = fromCall(error, connection.address, identity);
      queue.fail(failure);
      throw failure;
    }
  }
  return {
    packets: packets(),
    send: (packet) => queue.send(create(ProcessRequestSchema, { packet })),
    grant: (creditsMessages, creditsBytes) =>
      queue.add(create(ProcessRequestSchema, { flow: { creditsMessages, creditsBytes } })),
    end: () => queue.end(),
  };
}

/** Size of a packet as flow control counts it: encoded bytes. */
export function packetBytes(packet: DataPacket): number {
  return toBinary(DataPacketSchema, packet).length;
}
