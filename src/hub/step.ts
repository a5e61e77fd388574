/** One step of a run in the hub: what waits for it, its credit, its stream, and the senders that wait for room. */
import { Credit } from "../delivery/credit.ts";
import { type ByteBudget, Outbox } from "../delivery/outbox.ts";
import type { DeliveryPlan } from "../routing/plan.ts";
import type { EdgeStats } from "../delivery/edge.ts";
import type { Packet } from "../delivery/packet.ts";
import type { Session } from "./session.ts";

export class StepState {
  readonly name: string;
  readonly outbox: Outbox;
  readonly credit: Credit;
  /** The active stream. */
  session: Session | null = null;
  /** Highest generation that was ever accepted; lower ones are fenced (control-plane issue #45). */
  generation = 0;
  /** True from the end of a stall until the step takes packets again; then full means drop, at once. */
  isStalled = false;
  /** Why what is still held for it is dropped: an edit took it out of the Story, or its run was moved. Null: it is not. */
  removedAs: "step_removed" | "moved" | null = null;
  /** When the step last had a stream or took a packet, for the eviction of buffers that nobody reads. */
  lastActiveMs: number;
  readonly #waiting: Session[] = [];
  #isPumping = false;
  /** Whether room came about without a packet that was sent: by expiry, or by another plan. */
  #hasRoom = false;
  /** Whether `sendNow` wrote something that is not flushed yet. */
  #hasWritten = false;
  #delivery: DeliveryPlan;

  constructor(name: string, delivery: DeliveryPlan, budget: ByteBudget, nowMs: number) {
    this.name = name;
    this.outbox = new Outbox(delivery, budget);
    this.credit = new Credit(delivery.credits);
    this.#delivery = delivery;
    this.lastActiveMs = nowMs;
  }

  applyPlan(delivery: DeliveryPlan): void {
    const before = this.#delivery.credits;
    const grant = delivery.credits;
    if (before?.maxMessages !== grant?.maxMessages || before?.maxBytes !== grant?.maxBytes) this.credit.reset(grant);
    this.#delivery = delivery;
    this.outbox.applyPlan(delivery);
    this.#hasRoom = true;
  }

  /** Drops what is older than the plan's `maxAgeSeconds`, and lets held senders go on where there is room. */
  expire(nowMs: number): void {
    if (this.outbox.expire(nowMs) === 0) return;
    this.#hasRoom = true;
    this.pump();
  }

  /** A fresh stream has the whole grant. */
  attach(session: Session): void {
    this.session = session;
    this.generation = session.registration.generation;
    this.credit.reset(this.#delivery.credits);
    this.isStalled = false;
    this.#hasWritten = false;
  }

  /**
   * Writes a packet that nothing waits in front of, past the outbox; the next `pump` flushes it.
   * False: stream or credit do not admit it now, so offer it to the outbox.
   */
  sendNow(packet: Packet, edge: EdgeStats, suffix: Uint8Array, size: number): boolean {
    const session = this.session;
    if (session === null || this.outbox.messages > 0 || !session.port.writable) return false;
    if (!this.credit.admits(size) || !this.outbox.fits(packet.lane, size)) return false;
    this.credit.spend(size);
    session.port.write(packet, suffix);
    edge.delivered++;
    edge.deliveredBytes += size;
    this.#hasWritten = true;
    return true;
  }

  /** `sender` is called back (`retry`) once there may be room. */
  awaitRoom(sender: Session): void {
    if (!this.#waiting.includes(sender)) this.#waiting.push(sender);
  }

  forget(sender: Session): void {
    const index = this.#waiting.indexOf(sender);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  /** Writes what credit and stream admit, then lets held senders go on; one at a time per step. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      let sent = this.#send();
      while (this.#waiting.length > 0 && (sent > 0 || this.#hasRoom || this.outbox.messages === 0)) {
        this.#hasRoom = false;
        for (const sender of this.#waiting.splice(0)) sender.retry();
        sent = this.#send();
        if (sent === 0) break;
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #send(): number {
    const session = this.session;
    if (session === null) return 0;
    const port = session.port;
    const outbox = this.outbox;
    let sent = 0;
    while (port.writable) {
      const next = outbox.peek();
      if (next === undefined || !this.credit.admits(next.size)) break;
      outbox.take();
      this.credit.spend(next.size);
      port.write(next.packet, next.suffix);
      next.edge.delivered++;
      next.edge.deliveredBytes += next.size;
      sent++;
    }
    if (sent > 0 || this.#hasWritten) {
      this.#hasWritten = false;
      port.flush();
      this.isStalled = false;
    }
    return sent;
  }
}
