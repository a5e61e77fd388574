/**
 * What a watch has seen of one kind, whatever order the events come in: the newest version of each uid holds, what was
 * deleted stays deleted, and a list settles what the watch missed.
 *
 *   uid → {name, version}       objects that are there
 *   namespace/name → uid        which of them has the name now
 *   uid → version               tombstones: a uid never comes back
 */

/** What is read of an object. */
export interface SeenObject {
  readonly metadata?: {
    readonly uid?: string | undefined;
    readonly name?: string | undefined;
    readonly namespace?: string | undefined;
    readonly resourceVersion?: string | undefined;
  };
}

export type SeenEvent<T> = { readonly type: "upserted" | "deleted"; readonly object: T };

interface Known<T> {
  readonly name: string;
  readonly version: string;
  readonly object: T;
}

// Events of a deleted object come late by seconds: more than this many deletions lie between only in a flood.
const maxTombstones = 20_000;

export class SeenObjects<T extends SeenObject> {
  readonly #known = new Map<string, Known<T>>();
  readonly #byName = new Map<string, string>();
  readonly #tombstones = new Map<string, string>();
  /** Events that told nothing new or something that was no longer so. */
  stale = 0;

  get size(): number {
    return this.#known.size;
  }

  /** An object as a list or a watch shows it; what follows from that, nothing where it is old. */
  upsert(object: T): readonly SeenEvent<T>[] {
    const { uid = "", resourceVersion: version = "" } = object.metadata ?? {};
    const known = this.#known.get(uid);
    if (this.#tombstones.has(uid) || (known !== undefined && !isNewer(version, known.version))) {
      this.stale += 1;
      return [];
    }
    const name = nameOf(object);
    const events: SeenEvent<T>[] = [];
    const holder = this.#byName.get(name);
    if (holder !== undefined && holder !== uid) {
      const before = this.#known.get(holder)!;
      // the newer of two with one name is the one that is there: the other was deleted in between
      if (!isNewer(version, before.version)) {
        this.stale += 1;
        return [];
      }
      this.#forget(holder, version);
      events.push({ type: "deleted", object: before.object });
    }
    this.#known.set(uid, { name, version, object });
    this.#byName.set(name, uid);
    events.push({ type: "upserted", object });
    return events;
  }

  /**
   * A `Deleted`. From a watch it carries the version of the deletion. From kubernetes-fluent-client's re-list it carries
   * the version that we know, and may be wrong, since the list can be older than the watch: `settle` decides those.
   */
  remove(object: T): readonly SeenEvent<T>[] {
    const { uid = "", resourceVersion: version = "" } = object.metadata ?? {};
    const known = this.#known.get(uid);
    if (known !== undefined && !isNewer(version, known.version)) {
      this.stale += 1;
      return [];
    }
    this.#forget(uid, version);
    return known === undefined ? [] : [{ type: "deleted", object }];
  }

  /** A complete list at `version`: what we know, is not in it and is not newer than it, is gone. */
  settle(uids: ReadonlySet<string>, version: string): readonly SeenEvent<T>[] {
    const events: SeenEvent<T>[] = [];
    for (const [uid, known] of this.#known) {
      if (uids.has(uid) || isNewer(known.version, version)) continue;
      this.#forget(uid, version);
      events.push({ type: "deleted", object: known.object });
    }
    return events;
  }

  #forget(uid: string, version: string): void {
    const known = this.#known.get(uid);
    this.#known.delete(uid);
    if (known !== undefined && this.#byName.get(known.name) === uid) this.#byName.delete(known.name);
    this.#tombstones.set(uid, version);
    if (this.#tombstones.size > maxTombstones) this.#tombstones.delete(this.#tombstones.keys().next().value!);
  }
}

/** Resource versions are decimal numbers, longer than a double holds exactly. */
export function isNewer(version: string, than: string): boolean {
  return version.length === than.length ? version > than : version.length > than.length;
}

function nameOf({ metadata: { namespace = "", name = "" } = {} }: SeenObject): string {
  return `${namespace}/${name}`;
}
