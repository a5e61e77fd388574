/** Where a step's connector is reached, and under which name (control-plane N-10, N-13, K-19). */
import { stepRunName } from "../contract/compose.ts";

/** Domain of a cluster when nothing else is configured. */
export const defaultClusterDomain = "cluster.local";

/** DNS name of a step's Service; also the TLS server name of its connector. */
export function stepServerName(
  storyRun: string,
  step: string,
  namespace: string,
  clusterDomain: string = defaultClusterDomain,
): string {
  return `${stepRunName(storyRun, step)}.${namespace}.svc.${clusterDomain}`;
}

/** `host:port` of a step, as `status.upstreamHost` and `status.downstreamHost` carry it. */
export function stepEndpoint(
  storyRun: string,
  step: string,
  namespace: string,
  port: number,
  clusterDomain: string = defaultClusterDomain,
): string {
  return `${stepServerName(storyRun, step, namespace, clusterDomain)}:${port}`;
}
