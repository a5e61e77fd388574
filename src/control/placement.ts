/**
 * Which hub holds which StoryRun (ARCHITECTURE.md 4, DECISIONS W-20): rendezvous hashing over the hub pods that are
 * ready, recorded in the bindings of the run. Knows pods and records; refuses to know how either is watched or written.
 *
 *     ready pods ─┐
 *     record ─────┼─► stays where its record says while that hub is ready ─► else the highest weight of those ready
 *     memory ─────┘                                                         ─► else pod 0's address, `HubStarting`
 */
import { hostPart } from "../contract/hub-address.ts";
import type { TransportBinding } from "../contract/resources.ts";
import { isLoopback } from "../contract/loopback.ts";
import { isStarting, recordOf, unitOf } from "./placement-record.ts";
import { rendezvous } from "./rendezvous.ts";
import type { World } from "./world.ts";

/** A pod of the StatefulSet of hubs. */
export interface HubPod {
  readonly name: string;
  /** DNS name and port; the same before and after a restart. */
  readonly address: string;
  /** Ready, and not being deleted. */
  readonly ready: boolean;
}

/** The hub of a run, as its bindings say it. */
export interface HubPlace {
  readonly endpoint: string;
  /** TLS server name; empty: cleartext, on loopback (DECISIONS W-06). */
  readonly serverName: string;
  readonly state: "Ready" | "HubStarting";
}

export interface PlacementsOptions {
  /** Address of pod 0, that of every run while no hub is ready. */
  readonly first: string;
  /** Address of the hub for runs of a namespace where there is no StatefulSet of hubs: its Service (control-plane O-40). */
  readonly service: (namespace: string) => string;
  /** `BUBU_HUB_ENDPOINT`: every run's address; nothing is placed then. Null: not set. */
  readonly fixed: string | null;
  /**
   * Whether this process writes the records. Who does trusts its own decision before a record, which may be one that it
   * is about to replace; who does not follows the record. Default: it does.
   */
  readonly isLeader?: () => boolean;
}

export class Placements {
  readonly #options: PlacementsOptions;
  readonly #subscribers = new Set<() => void>();
  /** What was decided last, by unit. */
  readonly #decided = new Map<string, string>();
  /** Null: not seen yet. */
  #ready: ReadonlySet<string> | null = null;
  #hasFleet = true;

  constructor(options: PlacementsOptions) {
    this.#options = options;
  }

  /**
   * Takes over the pods as they are; subscribers are called when other ones are ready than before. Null: there is no
   * StatefulSet of hubs, so that a Service leads to whatever serves as one.
   */
  setHubs(pods: readonly HubPod[] | null): void {
    const ready = new Set(pods?.filter((pod) => pod.ready).map(({ address }) => address));
    const before = this.#ready;
    const isSame = before?.size === ready.size && [...ready].every((address) => before.has(address));
    if (isSame && this.#hasFleet === (pods !== null)) return;
    this.#ready = ready;
    this.#hasFleet = pods !== null;
    for (const changed of [...this.#subscribers]) changed();
  }

  /** Calls `changed` after other hubs are ready than before: runs may have another place. Returns how to stop. */
  subscribe(changed: () => void): () => void {
    this.#subscribers.add(changed);
    return () => void this.#subscribers.delete(changed);
  }

  /** The hub of a run. Asked again with the same pods and records, it answers the same. */
  endpoint(world: World, namespace: string, storyRun: string): HubPlace {
    const { fixed, first, service } = this.#options;
    if (fixed !== null) return placeAt(fixed, "Ready");
    if (!this.#hasFleet) return placeAt(service(namespace), "Ready");
    const { key, bindings } = unitOf(world, namespace, storyRun);
    const ready = this.#ready;
    // nothing is known of the hubs yet: what is recorded holds
    if (ready === null) return recordedIn(bindings) ?? placeAt(first, "HubStarting");
    const before = this.#decided.get(key);
    const isLeader = this.#options.isLeader?.() ?? true;
    let address = isLeader && before !== undefined && ready.has(before) ? before : null;
    if (address === null) {
      const recorded = new Set(
        bindings.flatMap((binding) => {
          const record = recordOf(binding);
          return record !== undefined && !isStarting(binding) && ready.has(record) ? [record] : [];
        }),
      );
      // while a move is being written there are two: the one that was decided, else the same for all who look
      address = before !== undefined && recorded.has(before) ? before : rendezvous(key, recorded);
    }
    if (address === null && before !== undefined && ready.has(before)) address = before;
    address ??= rendezvous(key, ready);
    if (address === null) {
      this.#decided.delete(key);
      return placeAt(first, "HubStarting");
    }
    this.#decided.set(key, address);
    return placeAt(address, "Ready");
  }

  /** Forgets a run that is over. One of a PerStory Story has nothing of its own to forget. */
  forget(namespace: string, storyRun: string): void {
    this.#decided.delete(`${namespace}/${storyRun}`);
  }
}

/** The place that bindings record; of several the first binding's, of one that waits and one that does not the latter. */
export function recordedIn(bindings: readonly TransportBinding[]): HubPlace | null {
  const recorded = bindings.filter((binding) => recordOf(binding) !== undefined);
  const chosen = recorded.find((binding) => !isStarting(binding)) ?? recorded[0];
  return chosen === undefined ? null : placeAt(recordOf(chosen)!, isStarting(chosen) ? "HubStarting" : "Ready");
}

/** The place at an address. */
export function placeAt(endpoint: string, state: HubPlace["state"]): HubPlace {
  const host = hostPart(endpoint);
  return { endpoint, serverName: isLoopback(host) ? "" : host, state };
}
