/** A JSON patch that holds only for the version of the object that it was made from. */
import { TransportError } from "../../../contract/errors.ts";
import type { Kind } from "../../../contract/names.ts";
import type { JsonObject } from "../../../contract/resources.ts";
import type { KubeApi } from "./api.ts";
import { isKubeFault } from "./fault.ts";
import { kubePath } from "./kinds.ts";
import type { KubeObject } from "./object-cache.ts";

export interface VersionedPatch {
  readonly api: Pick<KubeApi, "request">;
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly fieldManager: string;
  readonly signal: AbortSignal;
  /** The object as it was seen last; it is read where it was not. */
  readonly known: KubeObject | undefined;
  /** What is to be done to it; none: it is as it should be. */
  readonly operations: (known: KubeObject) => readonly JsonObject[];
  /** Called before each further try over a newer version. */
  readonly onConflict: () => void;
}

const maxTries = 5;

/**
 * Patches; where the object has changed since it was seen, reads it and tries again, up to 5 times, then `Unavailable`.
 * Settles with what the API server made of it, `same` where nothing was to be done, `gone` where it is not there.
 */
export async function patchVersion(patch: VersionedPatch): Promise<KubeObject | "same" | "gone"> {
  const { api, kind, namespace, name, signal, operations } = patch;
  signal.throwIfAborted();
  const path = `${kubePath(kind, namespace, name)}?fieldManager=${patch.fieldManager}`;
  const type = "application/json-patch+json";
  let known = patch.known ?? await read(patch);
  for (let tries = 1; known !== null; tries += 1) {
    const wanted = operations(known);
    if (wanted.length === 0) return "same";
    const { resourceVersion: version = "" } = known.metadata;
    const body = [{ op: "test", path: "/metadata/resourceVersion", value: version }, ...wanted];
    try {
      // the API server answers a write with the object
      return await api.request("PATCH", path, { body, type, signal }) as unknown as KubeObject;
    } catch (error) {
      if (isKubeFault(error, 404)) return "gone";
      // 422: the test failed, or the result is not valid
      if (!isKubeFault(error, 409) && !isKubeFault(error, 422)) throw error;
      const current = await read(patch);
      if (current?.metadata.resourceVersion === version) throw error;
      if (tries === maxTries) {
        const what = `${kind} ${namespace}/${name} changed ${tries} times while it was written`;
        throw new TransportError("Unavailable", what, {}, { cause: (error as Error).cause });
      }
      patch.onConflict();
      known = current;
    }
  }
  return "gone";
}

/** By a list of one: it needs no permission beyond those of the watches. Null where it is gone. */
async function read({ api, kind, namespace, name, signal }: VersionedPatch): Promise<KubeObject | null> {
  const path = `${kubePath(kind, namespace)}?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
  const { items } = await api.request("GET", path, { signal });
  const [object] = items as unknown as KubeObject[]; // of a list it is an array of objects
  return object ?? null;
}
