/**
 * Which hub holds which StoryRun (ARCHITECTURE.md 4, DECISIONS W-20): rendezvous hashing over the hub pods that are
 * ready, recorded in the bindings of the run. Knows pods and records; refuses to know how either is watched or written.
 *
 *     ready pods ─┐
 *     record ─────┼─► stays where its record says while that hub is ready ─► else the highest weight of those ready
 *     memory ─────┘                                                         ─► else pod 0's address, `HubStarting`
 */
import { hostPart } from "../contract/hub-address.ts";
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
  #ready: ReadonlySet<string> = new Set();

  constructor(options: PlacementsOptions) {
    this.#options = options;
  }

  /** Addresses of the hubs that are ready. */
  get ready(): ReadonlySet<string> {
    return this.#ready;
  }

  /** Takes over the pods as they are; subscribers are called when other ones are ready than before. */
  setHubs(pods: readonly HubPod[]): void {
    const ready = new Set(pods.filter((pod) => pod.ready).map(({ address }) => address));
    if (ready.size === this.#ready.size && [...ready].every((address) => this.#ready.has(address))) return;
    this.#ready = ready;
    for (const changed of [...this.#subscribers]) changed();
  }

  /** Calls `changed` after other hubs are ready than before: runs may have another place. Returns how to stop. */
  subscribe(changed: () => void): () => void {
    this.#subscribers.add(changed);
    return () => void this.#subscribers.delete(changed);
  }

  /** The hub of a run. Asked again with the same pods and records, it answers the same. */
  endpoint(world: World, namespace: string, storyRun: string): HubPlace {
    const { fixed, first } = this.#options;
    if (fixed !== null) return placeAt(fixed, "Ready");
    const { key, bindings } = unitOf(world, namespace, storyRun);
    const before = this.#decided.get(key);
    const isLeader = this.#options.isLeader?.() ?? true;
    let address = isLeader && before !== undefined && this.#ready.has(before) ? before : null;
    if (address === null) {
      const recorded = new Set(
        bindings.flatMap((binding) => {
          const record = recordOf(binding);
          return record !== undefined && !isStarting(binding) && this.#ready.has(record) ? [record] : [];
        }),
      );
      // while a move is being written there are two: the one that was decided, else the same for all who look
      address = before !== undefined && recorded.has(before) ? before : rendezvous(key, recorded);
    }
    if (address === null && before !== undefined && this.#ready.has(before)) address = before;
    address ??= rendezvous(key, this.#ready);
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

/** The place at an address. */
export function placeAt(endpoint: string, state: HubPlace["state"]): HubPlace {
  const host = hostPart(endpoint);
  return { endpoint, serverName: isLoopback(host) ? "" : host, state };
}
