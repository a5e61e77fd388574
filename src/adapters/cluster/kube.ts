/**
 * A cluster behind a Kubernetes API server. Knows how objects are watched, written and compared there; refuses to know
 * what they mean. Which verb goes by which client, and why, stands in `kube/api.ts`.
 */
import { hostname } from "node:os";
import { apiVersions, fieldManagers, type Kind } from "../../contract/names.ts";
import { parseResource } from "../../contract/parse-resources.ts";
import type { JsonObject, JsonValue, Resources } from "../../contract/resources.ts";
import type { Clock, Log } from "../../contract/runtime.ts";
import { sameJson } from "../../contract/same-json.ts";
import type { Cluster, ClusterEvent, ObjectEvent } from "../../control/cluster.ts";
import type { KubeApi } from "./kube/api.ts";
import { EventRecorder } from "./kube/event-recorder.ts";
import { isKubeFault } from "./kube/fault.ts";
import { kubeKinds, kubePath } from "./kube/kinds.ts";
import { type KubeObject, ObjectCache } from "./kube/object-cache.ts";
import { isApplied } from "./kube/status-ownership.ts";
import { loggedTrouble } from "./kube/trouble.ts";
import { patchVersion } from "./kube/versioned-patch.ts";
import { type KindEvent, newWatchCounts, type WatchCounts, watchKind } from "./kube/watch.ts";

export interface KubeClusterOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Log;
  /** `reportingController` of Events (M-02). Default `transport-reconciler`. */
  readonly recorder?: string;
  /** `reportingInstance` of Events. Default the host's name, which is the pod's. */
  readonly instance?: string;
  /** The only namespace that is watched; default all. Kinds without a namespace are watched in any case. */
  readonly namespace?: string;
  /** Milliseconds for which equal Events are collected before their count is written. Default 10 000. */
  readonly seriesMs?: number;
}

/** What happened since the start; see `WatchCounts`. */
export interface KubeCounts extends WatchCounts {
  /** Objects that were not valid when they were seen. */
  invalidObjects: number;
  /** Writes that were left out, since they would have changed nothing. */
  savedWrites: number;
  /** Writes that were tried again over a newer version of the object. */
  conflicts: number;
}

/** Objects that are not valid and have been logged. */
const maxLogged = 1_000;

export class KubeCluster implements Cluster {
  readonly #api: KubeApi;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #namespace: string | undefined;
  readonly #events: EventRecorder;
  readonly #cache = new ObjectCache();
  readonly #counts: KubeCounts = { ...newWatchCounts(), invalidObjects: 0, savedWrites: 0, conflicts: 0 };
  readonly #logged = new Set<string>();
  // by object: the replacement that was written last, and the generation that came of it
  readonly #replaced = new Map<string, { readonly text: string; readonly generation: number }>();

  constructor(options: KubeClusterOptions) {
    this.#api = options.api;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#namespace = options.namespace === "" ? undefined : options.namespace;
    const { api, clock, log, seriesMs } = options;
    const [recorder, instance] = [options.recorder ?? "transport-reconciler", options.instance ?? hostname()];
    this.#events = new EventRecorder({
      api,
      clock,
      log,
      recorder,
      instance,
      ...seriesMs === undefined ? {} : { seriesMs },
    });
  }

  /** Reconnects, errors and what was saved, for metrics. */
  get counts(): Readonly<KubeCounts> & { readonly droppedEvents: number } {
    return { ...this.#counts, droppedEvents: this.#events.dropped };
  }

  async watch(onEvent: (event: ClusterEvent) => void, signal: AbortSignal): Promise<void> {
    const kinds = Object.keys(kubeKinds) as Kind[]; // the table is keyed by Kind
    const unsynced = new Set(kinds);
    await Promise.all(kinds.map((kind) => {
      const { model, isNamespaced } = kubeKinds[kind];
      const namespace = isNamespaced ? this.#namespace : undefined;
      return watchKind(
        model,
        { namespace },
        (event) => {
          if (event.type !== "synced") this.#see(kind, event as KindEvent<KubeObject>, onEvent);
          else if (unsynced.delete(kind) && unsynced.size === 0) onEvent({ type: "synced" });
        },
        signal,
        { counts: this.#counts, onTrouble: loggedTrouble(kind, this.#clock, this.#log) },
      );
    }));
  }

  async create<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { kind, metadata } = object;
    const { name, namespace = "", labels, annotations, finalizers, ownerReferences } = metadata;
    const body = json({
      apiVersion: apiVersions[kind],
      kind,
      metadata: { name, namespace: metadata.namespace, labels, annotations, finalizers, ownerReferences },
      spec: object.spec,
    });
    try {
      const made = await this.#api.request("POST", `${kubePath(kind, namespace)}?${ours}`, { body, signal });
      this.#cache.seen(kind, objectOf(made), null);
    } catch (error) {
      if (!isKubeFault(error, 409, "AlreadyExists")) throw error;
    }
  }

  async replace<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void> {
    const { kind, metadata: { name, namespace = "", labels = {}, annotations = {} } } = object;
    const wanted = { labels, annotations, spec: object.spec as unknown as JsonObject };
    const key = `${kind}/${namespace}/${name}`;
    const text = JSON.stringify(wanted);
    const written = await this.#patch(kind, namespace, name, signal, (known) => {
      const has = { labels: known.metadata.labels ?? {}, annotations: known.metadata.annotations ?? {} };
      const before = this.#replaced.get(key);
      // the API server may have put defaults into what we wrote
      const isSame = before?.text === text && before.generation === known.metadata.generation ||
        sameJson(known.spec ?? {}, wanted.spec);
      const operations: JsonObject[] = isSame ? [] : [{ op: "add", path: "/spec", value: wanted.spec }];
      for (const field of ["labels", "annotations"] as const) {
        if (sameJson(has[field], wanted[field])) continue;
        operations.push({ op: "add", path: `/metadata/${field}`, value: wanted[field] });
      }
      return operations;
    });
    if (written === null) return;
    this.#replaced.delete(key);
    this.#replaced.set(key, { text, generation: written.metadata.generation ?? 0 });
    if (this.#replaced.size > maxLogged) this.#replaced.delete(this.#replaced.keys().next().value!);
  }

  async delete(kind: Kind, namespace: string, name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const uid = this.#cache.get(kind, namespace, name)?.uid;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      propagationPolicy: "Background",
      // the one that we know: not another that has its name since
      ...(uid === undefined ? {} : { preconditions: { uid } }),
    };
    try {
      await this.#api.request("DELETE", kubePath(kind, namespace, name), { body, signal });
    } catch (error) {
      const isGone = isKubeFault(error, 404) || (uid !== undefined && isKubeFault(error, 409));
      if (!isGone) throw error;
    }
  }

  async removeFinalizer(
    kind: Kind,
    namespace: string,
    name: string,
    finalizer: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#patch(kind, namespace, name, signal, ({ metadata: { finalizers = [] } }) => {
      const index = finalizers.indexOf(finalizer);
      if (index < 0) return [];
      const path = `/metadata/finalizers/${index}`;
      const operations: JsonObject[] = [{ op: "test", path, value: finalizer }, { op: "remove", path }];
      return operations;
    });
  }

  async applyStatus(
    kind: Kind,
    namespace: string,
    name: string,
    manager: string,
    status: JsonObject,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const known = this.#cache.get(kind, namespace, name);
    const wanted = json(status);
    if (known !== undefined && isApplied(known.object.status ?? {}, known.owners.get(manager), wanted)) {
      this.#counts.savedWrites += 1;
      return;
    }
    const isNamespaced = kubeKinds[kind].isNamespaced;
    const body = json({
      apiVersion: apiVersions[kind],
      kind,
      // with the uid it fails where the name belongs to another object by now
      metadata: { name, namespace: isNamespaced ? namespace : undefined, uid: known?.uid },
      status: wanted,
    });
    // forced: what we apply is ours alone, and fields of others are not in it
    const path = `${kubePath(kind, namespace, name)}/status?fieldManager=${manager}&force=true`;
    try {
      this.#wrote(
        kind,
        objectOf(await this.#api.request("PATCH", path, { body, type: "application/apply-patch+yaml", signal })),
      );
    } catch (error) {
      if (!isKubeFault(error, 404)) throw error;
    }
  }

  recordEvent(event: ObjectEvent): void {
    const uid = event.uid ?? this.#cache.get(event.kind, event.namespace, event.name)?.uid;
    this.#events.record(uid === undefined ? event : { ...event, uid });
  }

  /** Settles when the Events that were recorded are written, or were given up, or the signal fires: call it at the end. */
  async flushEvents(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let end = () => {};
    const fired = new Promise<void>((resolve) => end = resolve);
    signal.addEventListener("abort", end, { once: true });
    await Promise.race([this.#events.flush(), fired]);
    signal.removeEventListener("abort", end);
  }

  /** Over the object as it was seen last; null where nothing was written. */
  async #patch(
    kind: Kind,
    namespace: string,
    name: string,
    signal: AbortSignal,
    operations: (known: KubeObject) => readonly JsonObject[],
  ): Promise<KubeObject | null> {
    const written = await patchVersion({
      api: this.#api,
      kind,
      namespace,
      name,
      fieldManager: fieldManagers.controller,
      signal,
      known: this.#cache.get(kind, namespace, name)?.object,
      operations,
      onConflict: () => this.#counts.conflicts += 1,
    });
    if (written === "same") this.#counts.savedWrites += 1;
    return typeof written === "string" ? null : this.#wrote(kind, written);
  }

  /** The answer to a write is newer than what the watch has shown; nothing is kept of an object that is gone by now. */
  #wrote(kind: Kind, object: KubeObject): KubeObject {
    const { uid, namespace = "", name } = object.metadata;
    if (this.#cache.get(kind, namespace, name)?.uid === uid) this.#cache.seen(kind, object, null);
    return object;
  }

  #see(kind: Kind, event: KindEvent<KubeObject>, onEvent: (event: ClusterEvent) => void): void {
    if (event.type === "synced") return;
    if (event.type === "deleted") {
      const delivered = this.#cache.removed(kind, event.object);
      this.#replaced.delete(`${kind}/${event.object.metadata.namespace ?? ""}/${event.object.metadata.name}`);
      const object = delivered === null ? null : parseResource(event.object, { legacy: true }).resource ?? delivered;
      if (object !== null) onEvent({ type: "deleted", object });
      return;
    }
    const { resource, faults } = parseResource(event.object, { legacy: true });
    this.#cache.seen(kind, event.object, resource);
    const { uid = "", namespace, name } = event.object.metadata;
    if (resource !== null) {
      this.#logged.delete(uid);
      onEvent({ type: "upserted", object: resource });
      return;
    }
    this.#counts.invalidObjects += 1;
    if (this.#logged.has(uid)) return;
    this.#logged.add(uid);
    if (this.#logged.size > maxLogged) this.#logged.delete(this.#logged.keys().next().value!);
    const fault = faults.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
    this.#log.warn("object is not valid and not looked at", { kind, namespace: namespace ?? "", name, fault });
  }
}

/** Field manager of creates and patches. */
const ours = `fieldManager=${fieldManagers.controller}`;

function objectOf(answer: JsonObject): KubeObject {
  return answer as unknown as KubeObject; // the API server answers a write with the object
}

/** Without the fields that are undefined. */
function json(value: unknown): Record<string, JsonValue> {
  return JSON.parse(JSON.stringify(value)) as Record<string, JsonValue>;
}
