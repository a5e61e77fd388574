/** One step of a run in the hub: what waits for it, its credit, its stream, and the senders that wait for room. */
import { Credit } from "../delivery/credit.ts";
import { type ByteBudget, Outbox } from "../delivery/outbox.ts";
import type { DeliveryPlan } from "../routing/plan.ts";
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
  /** When the step last had a stream or took a packet, for the eviction of buffers that nobody reads. */
  lastActiveMs: number;
  readonly #waiting: Session[] = [];
  #isPumping = false;
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
  }

  /** A fresh stream has the whole grant. */
  attach(session: Session): void {
    this.session = session;
    this.generation = session.registration.generation;
    this.credit.reset(this.#delivery.credits);
    this.isStalled = false;
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
      while (this.#send() > 0 && this.#waiting.length > 0) {
        for (const sender of this.#waiting.splice(0)) sender.retry();
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
    if (sent > 0) {
      port.flush();
      this.isStalled = false;
    }
    return sent;
  }
}
