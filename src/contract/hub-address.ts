/** The address of the hub that connectors are told (control-plane O-40, C-102). */
import { parseGoInteger, trimSpace } from "./go-text.ts";
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
