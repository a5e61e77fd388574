/**
 * The objects of a cluster in memory, indexed for what reconcile and discovery ask.
 * Knows what was seen last; refuses to know how it was seen or what follows from it.
 */
import { annotations, type Kind } from "../contract/names.ts";
import type { Resource, Resources, StoryRun, TransportBinding } from "../contract/resources.ts";

/** Read access to the objects. Cluster-scoped kinds have namespace `""`. */
export interface World {
  get<K extends Kind>(kind: K, namespace: string, name: string): Resources[K] | undefined;
  list<K extends Kind>(kind: K, namespace?: string): readonly Resources[K][];
  /** Bindings of a run, by `spec.storyRunRef.name` (control-plane N-18), in order of their names. */
  bindingsOfRun(namespace: string, storyRun: string): readonly TransportBinding[];
  /** Bindings that all runs of a Story share (strategy PerStory), in order of their names. */
  storyBindings(namespace: string): readonly TransportBinding[];
  /** Runs whose `spec.storyRef` resolves to this Story (control-plane R-04). */
  runsOfStory(namespace: string, story: string): readonly StoryRun[];
}

/** A `World` that is fed with events. */
export class MemoryWorld implements World {
  readonly #objects = new Map<Kind, Map<string, Resource>>();
  // binding keys by "namespace/run" and run keys by "namespace/story"
  readonly #bindings = new Map<string, Set<string>>();
  readonly #runs = new Map<string, Set<string>>();
  // binding keys by "namespace/"
  readonly #shared = new Map<string, Set<string>>();

  /** Puts an object in place of the one of the same kind, namespace and name. */
  upsert(object: Resource): void {
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    const known = this.#objects.get(object.kind)?.get(key);
    if (known !== undefined) this.#unindex(known, key);
    let ofKind = this.#objects.get(object.kind);
    if (ofKind === undefined) this.#objects.set(object.kind, ofKind = new Map());
    ofKind.set(key, object);
    const [index, at] = this.#indexFor(object);
    if (index === null) return;
    let keys = index.get(at);
    if (keys === undefined) index.set(at, keys = new Set());
    keys.add(key);
  }

  /** Forgets an object; one that is unknown is no error. */
  remove(kind: Kind, namespace: string | undefined, name: string): void {
    const key = keyOf(namespace, name);
    const known = this.#objects.get(kind)?.get(key);
    if (known === undefined) return;
    this.#unindex(known, key);
    this.#objects.get(kind)?.delete(key);
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Resources[K] | undefined {
    // The map of a kind holds objects of that kind only.
    return this.#objects.get(kind)?.get(keyOf(namespace, name)) as Resources[K] | undefined;
  }

  list<K extends Kind>(kind: K, namespace?: string): readonly Resources[K][] {
    const all = [...this.#objects.get(kind)?.values() ?? []] as Resources[K][];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  bindingsOfRun(namespace: string, storyRun: string): readonly TransportBinding[] {
    return this.#collect("TransportBinding", this.#bindings.get(keyOf(namespace, storyRun)));
  }

  storyBindings(namespace: string): readonly TransportBinding[] {
    return this.#collect("TransportBinding", this.#shared.get(keyOf(namespace, "")));
  }

  runsOfStory(namespace: string, story: string): readonly StoryRun[] {
    return this.#collect("StoryRun", this.#runs.get(keyOf(namespace, story)));
  }

  #collect<K extends Kind>(kind: K, keys: ReadonlySet<string> | undefined): readonly Resources[K][] {
    const objects = this.#objects.get(kind);
    return [...keys ?? []].sort().flatMap((key) => (objects?.get(key) as Resources[K] | undefined) ?? []);
  }

  #indexFor(object: Resource): [Map<string, Set<string>> | null, string] {
    if (object.kind === "TransportBinding" && object.spec.storyRunRef !== undefined) {
      return [this.#bindings, keyOf(object.metadata.namespace, object.spec.storyRunRef.name)];
    }
    if (object.kind === "TransportBinding" && object.metadata.annotations?.[annotations.story] !== undefined) {
      return [this.#shared, keyOf(object.metadata.namespace, "")];
    }
    if (object.kind === "StoryRun") {
      const ref = object.spec.storyRef;
      return [this.#runs, keyOf(ref.namespace || object.metadata.namespace, ref.name)];
    }
    return [null, ""];
  }

  #unindex(object: Resource, key: string): void {
    const [index, at] = this.#indexFor(object);
    const keys = index?.get(at);
    keys?.delete(key);
    if (keys?.size === 0) index?.delete(at);
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ""}/${name}`;
}
