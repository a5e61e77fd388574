/**
 * The driver of connectors within one process: streams without sockets, with the same order, back-pressure and ends as
 * over the wire. Bytes are handed on as they are, joined.
 */
import { isTransportError, type Reason, TransportError } from "../../contract/errors.ts";
import type {
  Accept,
  ClientLink,
  ClientLinkEvents,
  Driver,
  Headers,
  LinkEvents,
  PeerListener,
  ServerLink,
  ServerLinkEvents,
  Target,
} from "../../connector/driver.ts";
import { join } from "../../delivery/encode.ts";

/** What listens, by address. The programs that share it reach each other. */
export type MemoryNetwork = Map<string, Accept>;

/** Bytes that one side may have written and the other not read. */
const windowBytes = 256 * 1024;

const final: ReadonlySet<Reason> = new Set(["PermissionDenied", "InvalidMetadata", "InvalidRequest", "InvalidPacket"]);

export class MemoryDriver implements Driver {
  readonly #network: MemoryNetwork;
  readonly #open = new Set<ClientLink>();

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  open(target: Target, headers: Headers, _limitMs: number, events: ClientLinkEvents): ClientLink {
    const toServer = new Pipe();
    const toClient = new Pipe();
    let isOver = false;
    let server: ServerLinkEvents | null = null;
    const end = (error: TransportError | null, isFinal: boolean) => {
      if (isOver) return;
      isOver = true;
      this.#open.delete(link);
      toServer.close();
      queueMicrotask(() => {
        server?.closed();
        events.end(error, isFinal);
      });
    };
    const link: ClientLink = {
      get writable() {
        return !isOver && toServer.writable;
      },
      write: (parts) => toServer.write(parts),
      flush: () => toServer.flush(),
      resume: () => toClient.resume(),
      halfClose: () => toServer.end(),
      cancel: () => {
        toClient.close();
        end(new TransportError("Aborted", "the stream was given up"), false);
      },
    };
    const serverLink: ServerLink = {
      get writable() {
        return !isOver && toClient.writable;
      },
      write: (parts) => toClient.write(parts),
      flush: () => toClient.flush(),
      resume: () => toServer.resume(),
      end: (error) => {
        toClient.end();
        toClient.whenEnded(() => end(error, false));
      },
    };
    this.#open.add(link);
    queueMicrotask(() => {
      if (isOver) return;
      const accept = this.#network.get(target.address);
      if (accept === undefined) {
        end(new TransportError("Unavailable", `nothing listens at ${target.address}`), false);
        return;
      }
      events.connected();
      try {
        server = accept(headers, serverLink);
      } catch (error) {
        const refusal = isTransportError(error) ? error : new TransportError("PeerFailed", String(error));
        end(refusal, final.has(refusal.reason));
        return;
      }
      const taken = server;
      events.accepted();
      toServer.attach(taken, () => events.writable(), () => taken.halfClosed());
      toClient.attach(events, () => taken.writable(), () => {});
    });
    return link;
  }

  listen(address: string, accept: Accept): Promise<PeerListener> {
    if (this.#network.has(address)) {
      return Promise.reject(new TransportError("PortInUse", `address ${address} is in use`));
    }
    this.#network.set(address, accept);
    return Promise.resolve({
      address,
      close: () => {
        this.#network.delete(address);
        return Promise.resolve();
      },
    });
  }

  close(): Promise<void> {
    for (const link of [...this.#open]) link.cancel();
    return Promise.resolve();
  }
}

/** One direction of a stream. */
class Pipe {
  readonly #waiting: Uint8Array[] = [];
  readonly #batch: Uint8Array[] = [];
  #bytes = 0;
  #reader: LinkEvents | null = null;
  #drained: () => void = () => {};
  #ended: () => void = () => {};
  #whenEnded: () => void = () => {};
  #wasFull = false;
  #isPaused = false;
  #isEnding = false;
  #isScheduled = false;
  #isClosed = false;

  get writable(): boolean {
    if (this.#bytes < windowBytes) return !this.#isClosed && !this.#isEnding;
    this.#wasFull = true;
    return false;
  }

  attach(reader: LinkEvents, drained: () => void, ended: () => void): void {
    this.#reader = reader;
    this.#drained = drained;
    this.#ended = ended;
    this.#schedule();
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.#isClosed || this.#isEnding) return;
    const message = join(parts);
    this.#batch.push(message);
    this.#bytes += message.length;
    this.#schedule();
  }

  flush(): void {
    this.#waiting.push(...this.#batch.splice(0));
    this.#schedule();
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  end(): void {
    this.flush();
    this.#isEnding = true;
    this.#schedule();
  }

  /** Calls `ended` once everything before the end was read. */
  whenEnded(ended: () => void): void {
    this.#whenEnded = ended;
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const reader = this.#reader;
    if (this.#isClosed || reader === null) return;
    this.#waiting.push(...this.#batch.splice(0));
    let count = 0;
    while (!this.#isPaused && !this.#isClosed) {
      const message = this.#waiting.shift();
      if (message === undefined) break;
      this.#bytes -= message.length;
      count++;
      if (!reader.message(message, 0, message.length)) this.#isPaused = true;
    }
    if (count > 0) reader.endOfChunk();
    if (this.#wasFull && this.#bytes < windowBytes) {
      this.#wasFull = false;
      this.#drained();
    }
    if (this.#isEnding && this.#waiting.length === 0 && !this.#isPaused) {
      this.#isClosed = true;
      this.#ended();
      this.#whenEnded();
    }
  }
}
