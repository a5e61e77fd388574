/**
 * A cluster in memory: the store behind local mode and tests. It makes up what an API server would
 * (uid, generation, resourceVersion), collects what its owners left behind, and delivers events in order.
 */
import { createHash } from "node:crypto";
import type { Kind } from "../../contract/names.ts";
import type { JsonObject, ObjectMeta, Resource, Resources } from "../../contract/resources.ts";
import type { Clock } from "../../contract/runtime.ts";
import { sameJson } from "../../contract/same-json.ts";
import type { Cluster, ClusterEvent, ObjectEvent } from "../../control/cluster.ts";
import { applyStatus, type Ownership } from "./apply-status.ts";

/** Kinds that have no namespace. */
export const clusterScoped: ReadonlySet<Kind> = new Set(["EngramTemplate", "Transport"]);

/** An Event with the number of times that it was recorded. */
export interface CountedEvent extends ObjectEvent {
  readonly count: number;
}

interface Entry {
  object: Resource;
  owners: Ownership;
}

// The oldest of more distinct events is forgotten.
const maxEvents = 1000;

export class MemoryCluster implements Cluster {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #incarnations = new Map<string, number>();
  readonly #watchers = new Set<(event: ClusterEvent) => void>();
  readonly #pending: ClusterEvent[] = [];
  readonly #events = new Map<string, CountedEvent>();
  #delivering = false;
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Every object, in the order of their first appearance. */
  get objects(): readonly Resource[] {
    return [...this.#entries.values()].map((entry) => entry.object);
  }

  /** Events by the time of their first recording; equal ones are counted. */
  get events(): readonly CountedEvent[] {
    return [...this.#events.values()];
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Resources[K] | undefined {
    // An entry's key begins with its kind.
    return this.#entries.get(`${kind}/${namespace}/${name}`)?.object as Resources[K] | undefined;
  }

  /**
   * What a user does to an object: creates it, or changes metadata and spec. Its status is the cluster's and stays;
   * a spec that differs is a new generation.
   */
  put(object: Resource): void {
    const key = keyOf(object);
    const known = this.#entries.get(key);
    if (known === undefined) {
      const { status: _, ...rest } = object;
      this.#store(key, { ...rest, metadata: this.#born(key, object.metadata) } as Resource, new Map());
      return;
    }
    const { resourceVersion, generation, uid, creationTimestamp } = known.object.metadata;
    const metadata = { ...object.metadata, uid, generation, creationTimestamp, resourceVersion };
    const sameSpec = sameJson(known.object.spec, object.spec);
    if (sameSpec && sameJson(known.object.metadata, metadata)) return;
    this.#store(key, {
      ...object,
      metadata: sameSpec ? metadata : { ...metadata, generation: (generation ?? 0) + 1 },
      status: known.object.status,
    } as Resource, known.owners);
  }

  /** Takes an object away and what it alone owns; one that is unknown is no error. */
  remove(kind: Kind, namespace: string, name: string): void {
    const key = `${kind}/${namespace}/${name}`;
    const known = this.#entries.get(key);
    if (known === undefined) return;
    this.#entries.delete(key);
    this.#emit({ type: "deleted", object: known.object });
    this.collect();
  }

  /** Takes away objects that have owners of which none is left, as garbage collection does. */
  collect(): void {
    const uids = new Set(this.objects.map((object) => object.metadata.uid));
    for (const { kind, metadata } of this.objects) {
      const owners = metadata.ownerReferences ?? [];
      if (owners.length > 0 && !owners.some((owner) => uids.has(owner.uid))) {
        this.remove(kind, metadata.namespace ?? "", metadata.name);
      }
    }
  }

  watch(onEvent: (event: ClusterEvent) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      for (const object of this.objects) onEvent({ type: "upserted", object });
      onEvent({ type: "synced" });
      this.#watchers.add(onEvent);
      signal.addEventListener("abort", () => {
        this.#watchers.delete(onEvent);
        resolve();
      }, { once: true });
    });
  }

  // deno-lint-ignore require-await -- what throws rejects
  async create<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#entries.has(keyOf(object))) this.put(object);
  }

  // deno-lint-ignore require-await -- as above
  async replace<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const known = this.#entries.get(keyOf(object))?.object;
    if (known === undefined) return;
    const { labels, annotations } = object.metadata;
    this.put({ ...known, spec: object.spec, metadata: { ...known.metadata, labels, annotations } } as Resource);
  }

  // deno-lint-ignore require-await -- as above
  async delete(kind: Kind, namespace: string, name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.remove(kind, namespace, name);
  }

  // deno-lint-ignore require-await -- as above
  async removeFinalizer(
    kind: Kind,
    namespace: string,
    name: string,
    finalizer: string,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const key = `${kind}/${namespace}/${name}`;
    const known = this.#entries.get(key);
    if (!known?.object.metadata.finalizers?.includes(finalizer)) return;
    const { finalizers: before, ...metadata } = known.object.metadata;
    const finalizers = before.filter((each) => each !== finalizer);
    // What is being deleted goes with its last finalizer.
    if (metadata.deletionTimestamp !== undefined && finalizers.length === 0) return this.remove(kind, namespace, name);
    const kept = finalizers.length === 0 ? metadata : { ...metadata, finalizers };
    this.#store(key, { ...known.object, metadata: kept } as Resource, known.owners);
  }

  // deno-lint-ignore require-await -- as above
  async applyStatus(
    kind: Kind,
    namespace: string,
    name: string,
    manager: string,
    status: JsonObject,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const key = `${kind}/${namespace}/${name}`;
    const known = this.#entries.get(key);
    if (known === undefined) return;
    const applied = applyStatus(known.object.status as JsonObject | undefined, known.owners, manager, status);
    known.owners = applied.owners;
    if (applied.changed) this.#store(key, { ...known.object, status: applied.status } as Resource, applied.owners);
  }

  recordEvent(event: ObjectEvent): void {
    const key = JSON.stringify([event.kind, event.namespace, event.name, event.type, event.reason, event.message]);
    this.#events.set(key, { ...event, count: (this.#events.get(key)?.count ?? 0) + 1 });
    if (this.#events.size > maxEvents) this.#events.delete(this.#events.keys().next().value!);
  }

  /** The same name made again is another object; the first one of a name has the same uid in every process. */
  #born(key: string, metadata: ObjectMeta): ObjectMeta {
    const incarnation = this.#incarnations.get(key) ?? 0;
    this.#incarnations.set(key, incarnation + 1);
    return {
      ...metadata,
      uid: uidOf(`${key}/${incarnation}`),
      generation: 1,
      creationTimestamp: new Date(this.#clock.nowMs()).toISOString().replace(/\.\d+Z$/, "Z"),
    };
  }

  #store(key: string, object: Resource, owners: Ownership): void {
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    const stored = { ...object, metadata } as Resource;
    this.#entries.set(key, { object: stored, owners });
    this.#emit({ type: "upserted", object: stored });
  }

  /** Whoever writes while an event is delivered has its own event delivered after it, to every watcher. */
  #emit(event: ClusterEvent): void {
    this.#pending.push(event);
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
        for (const watcher of [...this.#watchers]) watcher(next);
      }
    } finally {
      this.#delivering = false;
    }
  }
}

function keyOf(object: Resource): string {
  return `${object.kind}/${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** A UUID that follows from its seed. */
function uidOf(seed: string): string {
  const hex = createHash("sha256").update(seed).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
