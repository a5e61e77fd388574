/** What an engram sent and its hub or peer has not taken: bounded in messages and bytes, in order (data-plane 6.8). */
import { Queue } from "../delivery/queue.ts";

/** A packet on its way out. */
export interface Outgoing {
  /** The ProcessRequest. */
  readonly parts: readonly Uint8Array[];
  /** Length of its DataPacket. */
  readonly size: number;
  readonly hasFrame: boolean;
}

export interface OutboxLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Limits by the channel buffer: that many messages, but 64 to 2048 of them. */
export function outboxLimits(channelBufferSize: number): OutboxLimits {
  return { maxMessages: Math.min(Math.max(channelBufferSize, 64), 2048), maxBytes: 10_485_760 };
}

export class SendOutbox {
  readonly #limits: OutboxLimits;
  // Evicted ones leave an undefined behind, so that the others keep their places.
  #queue = new Queue<{ packet: Outgoing | undefined }>();
  #messages = 0;
  #bytes = 0;

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the next packet finds no room. */
  get isFull(): boolean {
    return this.#messages >= this.#limits.maxMessages || this.#bytes >= this.#limits.maxBytes;
  }

  /** Appends; the caller has looked at `isFull` and may go over the limit by the packet at hand. */
  push(packet: Outgoing): void {
    this.#queue.push({ packet });
    this.#messages++;
    this.#bytes += packet.size;
  }

  /** Removes and returns the oldest. */
  shift(): Outgoing | undefined {
    for (let slot = this.#queue.shift(); slot !== undefined; slot = this.#queue.shift()) {
      if (slot.packet === undefined) continue;
      this.#messages--;
      this.#bytes -= slot.packet.size;
      return slot.packet;
    }
    return undefined;
  }

  /** Removes the oldest packet with a frame, which ages fastest; without any, the oldest. */
  evict(): Outgoing | undefined {
    for (let i = 0; i < this.#queue.length; i++) {
      const slot = this.#queue.at(i);
      const packet = slot?.packet;
      if (slot === undefined || packet === undefined || !packet.hasFrame) continue;
      slot.packet = undefined;
      this.#messages--;
      this.#bytes -= packet.size;
      return packet;
    }
    return this.shift();
  }
}
