/**
 * Which ways the engram's packets go: to the hub, straight to a peer, or both; and how an edge changes its way without
 * overtaking itself (DECISIONS K-17).
 *
 * ```
 *   holding  ──edge direct, or 10 s after the first packet──►  sending
 *   sending  ──binding says another way──►  draining  ──old way empty, or 10 s──►  sending
 * ```
 */
import type { Clock, Timer } from "../contract/runtime.ts";
import { EdgeStats } from "../delivery/edge.ts";
import { field, join } from "../delivery/encode.ts";
import { packetKeys } from "../contract/names.ts";
import type { Downstream } from "./binding.ts";
import type { Outgoing } from "./outbox.ts";
import { packetPrefix } from "./request.ts";
import type { Target } from "./driver.ts";
import type { Way, WayEvents } from "./way.ts";

/** What the connector is to the engram's packets. */
export interface RouterHost {
  readonly clock: Clock;
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
  /** Makes the way to a peer, with what becomes of its packets. */
  peerWay(target: Target, events: Pick<WayEvents, "delivered" | "dropped" | "drained" | "room">): Way;
  /** Everything waits less than before: reading may go on. */
  room(): void;
}

/** How long the first packet waits for its direct way, and a changed edge for its old one (K-17). */
const patienceMs = 10_000;

interface Peer {
  readonly way: Way;
  readonly edge: EdgeStats;
  /** What packets for this step end with: their identity, as the hub would write it. */
  readonly suffix: Uint8Array;
}

interface Plan {
  readonly hub: boolean;
  readonly peers: ReadonlyMap<string, Target>;
}

export class Router {
  readonly #host: RouterHost;
  readonly #hub: Way;
  readonly #peers = new Map<string, Peer>();
  readonly #edges = new Map<string, EdgeStats>();
  readonly #held: Outgoing[] = [];
  #plan: Plan = { hub: true, peers: new Map() };
  #next: Plan | null = null;
  /** A direct way is meant and not there yet, and nothing was sent. */
  #awaitsPeer = false;
  #hasSent = false;
  #timer: Timer | null = null;

  constructor(host: RouterHost, hub: Way) {
    this.#host = host;
    this.#hub = hub;
  }

  /** Counters of the edges that were direct at some time. */
  get edges(): Iterable<EdgeStats> {
    return this.#edges.values();
  }

  /** Whether the engram should send no more for now. */
  get isFull(): boolean {
    if (this.#isHolding && this.#held.length > 0) return true;
    if (this.#plan.hub && this.#hub.isFull) return true;
    for (const peer of this.#peers.values()) if (peer.way.isFull) return true;
    return false;
  }

  /** Packets that wait here or in a way. */
  get buffered(): number {
    let count = this.#held.length + this.#hub.buffered;
    for (const { way } of this.#peers.values()) count += way.buffered;
    return count;
  }

  /** Takes a packet; call `pump` once what arrived together was given. */
  offer(packet: Outgoing): void {
    if (this.#isHolding) {
      this.#held.push(packet);
      if (this.#awaitsPeer) this.#timer ??= this.#host.clock.after(patienceMs, () => this.#giveUpWaiting());
    } else this.#send(packet);
  }

  pump(): void {
    if (this.#plan.hub) this.#hub.pump();
    for (const { way } of this.#peers.values()) way.pump();
  }

  /** Discovery is about to say what follows: packets wait for that as they wait for a peer. */
  awaitBinding(): void {
    this.#awaitsPeer = true;
  }

  /** Obeys another binding. Null: what follows is not known, the hub has everything. */
  apply(downstreams: readonly Downstream[] | null): void {
    const all = downstreams ?? [];
    const peers = new Map(all.flatMap(({ step, peer }) => peer === null ? [] : [[step, peer] as const]));
    const plan: Plan = { hub: all.length === 0 || all.some(({ peer }) => peer === null), peers };
    this.#awaitsPeer = !this.#hasSent && all.some(({ isMeantDirect, peer }) => isMeantDirect && peer === null);
    this.#next = plan;
    this.#settle();
  }

  /** Looks again whether a change of ways may happen now. */
  drained(): void {
    if (this.#next !== null) this.#settle();
  }

  /** Ends the ways to peers, after what was written; settles when they are gone, or after `limitMs`. */
  async close(limitMs: number): Promise<void> {
    this.#timer?.cancel();
    await Promise.all([...this.#peers.values()].map(({ way }) => way.close(limitMs)));
  }

  get #isHolding(): boolean {
    return this.#next !== null || this.#awaitsPeer;
  }

  #giveUpWaiting(): void {
    this.#timer = null;
    this.#awaitsPeer = false;
    if (this.#next === null) this.#release();
    else this.#settle(true);
  }

  /** Goes over to the next plan once what the old one has begun is done; `now`: without waiting. */
  #settle(now = false): void {
    const next = this.#next;
    if (next === null) return;
    const leaving = [...this.#peers].filter(([step]) => !next.peers.has(step));
    const joins = [...next.peers.keys()].some((step) => !this.#peers.has(step));
    const awaits = leaving.some(([, { way }]) => way.isOpen && way.buffered > 0) ||
      (joins && this.#plan.hub && this.#hasSent && this.#hub.buffered > 0);
    if (awaits && !now) {
      this.#timer ??= this.#host.clock.after(patienceMs, () => {
        this.#timer = null;
        this.#settle(true);
      });
      return;
    }
    for (const [step, { way, edge }] of leaving) {
      this.#peers.delete(step);
      // what has not gone out takes the other way, unless others have had it through the hub already
      if (next.hub && !this.#plan.hub) {
        for (const packet of way.takeAll()) {
          edge.received--;
          edge.receivedBytes -= packet.size;
          edge.buffered--;
          this.#hub.offer(packet);
        }
      }
      void way.close();
    }
    for (const [step, target] of next.peers) {
      const known = this.#peers.get(step);
      if (known !== undefined) known.way.retarget(target);
      else this.#peers.set(step, this.#newPeer(step, target));
    }
    this.#plan = next;
    this.#next = null;
    if (!this.#awaitsPeer) this.#release();
  }

  #release(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const packet of this.#held.splice(0)) this.#send(packet);
    this.pump();
    this.#host.room();
  }

  #send(packet: Outgoing): void {
    this.#hasSent = true;
    if (this.#plan.hub) this.#hub.offer(packet);
    for (const { way, edge, suffix } of this.#peers.values()) {
      const addressed = withSuffix(packet, suffix);
      edge.received++;
      edge.receivedBytes += addressed.size;
      edge.buffered++;
      way.offer(addressed);
    }
  }

  #newPeer(step: string, target: Target): Peer {
    const { namespace, storyRun, step: own } = this.#host;
    let edge = this.#edges.get(step);
    if (edge === undefined) this.#edges.set(step, edge = new EdgeStats(own, step, "p2p"));
    const counted = edge;
    const way = this.#host.peerWay(target, {
      delivered(messages, bytes) {
        counted.delivered += messages;
        counted.deliveredBytes += bytes;
        counted.buffered -= messages;
      },
      dropped(reason) {
        counted.buffered--;
        counted.drop(reason);
      },
      drained: () => this.drained(),
      room: () => this.#host.room(),
    });
    way.start();
    return { way, edge, suffix: identity(namespace, storyRun, step) };
  }
}

const utf8 = new TextEncoder();

/** Pairs of metadata; behind a packet they stand above its own of the same keys. */
function identity(namespace: string, storyRun: string, step: string): Uint8Array {
  const pair = (key: string, value: string) =>
    field(1, join([field(1, utf8.encode(key)), field(2, utf8.encode(value))]));
  return join([
    pair(packetKeys.storyRun, storyRun),
    pair(packetKeys.namespace, namespace),
    pair(packetKeys.step, step),
  ]);
}

function withSuffix({ parts, size, hasFrame }: Outgoing, suffix: Uint8Array): Outgoing {
  const total = size + suffix.length;
  const [head, ...rest] = parts;
  const old = packetPrefix(size).length;
  return { parts: [packetPrefix(total), head!.subarray(old), ...rest, suffix], size: total, hasFrame };
}
