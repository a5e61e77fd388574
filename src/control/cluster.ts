/**
 * The world outside as the control plane sees it: objects that are watched, and the few writes that it needs.
 * Three implementations pass one suite: an API server, a directory of manifests, memory.
 */
import type { Kind } from "../contract/names.ts";
import type { JsonObject, Resource, Resources } from "../contract/resources.ts";

/** What happened to an object. `deleted` carries the last state known. */
export type ClusterEvent =
  | { readonly type: "upserted"; readonly object: Resource }
  | { readonly type: "deleted"; readonly object: Resource }
  /** The first list of every kind is done; sent once. */
  | { readonly type: "synced" };

export interface Cluster {
  /**
   * Lists, then watches all kinds that the contract names, and calls `onEvent` in order.
   * Settles when `signal` fires. Connection losses are retried inside.
   */
  watch(onEvent: (event: ClusterEvent) => void, signal: AbortSignal): Promise<void>;

  /** Creates an object; `reason` `InvalidRequest` when the API refuses it. One that exists already is left alone. */
  create<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void>;

  /**
   * Puts labels, annotations and `spec` of an object of ours in the place of those that it has; status, uid and owners
   * stay. One that is gone is no error, one that is the same already is not written.
   */
  replace<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void>;

  /** Deletes an object; one that is gone already is no error. */
  delete(kind: Kind, namespace: string, name: string, signal: AbortSignal): Promise<void>;

  /**
   * Takes one finalizer off an object and leaves all others, whatever other writers do to the list meanwhile. An object
   * that is gone, or has it no more, is no error.
   */
  removeFinalizer(kind: Kind, namespace: string, name: string, finalizer: string, signal: AbortSignal): Promise<void>;

  /**
   * Server-side apply of `status` under `manager`: fields that the manager applied before and leaves out now are
   * removed; `conditions` merge by type. Writes nothing when nothing would change.
   */
  applyStatus(
    kind: Kind,
    namespace: string,
    name: string,
    manager: string,
    status: JsonObject,
    signal: AbortSignal,
  ): Promise<void>;

  /** Records a Kubernetes Event; equal events are aggregated. Never throws for a failed write. */
  recordEvent(event: ObjectEvent): void;
}

/** An Event about an object (control-plane 9.2). */
export interface ObjectEvent {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}
