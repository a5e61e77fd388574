/**
 * A cluster that plays what others wrote, request by request, and watches over what we write beside it: a write of ours
 * that an API server would refuse, or that touches what is theirs, is kept as a fault.
 */
import type { Kind } from "../../src/contract/names.ts";
import type {
  Condition,
  JsonObject,
  JsonValue,
  ObjectMeta,
  Resource,
  Resources,
} from "../../src/contract/resources.ts";
import { sameJson } from "../../src/contract/same-json.ts";
import { applyStatus, type Ownership } from "../../src/adapters/cluster/apply-status.ts";
import type { Cluster, ClusterEvent, ObjectEvent } from "../../src/control/cluster.ts";
import { kindsByPlural, type RecordedLine } from "./recordings.ts";

type Stored = JsonObject & { readonly kind: Kind; readonly metadata: ObjectMeta & JsonObject };

const clusterScoped = new Set(["EngramTemplate", "Transport"]);
const ourConditions = new Set(["EndpointResolved", "TransportReady"]);

export class RecordedCluster implements Cluster {
  /** What we wrote, one line each. */
  readonly writes: string[] = [];
  /** Why a write of ours should not have been made. */
  readonly faults: string[] = [];
  readonly events: ObjectEvent[] = [];
  /** `status reason` of the TransportReady that we wrote, one after the other, by run. */
  readonly verdicts: Record<string, string[]> = {};
  readonly #objects = new Map<string, Stored>();
  readonly #owners = new Map<string, Ownership>();
  readonly #watchers = new Set<(event: ClusterEvent) => void>();
  #version = 1_000_000;

  /** Puts objects there as they were recorded. */
  load(objects: readonly Resource[]): void {
    for (const object of objects) this.#store(object as unknown as Stored);
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Resources[K] | undefined {
    // keys begin with the kind
    return this.#objects.get(`${kind}/${namespace}/${name}`) as unknown as Resources[K] | undefined;
  }

  list<K extends Kind>(kind: K): readonly Resources[K][] {
    return [...this.#objects.values()].filter((object) => object.kind === kind) as unknown as Resources[K][];
  }

  /** Does what somebody else did. `uid` is what the API server gave an object that is created. */
  play(line: RecordedLine, uid: string): void {
    const kind = kindsByPlural[line.resource!]!;
    const namespace = clusterScoped.has(kind) ? "" : "demo";
    const key = `${kind}/${namespace}/${line.name}`;
    const known = this.#objects.get(key);
    switch (line.verb) {
      case "create": {
        const { status: _, ...object } = line.object as Stored;
        this.#store({ ...object, kind, metadata: { ...object.metadata, uid, generation: 1 } } as unknown as Stored);
        return;
      }
      case "delete":
        if (known === undefined) return;
        if ((known.metadata.finalizers ?? []).length === 0) return this.#remove(key);
        this.#store(withMetadata(known, { deletionTimestamp: "2026-01-01T12:01:00Z" }));
        return;
      case "update":
        if (known !== undefined) this.#change(key, known, line.object!, line.subresource);
        return;
      case "patch": {
        if (known === undefined || line.patch === undefined) return;
        const changed = line.patchType === "json"
          ? jsonPatch(known, line.patch as readonly JsonObject[])
          : line.patchType === "apply"
          ? mergeApply(known, line.patch as JsonObject)
          : mergePatch(known, line.patch as JsonObject);
        this.#change(key, known, changed as JsonObject, line.subresource);
      }
    }
  }

  watch(onEvent: (event: ClusterEvent) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      for (const object of this.#objects.values()) {
        onEvent({ type: "upserted", object: object as unknown as Resource });
      }
      onEvent({ type: "synced" });
      this.#watchers.add(onEvent);
      signal.addEventListener("abort", () => {
        this.#watchers.delete(onEvent);
        resolve();
      }, { once: true });
    });
  }

  create<K extends Kind>(object: Resources[K]): Promise<void> {
    this.writes.push(`create ${object.kind} ${object.metadata.name}`);
    const key = keyOf(object as unknown as Stored);
    if (!this.#objects.has(key)) {
      const metadata = { ...object.metadata, uid: `ours-${object.metadata.name}`, generation: 1 };
      this.#store({ ...object, metadata } as unknown as Stored);
    }
    return Promise.resolve();
  }

  replace<K extends Kind>(object: Resources[K]): Promise<void> {
    this.writes.push(`replace ${object.kind} ${object.metadata.name}`);
    this.faults.push(`${object.kind} ${object.metadata.name} is replaced`);
    return Promise.resolve();
  }

  delete(kind: Kind, _namespace: string, name: string): Promise<void> {
    this.writes.push(`delete ${kind} ${name}`);
    this.faults.push(`${kind} ${name} is deleted`);
    return Promise.resolve();
  }

  removeFinalizer(kind: Kind, namespace: string, name: string, finalizer: string): Promise<void> {
    const key = `${kind}/${namespace}/${name}`;
    const known = this.#objects.get(key);
    this.writes.push(`remove ${finalizer} of ${kind} ${name}`);
    if (known?.metadata.deletionTimestamp === undefined) this.faults.push(`finalizer of ${name}, which lives`);
    if (known === undefined) return Promise.resolve();
    const finalizers = known.metadata.finalizers?.filter((each) => each !== finalizer) ?? [];
    if (finalizers.length === 0) this.#remove(key);
    else this.#store(withMetadata(known, { finalizers }));
    return Promise.resolve();
  }

  applyStatus(kind: Kind, namespace: string, name: string, manager: string, status: JsonObject): Promise<void> {
    const key = `${kind}/${namespace}/${name}`;
    const known = this.#objects.get(key);
    this.writes.push(`status ${kind} ${name} ${manager}`);
    if (known === undefined) return Promise.resolve();
    const before = (known["status"] ?? {}) as JsonObject;
    const applied = applyStatus(before, this.#owners.get(key) ?? new Map(), manager, status);
    const fault = illegal(kind, applied.status) ?? foreign(kind, manager, before, applied.status);
    if (fault !== null) this.faults.push(`status of ${kind} ${name} by ${manager}: ${fault}`);
    if (!applied.changed) this.faults.push(`status of ${kind} ${name} by ${manager} changes nothing`);
    for (const { type, status, reason } of (applied.status["conditions"] ?? []) as unknown as readonly Condition[]) {
      if (kind !== "StoryRun" || type !== "TransportReady") continue;
      const said = this.verdicts[name] ??= [];
      if (said.at(-1) !== `${status} ${reason}`) said.push(`${status} ${reason}`);
    }
    this.#owners.set(key, applied.owners);
    this.#store({ ...known, status: applied.status });
    return Promise.resolve();
  }

  recordEvent(event: ObjectEvent): void {
    this.events.push(event);
  }

  #change(key: string, known: Stored, next: JsonObject, subresource: string | undefined): void {
    if (subresource === "status") {
      return this.#store({ ...known, ...(next["status"] === undefined ? {} : { status: next["status"] }) });
    }
    const { uid, generation = 1, deletionTimestamp } = known.metadata;
    const spec = next["spec"] ?? known["spec"]!;
    const metadata = {
      ...next["metadata"] as JsonObject,
      uid,
      generation: sameJson(spec, known["spec"]!) ? generation : generation + 1,
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    } as unknown as Stored["metadata"];
    if (deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0) return this.#remove(key);
    this.#store({ ...known, metadata, spec });
  }

  #store(object: Stored): void {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } } as Stored;
    this.#objects.set(keyOf(stored), stored);
    for (const watcher of this.#watchers) watcher({ type: "upserted", object: stored as unknown as Resource });
  }

  #remove(key: string): void {
    const known = this.#objects.get(key);
    if (known === undefined) return;
    this.#objects.delete(key);
    this.#owners.delete(key);
    for (const watcher of this.#watchers) watcher({ type: "deleted", object: known as unknown as Resource });
  }
}

function withMetadata(object: Stored, fields: Partial<ObjectMeta>): Stored {
  return { ...object, metadata: { ...object.metadata, ...fields } } as unknown as Stored;
}

function keyOf({ kind, metadata }: Stored): string {
  return `${kind}/${clusterScoped.has(kind) ? "" : metadata.namespace ?? ""}/${metadata.name}`;
}

/** Why the API server would refuse a status (control-plane 1.4, 1.7); null when it would not. */
function illegal(kind: Kind, status: JsonObject): string | null {
  const conditions = (status["conditions"] ?? []) as unknown as readonly Condition[];
  const isRun = kind === "StoryRun";
  if (isRun && conditions.length > 0 && !conditions.some(({ type }) => type === "Ready")) return "no Ready";
  for (const { type, status: state, reason, message, lastTransitionTime } of conditions) {
    if (!/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/.test(reason ?? "")) return `reason "${reason}" of ${type}`;
    if (!["True", "False", "Unknown"].includes(state)) return `status "${state}" of ${type}`;
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(lastTransitionTime ?? "")) return `time of ${type}`;
    if (reason.length > (isRun ? 64 : 1024)) return `reason of ${type} is too long`;
    if (message.length > (isRun ? 2048 : 32768)) return `message of ${type} is too long`;
  }
  return null;
}

/** What of a status was changed that is not ours; null when nothing was. */
function foreign(kind: Kind, manager: string, before: JsonObject, after: JsonObject): string | null {
  const theirs = (status: JsonObject): JsonObject => {
    const { endpoint: _, conditions, ...rest } = status;
    const kept = ((conditions ?? []) as unknown as readonly Condition[]).filter(({ type }) =>
      !ourConditions.has(type) && !(manager === "bobravoz-ready" && type === "Ready")
    );
    return { ...(kind === "TransportBinding" ? rest : { endpoint: _ ?? "", ...rest }), conditions: byType(kept) };
  };
  return sameJson(theirs(before), theirs(after)) ? null : "it changes what is theirs";
}

function byType(conditions: readonly Condition[]): JsonObject {
  return Object.fromEntries(conditions.map((each) => [each.type, each as unknown as JsonValue]));
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** RFC 7386. */
function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch;
  const merged: Record<string, JsonValue> = { ...(isObject(target) ? target : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

/** An apply, near enough: objects merge, conditions merge by type. */
function mergeApply(target: JsonValue | undefined, patch: JsonObject): JsonValue {
  const merged = mergePatch(target, patch) as JsonObject;
  const [before, wanted] = [target, patch].map((
    each,
  ) => ((each as { status?: { conditions?: Condition[] } } | undefined)?.status?.conditions ?? []));
  if (wanted!.length === 0) return merged;
  const conditions = [
    ...before!.filter(({ type }) => !wanted!.some((each) => each.type === type)),
    ...wanted!,
  ] as unknown as JsonValue;
  return { ...merged, status: { ...merged["status"] as JsonObject, conditions } };
}

/** Of RFC 6902, what the recordings use: add, replace and remove of fields and list items. */
function jsonPatch(target: JsonValue, operations: readonly JsonObject[]): JsonValue {
  const copy = structuredClone(target) as JsonValue;
  for (const { op, path, value } of operations) {
    const keys = String(path).split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = keys.pop()!;
    // deno-lint-ignore no-explicit-any -- a walk through any JSON
    let at = copy as any;
    for (const key of keys) at = at[key];
    if (Array.isArray(at)) {
      if (op === "remove") at.splice(Number(last), 1);
      else if (op === "add" && last === "-") at.push(value);
      else at[Number(last)] = value;
    } else if (op === "remove") delete at[last];
    else if (op !== "test") at[last] = value;
  }
  return copy;
}
