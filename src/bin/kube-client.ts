/** The Kubernetes client and what stands on it, loaded when a command needs it: it costs most of a second. */

/** Loads it. Every program that works with an API server begins with this. */
export async function loadKube() {
  const [api, lease, configMap, access, pod, fleet, reviewer, trouble] = await Promise.all([
    import("../adapters/cluster/kube/api.ts"),
    import("../adapters/cluster/kube/lease-store.ts"),
    import("../adapters/cluster/kube/config-map.ts"),
    import("../adapters/cluster/kube/metrics-access.ts"),
    import("../adapters/cluster/kube/pod-condition.ts"),
    import("../adapters/cluster/kube/fleet.ts"),
    import("../adapters/cluster/kube/token-reviewer.ts"),
    import("../adapters/cluster/kube/trouble.ts"),
  ]);
  return { ...api, ...lease, ...configMap, ...access, ...pod, ...fleet, ...reviewer, ...trouble };
}
