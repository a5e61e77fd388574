/** Writes, done one after the other; only by who leads. */
import { finalizers } from "../contract/names.ts";
import type { StoryRun } from "../contract/resources.ts";
import type { Cluster } from "./cluster.ts";
import type { Write } from "./reconcile.ts";

/** Does the writes in order, and stops where `leads` answers false: whoever leads then does the rest. */
export async function perform(
  cluster: Cluster,
  writes: readonly Write[],
  leads: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  for (const write of writes) {
    if (!leads()) return;
    switch (write.type) {
      case "create":
      case "replace":
        await cluster[write.type]<"TransportBinding">(write.object, signal);
        break;
      case "delete":
        await cluster.delete(write.kind, write.namespace, write.name, signal);
        break;
      case "status":
        await cluster.applyStatus(write.kind, write.namespace, write.name, write.manager, write.status, signal);
        break;
      default:
        write satisfies never;
    }
  }
}

/** Takes the finalizer of an older hub operator off a run that is being deleted (DECISIONS K-31, K-39). */
export async function release(cluster: Cluster, { metadata }: StoryRun, signal: AbortSignal): Promise<void> {
  const { name, namespace = "", deletionTimestamp, finalizers: kept } = metadata;
  if (deletionTimestamp === undefined || !kept?.includes(finalizers.hub)) return;
  await cluster.removeFinalizer("StoryRun", namespace, name, finalizers.hub, signal);
}
