/** What the webhook reads of a cluster: single objects, when a pod needs them, and never a list. */
import { TransportError } from "../../contract/errors.ts";
import type { Kind } from "../../contract/names.ts";
import { apiVersions } from "../../contract/names.ts";
import { parseResource } from "../../contract/parse-resources.ts";
import type { JsonObject, Resources } from "../../contract/resources.ts";
import type { InjectReads } from "../../control/inject-binding.ts";
import type { Placement } from "../../control/connector-container.ts";

/** How an API server is asked (`adapters/cluster/kube/api.ts`). */
export interface Requester {
  request(method: string, path: string, options: { readonly signal: AbortSignal }): Promise<JsonObject>;
}

const plurals = { Engram: "engrams", TransportBinding: "transportbindings", Transport: "transports" } as const;

/** Reads of an API server. `NotFound` and others as the server says; `BadManifest` for objects that cannot be used. */
export function clusterReads(api: Requester): InjectReads {
  const get = async <K extends keyof typeof plurals & Kind>(
    kind: K,
    namespace: string | null,
    name: string,
    signal: AbortSignal,
  ): Promise<Resources[K]> => {
    const where = namespace === null ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
    const path = `/apis/${apiVersions[kind]}${where}/${plurals[kind]}/${encodeURIComponent(name)}`;
    const { resource, faults } = parseResource(await api.request("GET", path, { signal }));
    if (resource?.kind === kind) return resource as Resources[K]; // the kind is its type
    const what = `${kind} ${namespace === null ? "" : `${namespace}/`}${name}`;
    const why = faults.map(({ message }) => message).join("; ") || "it is another kind";
    throw new TransportError("BadManifest", `${what} cannot be used: ${why}`);
  };
  return {
    engram: (namespace, name, signal) => get("Engram", namespace, name, signal),
    binding: (namespace, name, signal) => get("TransportBinding", namespace, name, signal),
    transport: (name, signal) => get("Transport", null, name, signal),
  };
}

/** Where the API server lets a sidecar be: restartable init containers are on by default since Kubernetes 1.29. */
export async function placementOf(api: Requester, signal: AbortSignal): Promise<Placement> {
  const { major, minor } = await api.request("GET", "/version", { signal });
  // vendors write 29+
  const version = [major, minor].map((text) => Number.parseInt(String(text), 10));
  const [first = 0, second = 0] = version;
  return first > 1 || (first === 1 && second >= 29) ? "initContainers" : "containers";
}

/** The image of container `manager` of a pod: what the operator itself runs (control-plane O-22). Null: it has none. */
export async function managerImage(
  api: Requester,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<string | null> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  const { spec } = await api.request("GET", path, { signal });
  const { containers } = spec as {
    readonly containers?: readonly { readonly name?: string; readonly image?: string }[];
  };
  return containers?.find((container) => container.name === "manager")?.image || null;
}
