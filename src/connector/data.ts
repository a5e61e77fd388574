/** One Data stream of the engram: takes its packets as fast as their ways do, and stands for it in the inbox. */
import type { Clock, Log } from "../contract/runtime.ts";
import { join } from "../delivery/encode.ts";
import { Assembler, splitPacket } from "./chunks.ts";
import type { ConnectorCounters } from "./counters.ts";
import type { ServerLink, ServerLinkEvents } from "./driver.ts";
import type { Gates } from "./gates.ts";
import { EngramRequest, packetPrefix } from "./request.ts";
import type { Router } from "./router.ts";

export interface DataHost {
  readonly gates: Gates;
  readonly counters: ConnectorCounters;
  readonly clock: Clock;
  readonly log: Log;
  readonly router: Router;
  /** Longest ProcessRequest that hub and peers take. */
  readonly maxSendBytes: number;
  /** The hub asked for a pause. */
  isPaused(): boolean;
  /** Sends a heartbeat to the hub where its stream stands. */
  heartbeat(parts: readonly Uint8Array[]): void;
  flushHeartbeats(): void;
  touched(): void;
  serial(): number;
  /** The engram takes packets again. */
  writable(): void;
  closed(): void;
}

export class DataSession implements ServerLinkEvents {
  readonly link: ServerLink;
  readonly #host: DataHost;
  readonly #request = new EngramRequest();
  readonly #assembler: Assembler;
  #isHeld = false;
  #isStopped = false;
  #hasHeartbeat = false;

  constructor(link: ServerLink, host: DataHost) {
    this.link = link;
    this.#host = host;
    this.#assembler = new Assembler(host.clock);
  }

  message(bytes: Uint8Array, start: number, end: number): boolean {
    const { counters } = this.#host;
    const request = this.#request;
    const fault = request.read(bytes, start, end);
    if (fault !== null) this.#refuse(fault);
    else if (request.isHeartbeat) {
      this.#hasHeartbeat = true;
      this.#host.heartbeat(request.parts);
    } else if (!this.#host.gates.upstream) {
      if (counters.upstreamDrop("gated")) this.#host.log.warn("packet dropped", { reason: "gated" });
    } else if (request.isChunked) this.#chunk();
    else this.#offer();
    if (!this.#isStopped && !this.#host.isPaused() && !this.#host.router.isFull) return true;
    this.#isHeld = true;
    return false;
  }

  endOfChunk(): void {
    this.#host.touched();
    this.#host.router.pump();
    if (this.#hasHeartbeat) this.#host.flushHeartbeats();
    this.#hasHeartbeat = false;
  }

  writable(): void {
    this.#host.writable();
  }

  halfClosed(): void {
    this.#host.router.pump();
    this.link.end(null);
  }

  closed(): void {
    this.#host.closed();
  }

  /** There may be room again. */
  room(): void {
    if (!this.#isHeld || this.#isStopped || this.#host.isPaused() || this.#host.router.isFull) return;
    this.#isHeld = false;
    this.link.resume();
  }

  /** Reads no more. */
  stop(): void {
    this.#isStopped = true;
  }

  #offer(): void {
    const { parts, size, hasFrame, hasContent } = this.#request;
    const { counters, router, maxSendBytes } = this.#host;
    if (!hasContent) {
      // the hub would drop it as well: it reaches nobody
      counters.upstreamDrop("empty");
      return;
    }
    counters.received(size);
    if (size + maxOverheadBytes <= maxSendBytes) {
      router.offer({ parts, size, hasFrame });
      return;
    }
    const packet = join(parts).subarray(packetPrefix(size).length);
    const chunks = splitPacket(packet, maxSendBytes, `c${this.#host.serial()}`);
    if (chunks === null) {
      this.#refuse(`${size} bytes, over ${maxSendBytes}, without a stream_id to split it by`);
      return;
    }
    for (const chunk of chunks) {
      router.offer({ parts: [packetPrefix(chunk.length), chunk], size: chunk.length, hasFrame });
    }
  }

  #chunk(): void {
    const { parts, size } = this.#request;
    const whole = this.#assembler.add(join(parts).subarray(packetPrefix(size).length));
    if ("fault" in whole) {
      this.#refuse(whole.fault);
      return;
    }
    if (whole.packet === null) return;
    const fault = this.#request.readPacket(whole.packet);
    if (fault !== null) this.#refuse(fault);
    else this.#offer();
  }

  /** A packet that a hub would end the stream for is dropped alone (W-09). */
  #refuse(detail: string): void {
    if (this.#host.counters.upstreamDrop("invalid")) {
      this.#host.log.warn("packet dropped", { reason: "invalid", detail: detail.slice(0, 200) });
    }
  }
}

/** What a ProcessRequest has beside its packet, and a peer's packet beside the engram's. */
const maxOverheadBytes = 1024;
