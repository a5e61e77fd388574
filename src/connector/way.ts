/**
 * A way out: one Process stream to a hub or to a peer, opened again when it is lost, with an outbox that outlives it.
 *
 * ```
 *   idle ──start──► opening ──accepted──► open ──end──► waiting ──timer──► opening …
 *                      └───────────end──────────────────┘      └─ given up: `failed`
 * ```
 */
import { isTransportError, TransportError } from "../contract/errors.ts";
import type { Clock, Timer } from "../contract/runtime.ts";
import { Queue } from "../delivery/queue.ts";
import type { ClientLink, Driver, Headers, Target } from "./driver.ts";
import { type OutboxLimits, type Outgoing, SendOutbox } from "./outbox.ts";
import { Redial, type RedialPolicy } from "./redial.ts";

export interface WayOptions {
  readonly driver: Driver;
  readonly headers: () => Headers;
  readonly limits: OutboxLimits;
  readonly redial: RedialPolicy;
  readonly dialTimeoutMs: number;
  /** How long a full outbox may hold the engram before it drops. */
  readonly stallLimitMs: number;
  /** Nothing is dropped, however long it takes (at least once). */
  readonly isReliable: () => boolean;
  /** The other end acknowledges each packet by credits: delivered is what it has acknowledged. */
  readonly countsAcks: boolean;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What becomes of packets and of the stream. */
export interface WayEvents {
  /** The stream stands; `again`: it has stood before. */
  opened(again: boolean): void;
  /** It stood, and is lost. Null: the other end closed it well. */
  lost(error: TransportError | null): void;
  /** It will not stand again. */
  failed(error: TransportError): void;
  message(bytes: Uint8Array, start: number, end: number): boolean;
  endOfChunk(): void;
  delivered(messages: number, bytes: number): void;
  dropped(reason: "outbox_full" | "peer_lost" | "shutdown", packet: Pick<Outgoing, "size">): void;
  /** There is room again after `isFull`. */
  room(): void;
  /** Nothing waits any more, here or at the other end; or nothing will be taken for now, since the stream is lost. */
  drained(): void;
}

/** A Go hub accepts a stream without a word until its first message: no refusal within this time counts as accepted. */
const silenceMs = 250;

/** Another connection of the same step took over: to come back at once would only throw it out again. */
const supersededMs = 5_000;

export class Way {
  readonly #options: WayOptions;
  readonly #events: WayEvents;
  readonly #outbox: SendOutbox;
  readonly #redial: Redial;
  /** Sizes of what was sent and is not acknowledged. */
  readonly #inFlight = new Queue<number>();
  #target: Target;
  #link: ClientLink | null = null;
  #isOpen = false;
  #hasStood = false;
  #isClosed = false;
  #isStalled = false;
  #stall: Timer | null = null;
  #silence: Timer | null = null;
  #wasFull = false;
  readonly #gone = Promise.withResolvers<void>();

  constructor(target: Target, options: WayOptions, events: WayEvents) {
    this.#target = target;
    this.#options = options;
    this.#events = events;
    this.#outbox = new SendOutbox(options.limits);
    this.#redial = new Redial(options.redial, options.clock, options.random);
  }

  get target(): Target {
    return this.#target;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Packets that are not delivered yet. */
  get buffered(): number {
    return this.#outbox.messages + this.#inFlight.length;
  }

  /** Whether the engram should be held: there is no room, and it has not lasted too long. */
  get isFull(): boolean {
    if (!this.#outbox.isFull || this.#isStalled) return false;
    this.#wasFull = true;
    if (!this.#options.isReliable()) {
      this.#stall ??= this.#options.clock.after(this.#options.stallLimitMs, () => {
        this.#stall = null;
        this.#isStalled = true;
        this.#tellRoom();
      });
    }
    return true;
  }

  /** Opens the stream, and again whenever it is lost. */
  start(): void {
    if (!this.#isClosed && this.#link === null) this.#open();
  }

  /** Goes to this address from now on. One that waits for its next attempt makes it now: something has changed. */
  retarget(target: Target): void {
    const isOther = target.address !== this.#target.address || target.serverName !== this.#target.serverName;
    this.#target = target;
    if (isOther) this.#redial.succeeded();
    if (this.#redial.isWaiting) {
      this.#redial.cancel();
      this.#open();
    } else if (isOther) this.#link?.cancel();
  }

  /** Opens the stream anew, where it is silent for too long. */
  reopen(): void {
    this.#link?.cancel();
  }

  /** Takes a packet; one for which there is no room, and no patience any more, costs another. */
  offer(packet: Outgoing): void {
    if (this.#isStalled && this.#outbox.isFull) {
      const evicted = this.#outbox.evict();
      if (evicted !== undefined) this.#events.dropped("outbox_full", evicted);
    }
    this.#outbox.push(packet);
  }

  /** Writes what the stream takes. Call once what arrived together was offered. */
  pump(): void {
    const link = this.#link;
    if (link === null || !this.#isOpen) return;
    let messages = 0;
    let bytes = 0;
    while (link.writable) {
      const packet = this.#outbox.shift();
      if (packet === undefined) break;
      link.write(packet.parts);
      if (this.#options.countsAcks) this.#inFlight.push(packet.size);
      messages++;
      bytes += packet.size;
    }
    if (messages === 0) return;
    link.flush();
    if (!this.#options.countsAcks) this.#events.delivered(messages, bytes);
    if (!this.#outbox.isFull) this.#tellRoom();
    if (this.buffered === 0) this.#events.drained();
  }

  /** Sends a message beside the outbox, where the stream stands: flow, heartbeats. False: it does not. */
  sendNow(message: readonly Uint8Array[]): boolean {
    if (this.#link === null || !this.#isOpen) return false;
    this.#link.write(message);
    return true;
  }

  flush(): void {
    this.#link?.flush();
  }

  resume(): void {
    this.#link?.resume();
  }

  /** The other end has `messages` more. */
  acknowledge(messages: number): void {
    let bytes = 0;
    let count = 0;
    for (; count < messages; count++) {
      const size = this.#inFlight.shift();
      if (size === undefined) break;
      bytes += size;
    }
    if (count === 0) return;
    this.#events.delivered(count, bytes);
    if (this.buffered === 0) this.#events.drained();
  }

  /** Takes out what waits, in order: another way has it now. */
  takeAll(): readonly Outgoing[] {
    const packets: Outgoing[] = [];
    for (let packet = this.#outbox.shift(); packet !== undefined; packet = this.#outbox.shift()) packets.push(packet);
    return packets;
  }

  /**
   * Ends the stream, after what was written, for which the other end has `limitMs`; what waits still is dropped.
   * Settles when the stream is gone. Idempotent.
   */
  close(limitMs = 1_000): Promise<void> {
    if (!this.#isClosed) this.#close(limitMs);
    return this.#gone.promise;
  }

  #close(limitMs: number): void {
    this.#isClosed = true;
    this.#redial.cancel();
    this.#stall?.cancel();
    this.#silence?.cancel();
    for (const packet of this.takeAll()) this.#events.dropped("shutdown", packet);
    const link = this.#link;
    if (link === null) return this.#gone.resolve();
    link.halfClose();
    this.#options.clock.after(limitMs, () => link.cancel());
  }

  #open(): void {
    const { driver, headers, dialTimeoutMs, clock } = this.#options;
    let isOver = false;
    const link: ClientLink = driver.open(this.#target, headers(), dialTimeoutMs, {
      accepted: () => this.#accepted(link),
      message: (bytes, start, end) => {
        this.#accepted(link);
        return this.#events.message(bytes, start, end);
      },
      endOfChunk: () => this.#events.endOfChunk(),
      writable: () => this.pump(),
      connected: () => {
        if (!isOver && !this.#isOpen) this.#silence = clock.after(silenceMs, () => this.#accepted(link));
      },
      end: (error, isFinal) => {
        isOver = true;
        this.#ended(link, error, isFinal);
      },
    });
    this.#link = link;
  }

  #accepted(link: ClientLink): void {
    if (this.#isOpen || this.#link !== link) return;
    this.#silence?.cancel();
    this.#isOpen = true;
    const again = this.#hasStood;
    this.#hasStood = true;
    this.#redial.succeeded();
    this.#events.opened(again);
    this.#isStalled = false;
    this.pump();
  }

  #ended(link: ClientLink, error: TransportError | null, isFinal: boolean): void {
    if (this.#link !== link) return;
    const wasOpen = this.#isOpen;
    this.#link = null;
    this.#isOpen = false;
    this.#silence?.cancel();
    for (let size = this.#inFlight.shift(); size !== undefined; size = this.#inFlight.shift()) {
      this.#events.dropped("peer_lost", { size });
    }
    if (wasOpen) {
      this.#events.lost(error);
      this.#events.drained();
    }
    if (this.#isClosed) return this.#gone.resolve();
    if (!wasOpen && error !== null && isFinal) {
      this.#fail(error);
      return;
    }
    const leastMs = isTransportError(error, "Superseded") ? supersededMs : 0;
    if (!this.#redial.schedule(() => this.#open(), leastMs)) {
      const cause = error ?? undefined;
      const text = `${this.#target.address} did not come back in ${this.#options.redial.maxAttempts} attempts`;
      this.#fail(new TransportError("Unavailable", cause ? `${text}: ${cause.message}` : text, {}, { cause }));
    }
  }

  #fail(error: TransportError): void {
    this.#isClosed = true;
    this.#gone.resolve();
    this.#redial.cancel();
    this.#events.failed(error);
  }

  #tellRoom(): void {
    this.#stall?.cancel();
    this.#stall = null;
    if (!this.#outbox.isFull) this.#isStalled = false;
    if (!this.#wasFull) return;
    this.#wasFull = false;
    this.#events.room();
  }
}
