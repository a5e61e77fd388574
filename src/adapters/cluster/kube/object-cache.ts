/**
 * The newest state of each object that a watch or the answer to a write of ours has shown, as far as writes ask for it.
 * Specs and statuses are those of the object that was delivered, not copies.
 */
import type { Kind } from "../../../contract/names.ts";
import type { JsonObject, ObjectMeta, Resource } from "../../../contract/resources.ts";
import { isNewer } from "./seen-objects.ts";
import { type ManagedFields, type StatusOwners, statusOwners } from "./status-ownership.ts";

/** An object as the API server shows it. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta & { managedFields?: readonly ManagedFields[] };
  readonly spec?: JsonObject;
  readonly status?: JsonObject;
}

export interface CachedObject {
  readonly uid: string;
  readonly version: string;
  readonly object: KubeObject;
  readonly owners: StatusOwners;
  /** The last state that was valid and was handed on; null where there was none. */
  readonly delivered: Resource | null;
}

/** Managers whose entries are kept begin so. */
const ourManagers = "bobravoz-";

export class ObjectCache {
  readonly #entries = new Map<string, CachedObject>();

  get(kind: Kind, namespace: string, name: string): CachedObject | undefined {
    return this.#entries.get(keyOf(kind, namespace, name));
  }

  /** Takes `managedFields` off the object, whose keeping would double the memory of a binding. */
  seen(kind: Kind, object: KubeObject, delivered: Resource | null): void {
    const { uid = "", resourceVersion: version = "", namespace = "", name } = object.metadata;
    const key = keyOf(kind, namespace, name);
    const known = this.#entries.get(key);
    const owners = statusOwners(object.metadata.managedFields, ourManagers);
    delete object.metadata.managedFields;
    if (known !== undefined && known.uid === uid && !isNewer(version, known.version)) {
      // the answer to our write came first; of two copies the one that the world holds is kept
      const same = version === known.version ? { object } : {};
      if (delivered !== null) this.#entries.set(key, { ...known, ...same, delivered });
      return;
    }
    const last = known?.uid === uid ? known.delivered : null;
    this.#entries.set(key, { uid, version, object, owners, delivered: delivered ?? last });
  }

  /** Forgets it and gives what was delivered of it last; one of the same name and another uid stays. */
  removed(kind: Kind, { metadata: { uid = "", namespace = "", name } }: KubeObject): Resource | null {
    const key = keyOf(kind, namespace, name);
    const known = this.#entries.get(key);
    if (known === undefined || known.uid !== uid) return null;
    this.#entries.delete(key);
    return known.delivered;
  }
}

function keyOf(kind: Kind, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}
