/**
 * A step of a Story as a program: asks discovery for its binding and watches it, announces a listener where peers send
 * to it, and carries packets by the ways that the binding shows. `runEngram` is all that a program needs.
 */
import process from "node:process";
import { type Client, createClient } from "@connectrpc/connect";
import {
  type Binding,
  ConnectorState,
  DiscoveryService,
  EdgeMode,
} from "../../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import type { DataPacket } from "../../../../gen/transport/v1/hub_pb.ts";
import { connectTo, fromCall } from "../../../../src/adapters/rpc/clients.ts";
import { openStepStream } from "../../../../src/adapters/rpc/step-stream.ts";
import { BindingWatch, isDirect } from "./binding-watch.ts";
import { readSurroundings, type Surroundings } from "./identity.ts";
import { Inlet } from "./inlet.ts";
import { Outlet } from "./outlet.ts";
import { isEnd } from "./packets.ts";

const reportMs = 500;
/** How long the hub may take to accept the rest once this program sends no more. */
const endMs = 15_000;

export class Engram {
  readonly surroundings: Surroundings;
  readonly #discovery: Client<typeof DiscoveryService>;
  readonly #watch: BindingWatch;
  readonly #inlet: Inlet;
  readonly #outlet: Outlet;
  #listener: string | null = null;
  #reported = "";

  private constructor(
    surroundings: Surroundings,
    discovery: Client<typeof DiscoveryService>,
    watch: BindingWatch,
    inlet: Inlet,
    outlet: Outlet,
  ) {
    this.surroundings = surroundings;
    this.#discovery = discovery;
    this.#watch = watch;
    this.#inlet = inlet;
    this.#outlet = outlet;
  }

  /** Runs `main` between attaching and an orderly end. Rejects with whatever fails first. */
  static async run(surroundings: Surroundings, main: (engram: Engram) => Promise<void>): Promise<void> {
    const { identity } = surroundings;
    const stop = new AbortController();
    const toDiscovery = connectTo(surroundings.discovery, { env: process.env });
    const discovery = createClient(DiscoveryService, toDiscovery.transport);
    const who = `${identity.namespace}/${identity.storyRun}/${identity.step}`;
    const watch = await BindingWatch.open(discovery, identity, stop.signal).catch((error) => {
      const { reason, message } = fromCall(error, surroundings.discovery);
      throw new Error(`discovery has no binding for ${who}: ${reason}: ${message}`);
    });
    const toHub = connectTo(watch.current.hubEndpoint, { env: process.env });
    const hub = openStepStream({ connection: toHub, identity, signal: stop.signal });
    const inlet = new Inlet(() => watch.current.effectiveSettings);
    const outlet = new Outlet(identity, () => watch.current, hub, stop.signal);
    const engram = new Engram(surroundings, discovery, watch, inlet, outlet);
    const following = watch.follow(discovery, stop.signal);
    const reading = inlet.readHub(hub);
    const work = async () => {
      await engram.#announce();
      watch.subscribe(() => void engram.#announce().catch((error) => process.stderr.write(`${error}\n`)));
      const timer = setInterval(() => void engram.#report().catch(() => {}), reportMs);
      await main(engram);
      inlet.flush();
      await outlet.close();
      await Promise.race([reading, late(`the hub has not ended the stream of ${who}`)]);
      await Promise.race([inlet.close(), late(`a peer has not ended its stream to ${who}`)]);
      clearInterval(timer);
      await engram.#report();
    };
    // Reading ends well only after this program has said that it is done.
    const forever = reading.then(() => new Promise<never>(() => {}));
    await Promise.race([work(), following, forever]);
    stop.abort();
    await following.catch(() => {});
    toHub.close();
    toDiscovery.close();
  }

  /** Packets that come to this step; ends after the one that says that there are no more. */
  packets(): AsyncIterable<DataPacket> {
    return this.#inlet.packets(isEnd);
  }

  /** Sends a packet to every step that follows; resolves once there is room for the next. */
  send(packet: DataPacket): Promise<void> {
    return this.#outlet.send(packet);
  }

  /** Whether edges that are meant to be peer-to-peer are so in effect, waiting at most `limitMs` (DECISIONS K-17). */
  untilDirect(limitMs: number): Promise<boolean> {
    return this.#watch.until(isDirect, limitMs);
  }

  /** Where packets came from. */
  get counts(): Readonly<Inlet["counts"]> {
    return this.#inlet.counts;
  }

  /** Listens where a peer is meant to send to this step, and reports. */
  async #announce(): Promise<void> {
    if (this.#listener === null && hasPeerUpstream(this.#watch.current)) {
      this.#listener = await this.#inlet.listen(this.surroundings.port);
    }
    await this.#report();
  }

  async #report(): Promise<void> {
    const { identity } = this.surroundings;
    const edges = [...this.#outlet.counts].map(([to, count]) => ({
      from: identity.step,
      to,
      mode: EdgeMode.P2P,
      received: BigInt(count.received),
      receivedBytes: BigInt(count.receivedBytes),
      delivered: BigInt(count.delivered),
      deliveredBytes: BigInt(count.deliveredBytes),
      buffered: BigInt(count.received - count.delivered - count.lost),
      dropped: toDropped(count.lost),
    }));
    const { version, lanes } = this.#watch.current;
    const listener = this.#listener === null ? undefined : { endpoint: this.#listener, serverName: "" };
    const facts = `${version} ${this.#listener} ${edges.map((edge) => `${edge.received} ${edge.delivered}`)}`;
    if (facts === this.#reported) return;
    await this.#discovery.reportConnector({
      ...identity,
      state: ConnectorState.READY,
      version,
      audio: { name: "pcm16", sampleRateHz: 16000, channels: 1 },
      lanes: lanes.map((lane) => lane.name),
      listener,
      edges,
    }, { timeoutMs: 10_000 });
    this.#reported = facts;
  }
}

/** The whole life of a program: ends the process with 0 after an orderly end, else with 1 and the reason. */
export async function runEngram(main: (engram: Engram) => Promise<void>): Promise<never> {
  process.on("SIGTERM", () => process.exit(143));
  try {
    await Engram.run(readSurroundings(), main);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`failed: ${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
}

function toDropped(lost: number): Record<string, bigint> {
  return lost > 0 ? { peer_lost: BigInt(lost) } : {};
}

function hasPeerUpstream({ upstreams }: Binding): boolean {
  return upstreams.some(({ published }) => published === EdgeMode.P2P);
}

function late(what: string): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} within ${endMs} ms`)), endMs).unref());
}
