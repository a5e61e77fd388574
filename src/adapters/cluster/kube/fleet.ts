/** The StatefulSet of hubs and its pods, watched with kubernetes-fluent-client and scaled by its scale sub-resource. */
import { K8s, kind } from "kubernetes-fluent-client";
import { TransportError } from "../../../contract/errors.ts";
import type { HubFleet } from "../../../control/fleet.ts";
import type { HubPod } from "../../../control/placement.ts";
import { watchKind, type WatchOptions } from "./watch.ts";

export interface KubeFleetOptions {
  readonly namespace: string;
  /** Name of the StatefulSet. */
  readonly name: string;
  /** Labels of its pods. */
  readonly labels: Readonly<Record<string, string>>;
  /** Address of a pod by its name. */
  readonly address: (pod: string) => string;
  readonly watch?: WatchOptions;
}

/** Needs list and watch on pods, and on the StatefulSet by its name; patch on its scale. */
export class KubeFleet implements HubFleet {
  readonly #options: KubeFleetOptions;

  constructor(options: KubeFleetOptions) {
    this.#options = options;
  }

  async watch(
    onHubs: (hubs: readonly HubPod[], replicas: number | null) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name, labels, address, watch } = this.#options;
    const pods = new Map<string, HubPod>();
    let replicas: number | null = null;
    let unlisted = 2;
    const tell = () => {
      if (unlisted === 0) onHubs([...pods.values()], replicas);
    };
    const synced = () => {
      unlisted--;
      tell();
    };
    await Promise.all([
      watchKind(
        kind.Pod,
        { namespace, labels },
        (event) => {
          if (event.type === "synced") return synced();
          const pod = event.object as kind.Pod;
          const podName = pod.metadata?.name ?? "";
          if (!podName.startsWith(`${name}-`)) return;
          if (event.type === "deleted") pods.delete(podName);
          else pods.set(podName, { name: podName, address: address(podName), ready: isReady(pod) });
          tell();
        },
        signal,
        watch,
      ),
      // by name, which is what the role allows
      watchKind(
        kind.StatefulSet,
        { namespace, name },
        (event) => {
          if (event.type === "synced") return synced();
          const { spec } = event.object as kind.StatefulSet;
          // the API server fills it in: 1 where a manifest says nothing
          replicas = event.type === "deleted" ? null : spec?.replicas ?? 1;
          tell();
        },
        signal,
        watch,
      ),
    ]);
  }

  async scale(replicas: number, signal: AbortSignal): Promise<void> {
    const { namespace, name } = this.#options;
    signal.throwIfAborted();
    const given = Promise.withResolvers<never>();
    const abort = () => given.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      // the client takes no signal
      await Promise.race([K8s(kind.StatefulSet).InNamespace(namespace).Scale(replicas, name), given.promise]);
    } catch (error) {
      signal.throwIfAborted();
      // the client throws the response
      const { status = 0, data } = error as { readonly status?: number; readonly data?: { readonly message?: string } };
      const text = `StatefulSet ${namespace}/${name} cannot be scaled to ${replicas}: ${status} ${
        data?.message ?? error
      }`;
      throw new TransportError(status === 403 ? "PermissionDenied" : "Unavailable", text, {}, { cause: error });
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }
}

/** Ready, and not on its way out: a pod that drains takes no new runs. */
function isReady({ metadata, status }: kind.Pod): boolean {
  if (metadata?.deletionTimestamp !== undefined) return false;
  return status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}
