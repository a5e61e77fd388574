/**
 * The Control stream toward the engram: handshake first, then directives, and an answer to each request by the table
 * of data-plane 6.4.
 */
import type { Clock } from "../contract/runtime.ts";
import { type ControlMessage, controlResponse, readControl } from "./control-message.ts";
import type { Gates } from "./gates.ts";
import type { ServerLink } from "./driver.ts";

/** What a receipt says (data-plane 6.6). */
export interface Receipt {
  readonly streamId: string;
  readonly partition: string;
  readonly sequence: number;
  readonly sizeBytes: number;
}

/** What the control streams ask of the connector around them. */
export interface ControlHost {
  readonly clock: Clock;
  readonly gates: Gates;
  /** Negotiated capabilities; null where nothing is known: then none are awaited. */
  capabilities(): Readonly<Record<string, string>> | null;
  receipt(receipt: Receipt): void;
  heartbeat(metadata: Readonly<Record<string, string>>): void;
  /** Counts what goes over the stream, for metrics. */
  counted(direction: "in" | "out", type: string): void;
  /** A session began: the binding may be reported ready. */
  opened(): void;
}

/** Phases of the hand-off with the reasons that the connector has for them. */
export type Directive =
  | { readonly phase: "cutover"; readonly reason: "hub_connected" | "hub_reconnected" }
  | { readonly phase: "draining"; readonly reason: "hub_disconnected" | "hub_recv_failed" | "bridge_closed" };

/** Directives that wait for a slow listener; more are dropped. */
const maxQueued = 8;

export class ControlStreams {
  readonly #host: ControlHost;
  readonly #sessions = new Set<ControlSession>();
  #latest: { readonly type: string; readonly metadata: Readonly<Record<string, string>> } | null = null;

  constructor(host: ControlHost) {
    this.#host = host;
  }

  get listeners(): number {
    return this.#sessions.size;
  }

  /** Takes a stream and begins the handshake at once: an SDK gives up for good on a late one (W-49). */
  open(link: ServerLink): ControlSession {
    const session = new ControlSession(link, this.#host);
    this.#sessions.add(session);
    const capabilities = this.#host.capabilities();
    session.send("connector.ready", { "startup.capabilities": capabilities === null ? "none" : "required" });
    if (capabilities !== null) session.send("connector.capabilities", capabilities);
    if (this.#latest !== null) session.send(this.#latest.type, this.#latest.metadata);
    link.flush();
    this.#host.opened();
    return session;
  }

  close(session: ControlSession): void {
    this.#sessions.delete(session);
  }

  /** Tells every session, and each later one when it opens. */
  direct({ phase, reason }: Directive): void {
    const metadata = { phase, reason, ts: String(Math.trunc(this.#host.clock.nowMs())) };
    this.#latest = { type: `handoff.${phase}`, metadata };
    for (const session of this.#sessions) session.queue(`handoff.${phase}`, metadata);
  }

  /** Other capabilities were negotiated. */
  capabilitiesChanged(): void {
    const capabilities = this.#host.capabilities();
    if (capabilities === null) return;
    for (const session of this.#sessions) session.queue("connector.capabilities", capabilities);
  }

  endAll(end: (link: ServerLink) => void): void {
    for (const session of this.#sessions) end(session.link);
  }
}

export class ControlSession {
  readonly link: ServerLink;
  readonly #host: ControlHost;
  readonly #queue: Uint8Array[] = [];

  constructor(link: ServerLink, host: ControlHost) {
    this.link = link;
    this.#host = host;
  }

  message(bytes: Uint8Array, start: number, end: number): boolean {
    const message = readControl(bytes, start, end);
    // a message that is none has no type to answer to
    if (message !== null) this.#handle(message);
    return true;
  }

  endOfChunk(): void {
    this.link.flush();
  }

  writable(): void {
    for (const each of this.#queue.splice(0)) this.link.write([each]);
    this.link.flush();
  }

  /** Sends, whatever waits: the handshake and answers. */
  send(type: string, metadata: Readonly<Record<string, string>>): void {
    this.#host.counted("out", type);
    this.link.write([controlResponse(type, metadata)]);
  }

  /** Sends unless the engram has not read the last eight. */
  queue(type: string, metadata: Readonly<Record<string, string>>): void {
    if (this.link.writable) {
      this.send(type, metadata);
      this.link.flush();
    } else if (this.#queue.length < maxQueued) {
      this.#host.counted("out", type);
      this.#queue.push(controlResponse(type, metadata));
    }
  }

  #handle({ type, metadata }: ControlMessage): void {
    const { gates } = this.#host;
    this.#host.counted("in", type);
    switch (type) {
      case "downstream.delivered": {
        const receipt = readReceipt(metadata);
        if (receipt !== null) this.#host.receipt(receipt);
        return;
      }
      case "ack":
        return;
      case "start":
      case "resume":
        gates.set("both", true);
        break;
      case "stop":
      case "pause":
        gates.set("both", false);
        break;
      case "start-upstream":
        gates.set("upstream", true);
        break;
      case "stop-upstream":
        gates.set("upstream", false);
        break;
      case "start-downstream":
        gates.set("downstream", true);
        break;
      case "stop-downstream":
        gates.set("downstream", false);
        break;
      case "heartbeat":
        this.#host.heartbeat(metadata);
        this.#answer(type, "true", { status: "alive" });
        return;
      case "codec-select":
        this.#answer(type, "false", { reason: "codec selection not implemented" });
        return;
      case "noop":
        this.#answer(type, "false", { reason: "empty" });
        return;
      default:
        this.#answer(type, "false", { reason: "unknown" });
        return;
    }
    this.#answer(type, "true");
  }

  #answer(received: string, handled: "true" | "false", more: Readonly<Record<string, string>> = {}): void {
    // a type may be longer than a value of metadata
    this.send("ack", { received: received.slice(0, 128), handled, ...more });
  }
}

/** A receipt; null where it names no sequence or its numbers are none. */
function readReceipt(metadata: Readonly<Record<string, string>>): Receipt | null {
  const sequence = decimal(metadata["sequence"]);
  const sizeBytes = decimal(metadata["size_bytes"] ?? "0");
  if (sequence === null || sequence === 0 || sizeBytes === null) return null;
  return { streamId: metadata["stream_id"] ?? "", partition: metadata["partition"] ?? "", sequence, sizeBytes };
}

function decimal(text: string | undefined): number | null {
  const trimmed = text?.trim() ?? "";
  return /^[0-9]{1,16}$/.test(trimmed) ? Number(trimmed) : null;
}
