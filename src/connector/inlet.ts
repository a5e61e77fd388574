/**
 * What one stream of a hub or a peer brings: packets for the engram, judged and converted, and flow. Keeps what of it
 * the engram has, and tells its sender.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { DataPacketSchema } from "../../gen/transport/v1/hub_pb.ts";
import { type FlowControl, FlowControlSignal } from "../../gen/transport/v1/transport_pb.ts";
import { validateMessage } from "../contract/bounds.ts";
import type { Clock } from "../contract/runtime.ts";
import { join } from "../delivery/encode.ts";
import { RequestScan, scanRequest } from "../delivery/scan.ts";
import { Slab } from "../delivery/slab.ts";
import { type AckPolicy, Acks } from "./acks.ts";
import type { Assembler } from "./chunks.ts";
import { splitResponse } from "./chunks.ts";
import { type EngramPacket, toEngram } from "./engram-packet.ts";
import { Fields } from "./fields.ts";
import { flowMessage, readFlow } from "./flow.ts";
import type { Gates } from "./gates.ts";
import type { Inbox, Item, Source } from "./inbox.ts";
import type { Receipt } from "./control.ts";
import { PacketFacts, readFacts } from "./packet-facts.ts";

/** Why a packet does not reach the engram. */
export type InletDrop = "gated" | "channel_timeout" | "invalid" | "shutdown";

export interface InletHost {
  readonly clock: Clock;
  readonly inbox: Inbox;
  readonly gates: Gates;
  readonly assembler: Assembler;
  /** Longest DataResponse that the engram takes. */
  readonly maxSendBytes: number;
  /** A packet, or a heartbeat, came in. */
  touched(): void;
  dropped(reason: InletDrop, detail: string): void;
  /** A number that no other packet of this process has, for chunk ids. */
  serial(): number;
}

export interface InletPort {
  /** Sends a message beside all packets; flushed by the caller. */
  send(message: Uint8Array): void;
  flush(): void;
  resume(): void;
  /** PAUSE or RESUME for what the engram produces. */
  signal(isPaused: boolean): void;
  /** What the other end acknowledged. */
  acknowledged(flow: FlowControl): void;
}

export class Inlet implements Source {
  readonly #host: InletHost;
  readonly #port: InletPort;
  readonly #scan = new RequestScan();
  readonly #fields = new Fields();
  readonly #facts = new PacketFacts();
  readonly #slab = new Slab();
  readonly #acks: Acks;
  /** Packets without sequence that wait for the engram. */
  #open = 0;
  #whenIdle: (() => void) | null = null;

  constructor(host: InletHost, port: InletPort, policy: AckPolicy) {
    this.#host = host;
    this.#port = port;
    this.#acks = new Acks(policy, host.clock, (update) => {
      port.send(flowMessage(update));
      port.flush();
    });
  }

  applyPolicy(policy: AckPolicy): void {
    this.#acks.applyPolicy(policy);
  }

  /** Takes the ProcessRequest or ProcessResponse at `bytes[start, end)`; both are numbered alike. */
  receive(bytes: Uint8Array, start: number, end: number): boolean {
    const scan = this.#scan;
    const fault = scanRequest(bytes, start, end, scan);
    if (fault !== null) {
      this.#host.dropped("invalid", fault);
      return true;
    }
    if (scan.flowStart >= 0) this.#receiveFlow(bytes, scan.flowStart, scan.flowEnd);
    if (scan.packetStart < 0) return true;
    this.#host.touched();
    return this.#receivePacket(bytes, scan.packetStart, scan.packetEnd, scan.unusual);
  }

  endOfChunk(): void {
    this.#host.inbox.pump();
    this.#acks.flush();
  }

  settled(): void {
    this.#acks.flush();
    if (this.#isIdle()) this.#whenIdle?.();
  }

  /** The engram gave a receipt. False where the packet was none of this stream's. */
  receipt({ streamId, partition, sequence, sizeBytes }: Receipt): boolean {
    if (!this.#acks.receipt(streamId, partition, sequence, sizeBytes)) return false;
    this.#acks.flush();
    return true;
  }

  /** The stream is over: what the engram has not confirmed comes again. */
  close(): void {
    this.#acks.close();
    this.#host.inbox.forget(this);
  }

  /** Tells everything that is due or not, before an end. */
  tell(): void {
    this.#acks.tell();
  }

  /** Calls `idle` once the engram was sent everything that came without sequence, and the sender was told. */
  whenIdle(idle: () => void): void {
    this.#whenIdle = () => {
      this.#whenIdle = null;
      this.#acks.tell();
      idle();
    };
    if (this.#isIdle()) this.#whenIdle();
  }

  #isIdle(): boolean {
    return this.#open === 0;
  }

  resume(): void {
    this.#port.resume();
  }

  sent(item: Item): void {
    this.#open--;
    this.#acks.done(item.wireSize);
  }

  dropped(item: Item, reason: "channel_timeout" | "shutdown"): void {
    if (item.sequence === 0) this.#open--;
    this.#host.dropped(reason, "");
    this.#release(item.streamId, item.partition, item.sequence, item.wireSize);
  }

  /** A packet that the engram will not see is done as well: its sender must not wait for it. */
  #release(streamId: string, partition: string, sequence: number, size: number): void {
    if (sequence === 0) this.#acks.done(size);
    else this.#acks.receipt(streamId, partition, sequence, size);
  }

  #receiveFlow(bytes: Uint8Array, start: number, end: number): void {
    const flow = readFlow(bytes, start, end);
    if (flow === null) return;
    if (flow.signal !== FlowControlSignal.UNSPECIFIED) this.#port.signal(flow.signal === FlowControlSignal.PAUSE);
    this.#port.acknowledged(flow);
  }

  #receivePacket(bytes: Uint8Array, start: number, end: number, isUnusual: boolean): boolean {
    const size = end - start;
    const { fields, facts } = { fields: this.#fields, facts: this.#facts };
    if (isUnusual || !fields.walk(bytes, start, end)) {
      const plain = normalize(bytes, start, end);
      if (typeof plain === "string" || !fields.walk(plain, 0, plain.length)) {
        return this.#refuse(typeof plain === "string" ? plain : "not a plain packet", size, 0, "", "");
      }
      bytes = plain;
      start = 0;
      end = plain.length;
    }
    readFacts(bytes, fields, facts);
    if (facts.isChunked) {
      const whole = this.#host.assembler.add(bytes.subarray(start, end));
      if ("fault" in whole) return this.#refuse(whole.fault, size, facts.sequence, facts.streamId, facts.partition);
      // chunks count like packets, and are had once they are here
      if (whole.packet === null) {
        this.#acks.done(size);
        return true;
      }
      bytes = whole.packet;
      start = 0;
      end = bytes.length;
      fields.walk(bytes, start, end);
      readFacts(bytes, fields, facts);
    }
    const { sequence, streamId, partition, isHeartbeat } = facts;
    if (sequence > 0) this.#acks.received(streamId, partition, sequence, size);
    if (!isHeartbeat && !this.#host.gates.downstream) {
      this.#host.dropped("gated", "");
      this.#release(streamId, partition, sequence, size);
      return true;
    }
    let parts: EngramPacket;
    try {
      parts = toEngram(bytes, start, end, fields, facts, this.#slab);
    } catch (error) {
      return this.#refuse(String(error), size, sequence, streamId, partition, true);
    }
    if (parts === null) {
      return this.#refuse("its receiver would not take it", size, sequence, streamId, partition, true);
    }
    return this.#offer(parts, size, sequence, streamId, partition, isHeartbeat);
  }

  #offer(
    parts: readonly Uint8Array[],
    wireSize: number,
    sequence: number,
    streamId: string,
    partition: string,
    isHeartbeat: boolean,
  ): boolean {
    let length = 0;
    for (const part of parts) length += part.length;
    const { inbox, maxSendBytes } = this.#host;
    const item = { size: length, wireSize, source: this, streamId, partition, sequence, isHeartbeat };
    if (sequence === 0 && !isHeartbeat) this.#open++;
    if (length <= maxSendBytes) return inbox.offer({ ...item, messages: [parts] });
    const chunks = splitResponse(join(parts), maxSendBytes, `${this.#host.serial()}`);
    if (chunks === null) {
      if (sequence === 0 && !isHeartbeat) this.#open--;
      return this.#refuse(`${length} bytes, over ${maxSendBytes}`, wireSize, sequence, streamId, partition, true);
    }
    return inbox.offer({ ...item, messages: chunks.map((chunk) => [chunk]) });
  }

  #refuse(
    detail: string,
    size: number,
    sequence: number,
    streamId: string,
    partition: string,
    isKnown = false,
  ): boolean {
    this.#host.dropped("invalid", detail);
    if (sequence > 0 && !isKnown) this.#acks.received(streamId, partition, sequence, size);
    this.#release(streamId, partition, sequence, size);
    return true;
  }
}

/** A packet whose bytes the scan could not judge, in plain encoding; or in field terms why it is not valid. */
function normalize(bytes: Uint8Array, start: number, end: number): Uint8Array | string {
  try {
    const packet = fromBinary(DataPacketSchema, bytes.subarray(start, end));
    const violations = validateMessage(DataPacketSchema, packet);
    if (violations.length > 0) return violations.map(({ field, message }) => `${field}: ${message}`).join("; ");
    return toBinary(DataPacketSchema, packet, { writeUnknownFields: false });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
