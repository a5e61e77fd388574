/** Free loopback ports, handed out at once and kept by their key while the process runs. */
import { createServer } from "node:net";
import { TransportError } from "../../contract/errors.ts";

// Below the ports that systems give to outgoing connections, so that none of those takes one of ours.
const firstPort = 20_000;
const lastPort = 32_000;
const spare = 64;
const host = "127.0.0.1";

export class PortPool {
  readonly #free: number[] = [];
  readonly #taken = new Map<string, number>();
  readonly #tried = new Set<number>();
  readonly #random: () => number;
  #filling: Promise<void> | null = null;

  /** `random` gives numbers from 0 up to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Settles when ports are there to be handed out. */
  ready(): Promise<void> {
    return this.#filling ??= this.#fill().finally(() => this.#filling = null);
  }

  /** The port of a key, the same one each time. Throws `Unavailable` where no free one is known yet. */
  take(key: string): number {
    const known = this.#taken.get(key);
    if (known !== undefined) return known;
    const port = this.#free.shift();
    if (this.#free.length < spare / 2) void this.ready();
    if (port === undefined) throw new TransportError("Unavailable", `no free loopback port for ${key} is known yet`);
    this.#taken.set(key, port);
    return port;
  }

  async #fill(): Promise<void> {
    const size = lastPort - firstPort;
    for (let tries = 0; this.#free.length < spare && tries < size && this.#tried.size < size; tries++) {
      const port = firstPort + Math.floor(this.#random() * size);
      if (this.#tried.has(port)) continue;
      this.#tried.add(port);
      if (await isFree(port)) this.#free.push(port);
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
