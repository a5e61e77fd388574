/**
 * What waits for the engram, from the hub and from peers, in one order, and what it has not given a receipt for.
 *
 * ```
 *   hub, peers ──► queue (bounded) ──► engram's Data stream ──► unreceipted (sequenced ones, bounded) ──► receipt
 *                    full: sources stop reading                   a new session gets these again, first
 * ```
 */
import type { Clock, Timer } from "../contract/runtime.ts";
import { Queue } from "../delivery/queue.ts";
import type { Link } from "./driver.ts";

/** Where packets come from; told what becomes of them. */
export interface Source {
  /** Reading goes on. */
  resume(): void;
  /** A packet without sequence is on its way to the engram. */
  sent(item: Item): void;
  /** What could be sent at once was: the moment to tell the sender. */
  settled(): void;
  /** A packet was dropped here, for a reason of `connectorDrops`. */
  dropped(item: Item, reason: "channel_timeout" | "shutdown"): void;
}

/** A packet for the engram. */
export interface Item {
  /** The DataResponse in parts; several where it was too long for one. */
  readonly messages: readonly (readonly Uint8Array[])[];
  /** Their length. */
  readonly size: number;
  /** Length of the DataPacket as its sender counts it. */
  readonly wireSize: number;
  readonly source: Source;
  readonly streamId: string;
  readonly partition: string;
  /** 0: not sequenced. */
  readonly sequence: number;
  /** Outside of flow control. */
  readonly isHeartbeat: boolean;
}

export interface InboxLimits {
  /** `BUBU_GRPC_CHANNEL_BUFFER_SIZE`. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxUnreceipted: number;
  readonly maxUnreceiptedBytes: number;
  /** `BUBU_GRPC_CHANNEL_SEND_TIMEOUT`; 0: a full queue waits. */
  readonly sendTimeoutMs: number;
}

/** How long a packet may be passed over by receipts for later ones before it is sent again. */
const againMs = 30_000;

export class Inbox {
  readonly #limits: InboxLimits;
  readonly #clock: Clock;
  readonly #queue = new Queue<Item>();
  readonly #held = new Set<Source>();
  readonly #unreceipted = new Map<string, Item>();
  #bytes = 0;
  #unreceiptedBytes = 0;
  #link: Link | null = null;
  #timer: Timer | null = null;
  readonly #again: Timer;
  /** When each was sent, in the order of sending, and how far receipts have come in that order. */
  readonly #sent = new Map<string, { order: number; atMs: number }>();
  #order = 0;
  #receiptedOrder = 0;

  constructor(limits: InboxLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#again = clock.every(againMs, () => this.#sendAgain());
  }

  get messages(): number {
    return this.#queue.length;
  }

  get unreceipted(): number {
    return this.#unreceipted.size;
  }

  /** Takes a packet; call `pump` once what arrived together was given. False: its source must stop reading. */
  offer(item: Item): boolean {
    if (item.isHeartbeat && this.#link === null) return !this.#isFull;
    this.#queue.push(item);
    this.#bytes += item.size;
    if (this.#isFull) this.pump();
    if (!this.#isFull) return true;
    this.#held.add(item.source);
    const { sendTimeoutMs } = this.#limits;
    if (sendTimeoutMs > 0) this.#timer ??= this.#clock.after(sendTimeoutMs, () => this.#timeOut());
    return false;
  }

  /** A new session of the engram: what it had no receipt for comes again, before the rest. */
  attach(link: Link): void {
    this.#link = link;
    for (const item of this.#unreceipted.values()) for (const message of item.messages) link.write(message);
    link.flush();
    this.pump();
  }

  detach(link: Link): void {
    if (this.#link === link) this.#link = null;
  }

  /** Writes what the engram's stream takes. */
  pump(): void {
    const link = this.#link;
    if (link !== null) {
      let count = 0;
      let source: Source | null = null;
      while (link.writable && !this.#isWaitingForReceipts) {
        const item = this.#queue.shift();
        if (item === undefined) break;
        this.#bytes -= item.size;
        if (item.sequence > 0) this.#keep(item);
        for (const message of item.messages) link.write(message);
        count++;
        if (item.sequence > 0 || item.isHeartbeat) continue;
        item.source.sent(item);
        if (source !== item.source) {
          source?.settled();
          source = item.source;
        }
      }
      if (count > 0) link.flush();
      source?.settled();
    }
    if (this.#held.size > 0 && !this.#isFull) this.#release();
  }

  /** The engram has it. False where nothing waits for that receipt. */
  receipt(streamId: string, partition: string, sequence: number): boolean {
    const key = keyOf(streamId, partition, sequence);
    const item = this.#unreceipted.get(key);
    if (item === undefined) return false;
    this.#unreceipted.delete(key);
    this.#unreceiptedBytes -= item.size;
    this.#receiptedOrder = Math.max(this.#receiptedOrder, this.#sent.get(key)?.order ?? 0);
    this.#sent.delete(key);
    return true;
  }

  /** Drops what has come from `source`, whose stream is over and which sends it again. */
  forget(source: Source): void {
    this.#held.delete(source);
    for (const [key, item] of this.#unreceipted) {
      if (item.source !== source) continue;
      this.#unreceipted.delete(key);
      this.#sent.delete(key);
      this.#unreceiptedBytes -= item.size;
    }
  }

  /** Drops everything that waits. */
  close(): void {
    this.#timer?.cancel();
    this.#again.cancel();
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      if (!item.isHeartbeat) item.source.dropped(item, "shutdown");
    }
    this.#bytes = 0;
  }

  get #isFull(): boolean {
    return this.#queue.length >= this.#limits.maxMessages || this.#bytes >= this.#limits.maxBytes;
  }

  get #isWaitingForReceipts(): boolean {
    return this.#unreceipted.size >= this.#limits.maxUnreceipted ||
      this.#unreceiptedBytes >= this.#limits.maxUnreceiptedBytes;
  }

  #keep(item: Item): void {
    const key = keyOf(item.streamId, item.partition, item.sequence);
    const known = this.#unreceipted.get(key);
    if (known !== undefined) this.#unreceiptedBytes -= known.size;
    this.#unreceipted.set(key, item);
    this.#sent.set(key, { order: ++this.#order, atMs: this.#clock.monotonicMs() });
    this.#unreceiptedBytes += item.size;
  }

  /**
   * An SDK whose queue of receipts is full lets go of a packet without one, and takes it when it comes again
   * (data-plane 6.10, 20); one that it has still, it does not take twice.
   */
  #sendAgain(): void {
    const link = this.#link;
    if (link === null || !link.writable) return;
    const nowMs = this.#clock.monotonicMs();
    for (const [key, item] of this.#unreceipted) {
      const sent = this.#sent.get(key);
      if (sent === undefined || sent.order > this.#receiptedOrder || nowMs - sent.atMs < againMs) continue;
      sent.atMs = nowMs;
      for (const message of item.messages) link.write(message);
    }
    link.flush();
  }

  #release(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const source of [...this.#held]) source.resume();
    this.#held.clear();
  }

  /** The engram took nothing for too long: what came last is dropped, and room is made for what comes next. */
  #timeOut(): void {
    this.#timer = null;
    if (!this.#isFull) return;
    const kept: Item[] = [];
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) kept.push(item);
    const last = kept.pop();
    this.#bytes = 0;
    for (const item of kept) {
      this.#queue.push(item);
      this.#bytes += item.size;
    }
    if (last !== undefined && !last.isHeartbeat) last.source.dropped(last, "channel_timeout");
    if (!this.#isFull) this.#release();
    else this.#timer = this.#clock.after(this.#limits.sendTimeoutMs, () => this.#timeOut());
  }
}

function keyOf(streamId: string, partition: string, sequence: number): string {
  return `${streamId}\0${partition}\0${sequence}`;
}
