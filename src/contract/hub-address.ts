/** The address of the hub that connectors are told (control-plane O-40, C-102). */
import { parseGoInteger, trimSpace } from "./go-text.ts";
import { splitHostPort } from "./host-port.ts";
import { defaultHubPort } from "./names.ts";

/**
 * `BUBU_HUB_ENDPOINT` as it is, else the hub's Service composed from its parts; `namespace` is the run's, used
 * where no namespace of the hub is set. Blank variables are not set.
 */
export function hubAddress(env: Readonly<Record<string, string | undefined>>, namespace: string): string {
  const given = (name: string): string => trimSpace(env[`BUBU_HUB_${name}`] ?? "");
  const endpoint = given("ENDPOINT");
  if (endpoint !== "") return endpoint;
  const port = parseGoInteger(given("PORT")) ?? 0n;
  const host = [
    given("SERVICE_NAME") || "bobravoz-grpc-hub",
    given("SERVICE_NAMESPACE") || namespace,
    given("CLUSTER_DOMAIN") || "svc.cluster.local",
  ];
  return `${host.filter((part) => part !== "").join(".")}:${port > 0n ? port : defaultHubPort}`;
}

/**
 * Address of a hub pod of the StatefulSet: `<pod>.<service>-pods.<namespace>.<domain>:<port>`, from the same variables as
 * the Service's (O-40) with the namespace of the hubs as `namespace`. It survives a restart of the pod.
 */
export function hubPodAddress(
  env: Readonly<Record<string, string | undefined>>,
  namespace: string,
  pod: string,
): string {
  const service = hubAddress({ ...env, BUBU_HUB_ENDPOINT: undefined }, namespace);
  const dot = service.indexOf(".");
  return `${pod}.${service.slice(0, dot)}-pods${service.slice(dot)}`;
}

/** The host of `host:port`, without brackets; of a text without a port the text. */
export function hostPart(address: string): string {
  const parts = splitHostPort(address);
  return "fault" in parts ? address : parts.host;
}
