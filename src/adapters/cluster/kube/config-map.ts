/** The operator's ConfigMap: read at the start, then followed (control-plane O-01, O-04, O-05). */
import { kind } from "kubernetes-fluent-client";
import { TransportError } from "../../../contract/errors.ts";
import type { JsonObject, JsonValue } from "../../../contract/resources.ts";
import type { KubeApi } from "./api.ts";
import { watchKind, type WatchOptions } from "./watch.ts";

export interface ConfigMapName {
  readonly namespace: string;
  readonly name: string;
}

/** `data` of a ConfigMap. */
export type ConfigData = Readonly<Record<string, string>>;

/** Its data; null where there is none. Any other failure, and more than 15 s, is thrown. */
export async function readConfigMap(
  api: Pick<KubeApi, "request">,
  { namespace, name }: ConfigMapName,
  signal: AbortSignal,
): Promise<ConfigData | null> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(15_000)]);
  try {
    // a list of one: what follows needs `list` and `watch`, so `get` need not be granted as well
    const path = `/api/v1/namespaces/${namespace}/configmaps?fieldSelector=metadata.name%3D${name}`;
    const { items } = await api.request("GET", path, { signal: limit });
    const [object] = items as readonly JsonObject[]; // of a list it is an array of objects
    return object === undefined ? null : dataOf(object);
  } catch (error) {
    if (limit.aborted && !signal.aborted) {
      throw new TransportError("Unavailable", `ConfigMap ${namespace}/${name} was not answered within 15 s`);
    }
    throw error;
  }
}

/** Calls `changed` with the data after each change, null when it is deleted. Settles when the signal fires. */
export function followConfigMap(
  where: ConfigMapName,
  changed: (data: ConfigData | null) => void,
  signal: AbortSignal,
  watch: WatchOptions = {},
): Promise<void> {
  return watchKind(
    kind.ConfigMap,
    where,
    (event) => {
      if (event.type === "deleted") changed(null);
      else if (event.type === "upserted") changed(dataOf(event.object as unknown as JsonObject));
    },
    signal,
    watch,
  );
}

function dataOf(object: JsonObject): ConfigData {
  const data = object["data"] as { readonly [key: string]: JsonValue } | undefined;
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, String(value)]));
}
