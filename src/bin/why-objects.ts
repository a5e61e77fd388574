/** The objects that bear on one run, from an API server by name, or from a directory of manifests. */
import { stat } from "node:fs/promises";
import { FilesCluster } from "../adapters/cluster/files.ts";
import { faultText } from "../adapters/cluster/manifests.ts";
import type { KubeApi } from "../adapters/cluster/kube/api.ts";
import { systemClock } from "../adapters/clock.ts";
import { bindingName, stepRunName, storyBindingName } from "../contract/compose.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import { hubPodAddress } from "../contract/hub-address.ts";
import { installation } from "../contract/installation.ts";
import type { Kind } from "../contract/names.ts";
import { parseResource } from "../contract/parse-resources.ts";
import type { JsonObject, Resources } from "../contract/resources.ts";
import { silentLog } from "../contract/runtime.ts";
import { storyOf } from "../control/decisions.ts";
import type { HubPod } from "../control/placement.ts";
import { MemoryWorld, type World } from "../control/world.ts";

/** Path of an object on the API server. */
export type PathOf = (kind: Kind, namespace: string, name: string) => string;

/** What an API server has of a run. Throws `PermissionDenied` or `Unavailable` where it does not answer. */
export async function objectsOfRun(
  api: Pick<KubeApi, "request">,
  pathOf: PathOf,
  namespace: string,
  storyRun: string,
  signal: AbortSignal,
): Promise<World> {
  const world = new MemoryWorld();
  const load = async <K extends Kind>(kind: K, where: string, name: string): Promise<Resources[K] | undefined> => {
    const found = await getOrNull(api, pathOf(kind, where, name), signal);
    if (found === null) return undefined;
    const { resource, faults } = parseResource(found);
    if (resource === null) {
      const text = faults.map(({ message }) => message).join("; ");
      throw new TransportError("BadManifest", `${kind} ${where === "" ? "" : `${where}/`}${name}: ${text}`);
    }
    world.upsert(resource);
    return world.get(kind, where, name);
  };
  const run = await load("StoryRun", namespace, storyRun);
  if (run === undefined) return world;
  const { name: storyName, namespace: other } = run.spec.storyRef;
  await load("Story", other || namespace, storyName);
  const story = storyOf(world, run);
  if (story === undefined) return world;
  await Promise.all([
    ...(story.spec.transports ?? []).map(({ transportRef }) => load("Transport", "", transportRef.trim())),
    ...story.spec.steps.flatMap(({ name, ref }) =>
      ref === undefined ? [] : [
        load("Engram", ref.namespace || namespace, ref.name),
        load("TransportBinding", namespace, bindingName(storyRun, name)),
        load("TransportBinding", namespace, storyBindingName(storyName, name)),
        load("StepRun", namespace, stepRunName(storyRun, name)),
      ]
    ),
  ]);
  return world;
}

/** Pods of the hubs; null where the caller may not see them. */
export async function hubPods(
  api: Pick<KubeApi, "request">,
  namespace: string,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<readonly HubPod[] | null> {
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent("control-plane=hub")}`;
  try {
    const { items } = await api.request("GET", path, { signal });
    return (items as readonly JsonObject[]).flatMap((pod): readonly HubPod[] => {
      const { name, deletionTimestamp } = pod["metadata"] as { name: string; deletionTimestamp?: string };
      if (!name.startsWith(`${installation.hub}-`)) return [];
      const { conditions = [] } = (pod["status"] ?? {}) as { conditions?: readonly { type: string; status: string }[] };
      const ready = deletionTimestamp === undefined &&
        conditions.some(({ type, status }) => type === "Ready" && status === "True");
      return [{ name, address: hubPodAddress(env, namespace, name), ready }];
    });
  } catch (error) {
    if (isTransportError(error) && error.reason === "PermissionDenied") return null;
    throw error;
  }
}

/** An object, or null where there is none. */
export async function getOrNull(
  api: Pick<KubeApi, "request">,
  path: string,
  signal: AbortSignal,
): Promise<JsonObject | null> {
  try {
    return await api.request("GET", path, { signal });
  } catch (error) {
    if (isTransportError(error) && error.reason === "NotFound") return null;
    throw error;
  }
}

/** The objects of a directory, with the status that local mode wrote beside them. Throws `BadManifest`, `NotFound`. */
export async function objectsOfDirectory(directory: string): Promise<World> {
  if (!(await stat(directory).catch(() => null))?.isDirectory()) {
    throw new TransportError("NotFound", `${directory} is not a directory`);
  }
  const cluster = new FilesCluster({ directory, clock: systemClock, log: silentLog });
  await cluster.load();
  if (cluster.faults.length > 0) throw new TransportError("BadManifest", cluster.faults.map(faultText).join("\n"));
  const world = new MemoryWorld();
  const stop = new AbortController();
  await cluster.watch((event) => {
    // after this call, in which the watch is being made
    if (event.type === "synced") queueMicrotask(() => stop.abort());
    else if (event.type === "upserted") world.upsert(event.object);
  }, stop.signal);
  return world;
}
