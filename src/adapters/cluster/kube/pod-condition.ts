/** A condition of the pod that this program runs in, for what no object of ours could say. */
import type { KubeApi } from "./api.ts";

export interface PodCondition {
  /** With a prefix of its owner, as Kubernetes asks. */
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

/** Writes it beside those of the kubelet; needs `patch` on `pods/status` in `namespace`. `now` is RFC 3339. */
export async function setPodCondition(
  api: Pick<KubeApi, "request">,
  pod: { readonly namespace: string; readonly name: string },
  condition: PodCondition,
  now: string,
  signal: AbortSignal,
): Promise<void> {
  await api.request("PATCH", `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/status`, {
    body: { status: { conditions: [{ ...condition, lastTransitionTime: now }] } },
    type: "application/strategic-merge-patch+json",
    signal,
  });
}
