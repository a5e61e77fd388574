/**
 * One Process stream of one step: takes requests as they are framed, fences, and relays packets to their targets.
 * THE HOT PATH: `receive` runs per packet; everything it needs was compiled when the plan changed.
 */
import type { Clock, Timer } from "../contract/runtime.ts";
import { TransportError } from "../contract/errors.ts";
import { join } from "../delivery/encode.ts";
import type { Packet } from "../delivery/packet.ts";
import type { Normalize } from "./normalize.ts";
import type { StreamPort } from "./port.ts";
import type { Registration } from "./registration.ts";
import { buildPacket } from "../delivery/build-packet.ts";
import type { Route, RunState } from "./run.ts";
import { type FlowScan, RequestScan, scanFlow, scanRequest, scanSparse } from "../delivery/scan.ts";
import { SparseMessage } from "../delivery/sparse-message.ts";
import type { StepState } from "./step.ts";
import { heartbeatResponse } from "./suffix.ts";

/** What a session asks of the hub around it. */
export interface SessionHost {
  readonly clock: Clock;
  /** How long a full downstream may hold its senders (DECISIONS "full buffer"). */
  stallLimitMs: number;
  readonly normalize: Normalize;
  readonly counters: HubCounters;
  /** A session is over, whoever ended it; its stream may take a while to close. */
  ended(session: Session, error: TransportError | null): void;
}

/** Totals of a hub that are not an edge's. */
export interface HubCounters {
  packets: number;
  heartbeats: number;
  /** Packets of steps that the Story does not have. */
  unrouted: number;
}

/** A packet that a full target has not taken; its sender is held meanwhile. */
interface Held {
  readonly route: Route;
  readonly packet: Packet;
  readonly suffix: Uint8Array;
  readonly size: number;
  /** Whether the edge counts it as buffered. */
  isCounted: boolean;
}

export class Session {
  readonly registration: Registration;
  readonly port: StreamPort;
  readonly run: RunState;
  readonly step: StepState;
  readonly #host: SessionHost;
  readonly #scan = new RequestScan();
  readonly #flow: FlowScan = { messages: 0, bytes: 0 };
  /** Targets that got packets since the last `endOfChunk`. */
  readonly #touched: StepState[] = [];
  readonly #held: Held[] = [];
  /** The message at hand where it arrived in parts. */
  #parts: SparseMessage | null = null;
  #stall: Timer | null = null;
  #isOver = false;
  #isStopping = false;
  #nowMs = 0;

  constructor(registration: Registration, port: StreamPort, run: RunState, step: StepState, host: SessionHost) {
    this.registration = registration;
    this.port = port;
    this.run = run;
    this.step = step;
    this.#host = host;
  }

  /** Whether the session was ended or superseded; nothing that it still sends counts. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Call before the first `receive` of what arrived together. */
  startChunk(): void {
    this.#nowMs = this.#host.clock.monotonicMs();
  }

  /**
   * Takes the encoded ProcessRequest at `bytes[start, end)`; the bytes must not change afterwards.
   * Answers false when reading must stop until `port.resume`. Bad input ends the stream with `InvalidPacket`.
   */
  receive(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#isOver) return true;
    this.#parts = null;
    const scan = this.#scan;
    let fault = scanRequest(bytes, start, end, scan);
    if (fault === null && scan.unusual) {
      const plain = this.#host.normalize(bytes.subarray(start, end));
      if (typeof plain === "string") fault = plain;
      else {
        bytes = plain;
        fault = scanRequest(bytes, 0, bytes.length, scan);
      }
    }
    if (fault !== null) {
      this.end(new TransportError("InvalidPacket", `transport process request invalid: ${fault}`, this.registration));
      return true;
    }
    return this.#dispatch(bytes);
  }

  /** The same for a long message that arrived in `parts`, which is passed on in parts. */
  receiveParts(parts: readonly Uint8Array[], length: number): boolean {
    if (this.#isOver) return true;
    const sparse = new SparseMessage(parts, length);
    if (!scanSparse(sparse.ends, sparse.gapAt, sparse.gapBytes, this.#scan)) {
      return this.receive(join(parts), 0, length);
    }
    this.#parts = sparse;
    return this.#dispatch(sparse.ends);
  }

  #dispatch(bytes: Uint8Array): boolean {
    const scan = this.#scan;
    if (scan.flowStart >= 0) this.#receiveFlow(bytes, scan.flowStart, scan.flowEnd);
    if (scan.packetStart < 0) return true;
    return this.#receivePacket(bytes) && !(this.#isStopping && this.step.outbox.messages === 0);
  }

  #receivePacket(bytes: Uint8Array): boolean {
    const scan = this.#scan;
    const routes = this.run.routes(this.step.name);
    if (routes === undefined) return this.#receiveUnrouted();
    if (scan.isHeartbeat) return this.#receiveHeartbeat(routes);
    this.#host.counters.packets++;
    return this.#relay(bytes, routes);
  }

  /** Call after the last `receive` of what arrived together: sends what the chunk put into outboxes. */
  endOfChunk(): void {
    const touched = this.#touched;
    for (let i = 0; i < touched.length; i++) touched[i]!.pump();
    touched.length = 0;
  }

  /** Takes no more packets after the next one; credits are still read as long as something waits for this step. */
  stopReading(): void {
    this.#isStopping = true;
  }

  /** The stream takes packets again. */
  writable(): void {
    this.step.pump();
  }

  /** The peer sends no more: what waits for it and is admitted goes out, then the RPC ends with OK. */
  halfClosed(): void {
    if (this.#isOver) return;
    this.endOfChunk();
    this.step.pump();
    this.end(null);
  }

  /** The stream is gone or to be ended; `error` null is a normal end. Idempotent. */
  end(error: TransportError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stall?.cancel();
    // what was accepted and found no room yet waits no longer: it goes in by the rules of a full buffer
    for (const held of this.#held.splice(0)) {
      held.route.target.forget(this);
      this.#settle(held, true);
    }
    this.endOfChunk();
    if (this.step.session === this) {
      this.step.session = null;
      this.step.lastActiveMs = this.#host.clock.monotonicMs();
    }
    this.port.end(error);
    this.#host.ended(this, error);
  }

  /** Tries again what was held; reading goes on when all of it found its place. */
  retry(): void {
    if (this.#isOver || this.#held.length === 0) return;
    const held = this.#held.splice(0);
    for (const each of held) {
      if (!this.#settle(each, false)) this.#held.push(each);
    }
    if (this.#held.length > 0) {
      for (const each of this.#held) each.route.target.awaitRoom(this);
      this.endOfChunk();
      return;
    }
    this.#stall?.cancel();
    this.#stall = null;
    this.port.resume();
  }

  #receiveFlow(bytes: Uint8Array, start: number, end: number): void {
    const fault = scanFlow(bytes, start, end, this.#flow);
    if (fault !== null) {
      this.end(new TransportError("InvalidPacket", `transport process request invalid: ${fault}`, this.registration));
      return;
    }
    this.step.credit.give(this.#flow.messages, this.#flow.bytes);
    // at once, not at the end of the turn: what waits goes before newer packets evict it
    if (this.step.outbox.messages > 0) this.step.pump();
  }

  #receiveUnrouted(): boolean {
    const { namespace, storyRun } = this.registration;
    const plan = this.run.plan;
    if (plan === null) {
      const text = `no plan for StoryRun ${namespace}/${storyRun} on this hub`;
      this.end(new TransportError("Unavailable", text, this.registration));
    } else if (plan.refusal !== null) {
      this.end(plan.refusal);
    } else if (!this.#scan.isHeartbeat) {
      this.#host.counters.unrouted++;
    }
    return true;
  }

  #receiveHeartbeat(routes: readonly Route[]): boolean {
    this.#host.counters.heartbeats++;
    for (const route of routes) {
      const port = route.target.session?.port;
      if (port?.writable) {
        port.writeEncoded(heartbeatResponse);
        port.flush();
      }
    }
    return true;
  }

  #relay(bytes: Uint8Array, routes: readonly Route[]): boolean {
    const scan = this.#scan;
    const packet = buildPacket(bytes, scan, false, this.#parts);
    let withoutInputs: Packet | null = null;
    const nowMs = this.#nowMs;
    for (let i = 0; i < routes.length; i++) {
      const route = routes[i]!;
      const edge = route.edge;
      let body = packet;
      if (route.replacesInputs && scan.hasInputs) body = withoutInputs ??= buildPacket(bytes, scan, true, this.#parts);
      const suffix = packet.partition === null ? route.suffix.bytes : route.suffix.withPartition(packet.partition);
      const size = body.bytes + suffix.length;
      edge.received++;
      edge.receivedBytes += size;
      if (scan.isChunked) {
        edge.drop("NotSupported");
        continue;
      }
      if (!packet.hasContent) {
        edge.drop("empty");
        continue;
      }
      const target = route.target;
      if (target.sendNow(body, edge, suffix, size)) {
        this.#touch(target);
        continue;
      }
      const answer = target.outbox.offer(body, edge, suffix, size, nowMs);
      if (answer === null) this.#touch(target);
      else if ((answer === "buffer_full" || answer === "lane_full") && target.outbox.dropPolicy === null) {
        this.#makeRoom({ route, packet: body, suffix, size, isCounted: false });
      }
    }
    return this.#held.length === 0;
  }

  /** A full target: sends what it can take now, else holds this sender, else (it stalled already) drops. */
  #makeRoom(held: Held): void {
    const target = held.route.target;
    target.pump();
    if (this.#settle(held, target.isStalled)) return;
    held.route.edge.buffered++;
    held.isCounted = true;
    this.#held.push(held);
    target.awaitRoom(this);
    this.#stall ??= this.#host.clock.after(this.#host.stallLimitMs, () => this.#giveUp());
  }

  /** Offers a held packet again; with `drops` one that still finds no room is dropped. False: it still waits. */
  #settle(held: Held, drops: boolean): boolean {
    const { route, packet, suffix, size } = held;
    if (route.target.removedAs !== null) {
      route.edge.drop(route.target.removedAs);
      if (held.isCounted) route.edge.buffered--;
      return true;
    }
    const answer = route.target.outbox.offer(packet, route.edge, suffix, size, this.#nowMs);
    const isFull = (answer === "buffer_full" || answer === "lane_full") && route.target.outbox.dropPolicy === null;
    if (isFull && !drops) return false;
    if (isFull) route.edge.drop(answer as "buffer_full" | "lane_full");
    if (held.isCounted) route.edge.buffered--;
    if (answer === null) this.#touch(route.target);
    return true;
  }

  #giveUp(): void {
    this.#stall = null;
    for (const held of this.#held) held.route.target.isStalled = true;
    for (const held of this.#held.splice(0)) {
      held.route.target.forget(this);
      this.#settle(held, true);
    }
    this.endOfChunk();
    this.port.resume();
  }

  #touch(target: StepState): void {
    if (!this.#touched.includes(target)) this.#touched.push(target);
  }
}
