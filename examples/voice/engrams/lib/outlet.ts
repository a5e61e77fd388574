/** What goes out, by the way that the binding in force says: directly to a peer, through the hub, or both. */
import { setTimeout } from "node:timers/promises";
import { type Binding, type Edge, EdgeMode } from "../../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import type { DataPacket } from "../../../../gen/transport/v1/hub_pb.ts";
import type { StepIdentity, StepStream } from "../../../../src/adapters/rpc/step-stream.ts";
import { type DirectCount, DirectWay } from "./direct-way.ts";

const retryMs = 200;
const maxRetries = 50;

export class Outlet {
  readonly #identity: StepIdentity;
  readonly #binding: () => Binding;
  readonly #hub: StepStream;
  readonly #signal: AbortSignal;
  // By the step at the other end; counts outlive connections.
  readonly #ways = new Map<string, DirectWay>();
  readonly #counts = new Map<string, DirectCount>();

  constructor(identity: StepIdentity, binding: () => Binding, hub: StepStream, signal: AbortSignal) {
    this.#identity = identity;
    this.#binding = binding;
    this.#hub = hub;
    this.#signal = signal;
  }

  /** Sends a packet to every follower; resolves once there is room for the next. */
  async send(packet: DataPacket): Promise<void> {
    const sent = new Set<string>();
    for (let attempt = 0;; attempt++) {
      const { downstreams } = this.#binding();
      await this.#leave(downstreams);
      try {
        for (const edge of downstreams.filter((each) => isDirectNow(each) && !sent.has(each.to))) {
          await this.#way(edge).send(packet);
          sent.add(edge.to);
        }
      } catch (error) {
        // The peer is gone: it comes back, or the binding changes and shows the way through the hub.
        if (attempt === maxRetries || this.#signal.aborted) throw error;
        await setTimeout(retryMs, undefined, { signal: this.#signal });
        continue;
      }
      if (downstreams.some((edge) => !isDirectNow(edge) && !sent.has(edge.to))) await this.#hub.send(packet);
      return;
    }
  }

  /** Totals of the edges that were peer-to-peer at some time, by the step at the other end. */
  get counts(): ReadonlyMap<string, Readonly<DirectCount>> {
    return this.#counts;
  }

  /** Settles when everything is delivered to peers and accepted by the hub's connection; sends no more. */
  async close(): Promise<void> {
    for (const way of this.#ways.values()) await way.close();
    this.#hub.end();
  }

  /** The old way of an edge drains before the new one is taken. */
  async #leave(downstreams: readonly Edge[]): Promise<void> {
    for (const [step, way] of this.#ways) {
      const edge = downstreams.find((each) => each.to === step);
      if (edge !== undefined && isDirectNow(edge) && edge.peer?.endpoint === way.endpoint) continue;
      this.#ways.delete(step);
      // One that broke has counted what it lost.
      await way.close().catch(() => {});
    }
  }

  #way(edge: Edge): DirectWay {
    const known = this.#ways.get(edge.to);
    if (known !== undefined && !known.isBroken) return known;
    let count = this.#counts.get(edge.to);
    if (count === undefined) {
      count = { received: 0, receivedBytes: 0, delivered: 0, deliveredBytes: 0, lost: 0 };
      this.#counts.set(edge.to, count);
    }
    const way = new DirectWay(edge.peer?.endpoint ?? "", this.#identity, count, this.#signal);
    this.#ways.set(edge.to, way);
    return way;
  }
}

function isDirectNow(edge: Edge): boolean {
  return edge.effective === EdgeMode.P2P && (edge.peer?.endpoint ?? "") !== "";
}
