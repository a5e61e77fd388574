/** Streams of peers that send to this step directly (data-plane 6.11): one per sender, the newest of it counts. */
import { TransportError } from "../contract/errors.ts";
import { requestHeaders } from "../contract/names.ts";
import type { Clock, Timer } from "../contract/runtime.ts";
import type { Headers, ServerLink, ServerLinkEvents } from "./driver.ts";
import type { Inlet, InletPort } from "./inlet.ts";
import { field } from "../delivery/encode.ts";

export interface PeersHost {
  readonly clock: Clock;
  /** `BOBRAVOZ_P2P_HEARTBEAT_INTERVAL`. */
  readonly heartbeatMs: number;
  newInlet(port: InletPort): Inlet;
  closed(inlet: Inlet): void;
}

interface PeerStream {
  readonly key: string;
  readonly generation: number;
  readonly link: ServerLink;
  readonly inlet: Inlet;
}

/** A ProcessResponse with an empty FlowControl. */
const heartbeat = field(2, new Uint8Array());

export class PeerStreams {
  readonly #host: PeersHost;
  readonly #streams = new Set<PeerStream>();
  readonly #generations = new Map<string, number>();
  readonly #timer: Timer;

  constructor(host: PeersHost) {
    this.#host = host;
    this.#timer = host.clock.every(host.heartbeatMs, () => {
      for (const { link } of this.#streams) {
        link.write([heartbeat]);
        link.flush();
      }
    });
  }

  /** Takes a stream; the same sender's older one is ended. Throws `StaleGeneration` for a lower generation. */
  open(headers: Headers, link: ServerLink): ServerLinkEvents {
    const names = [requestHeaders.namespace, requestHeaders.storyRun, requestHeaders.step];
    const key = names.map((name) => headers[name]?.trim() ?? "").join("/");
    const generation = Number(headers[requestHeaders.generation] ?? 0) || 0;
    const known = this.#generations.get(key) ?? 0;
    if (generation < known) {
      const text = `connector-generation ${generation} of ${key} is stale: generation ${known} has connected`;
      throw new TransportError("StaleGeneration", text);
    }
    if (this.#generations.size < maxSenders) this.#generations.set(key, generation);
    for (const other of this.#streams) {
      if (other.key !== key) continue;
      const text = `superseded by a stream of connector-generation ${generation}`;
      other.link.end(new TransportError("Superseded", text));
    }
    const inlet = this.#host.newInlet({
      send: (message) => link.write([message]),
      flush: () => link.flush(),
      resume: () => link.resume(),
      signal: () => {},
      acknowledged: () => {},
    });
    const stream: PeerStream = { key, generation, link, inlet };
    this.#streams.add(stream);
    return {
      message: (bytes, start, end) => inlet.receive(bytes, start, end),
      endOfChunk: () => inlet.endOfChunk(),
      writable: () => {},
      // it hears of what it sent before the end
      halfClosed: () => inlet.whenIdle(() => link.end(null)),
      closed: () => {
        this.#streams.delete(stream);
        this.#host.closed(inlet);
      },
    };
  }

  close(error: TransportError): void {
    this.#timer.cancel();
    for (const { link } of this.#streams) link.end(error);
  }
}

/** Senders whose generation is remembered. */
const maxSenders = 1000;
