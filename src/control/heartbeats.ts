/**
 * Whether the connectors that existing releases run still say so: they set the time of `Ready` every 30 s, and nobody
 * else notices when they stop (DECISIONS K-12, control-plane B-41, B-51). One per run. A `Ready` of our own connectors
 * moves on a transition only, and its liveness is judged by the replica that holds their watch: it is never stale here.
 */
import type { TransportBinding } from "../contract/resources.ts";
import type { Clock } from "../contract/runtime.ts";
import { conditionOf } from "./conditions.ts";

/** Reason of our condition on a binding whose connector has gone silent. */
export const connectorStale = "ConnectorStale";

/** What connectors that refresh `Ready` write into it. */
const heartbeatMessage = "connector heartbeat (source=connector)";

export class Heartbeats {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** By name of the binding: the time that `Ready` had last, and when it was seen first. */
  readonly #seen = new Map<string, { readonly time: string; readonly atMs: number }>();

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Names of those bindings whose connector has been silent for the timeout, and after which time another may be; null
   * when none can. Counted from when a time was seen, whatever the clocks of others say; one that a process before us
   * called stale is so until its time moves.
   */
  look(bindings: readonly TransportBinding[]): { readonly stale: ReadonlySet<string>; readonly nextMs: number | null } {
    const nowMs = this.#clock.monotonicMs();
    const stale = new Set<string>();
    let nextMs: number | null = null;
    const present = new Set<string>();
    for (const { metadata: { name }, status } of bindings) {
      const ready = conditionOf(status?.conditions, "Ready");
      if (ready?.status !== "True" || ready.message !== heartbeatMessage) continue;
      present.add(name);
      const time = ready.lastTransitionTime;
      let seen = this.#seen.get(name);
      if (seen?.time !== time) {
        const wasStale = conditionOf(status?.conditions, "EndpointResolved")?.reason === connectorStale;
        const isFirst = seen === undefined;
        this.#seen.set(name, seen = { time, atMs: isFirst && wasStale ? nowMs - this.#timeoutMs : nowMs });
      }
      const leftMs = seen.atMs + this.#timeoutMs - nowMs;
      if (leftMs <= 0) stale.add(name);
      else nextMs = Math.min(nextMs ?? leftMs, leftMs);
    }
    for (const name of this.#seen.keys()) if (!present.has(name)) this.#seen.delete(name);
    return { stale, nextMs };
  }
}
