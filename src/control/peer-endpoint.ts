/** Where an injected connector connects to (control-plane 7.4, C-097; ARCHITECTURE 4). */
import { stepRunName } from "../contract/compose.ts";
import { trimSpace } from "../contract/go-text.ts";
import { hubAddress } from "../contract/hub-address.ts";
import { annotations, defaultGrpcPort, defaultHubPort, labels } from "../contract/names.ts";
import type { ObjectMeta, TransportBinding } from "../contract/resources.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface EndpointInput {
  /** Variables of the webhook's process, as control-plane O-40 reads them. */
  readonly env: Env;
  /** Namespace of the pod. */
  readonly namespace: string;
  readonly pod: Pick<ObjectMeta, "annotations" | "labels">;
  /** Value of `BUBU_GRPC_PORT`; peers have the same. */
  readonly port: string;
  /** Status of the pod's binding, as far as it is known. */
  readonly status: TransportBinding["status"];
}

/** The hub that holds the run (`own`), and whom the connector dials (`dialled`): that hub, or its peer. */
export function connectorEndpoints(input: EndpointInput): { readonly own: string; readonly dialled: string } {
  const own = hubEndpoint(input);
  return { own, dialled: peerEndpoint(input) ?? own };
}

/**
 * An administrator's `BUBU_HUB_ENDPOINT` is every run's address; else the placement's record, the binding's
 * `status.endpoint`; without one the hub's Service (A-32, O-40, O-41).
 */
function hubEndpoint({ env, namespace, status }: EndpointInput): string {
  const given = trimSpace(env["BUBU_HUB_ENDPOINT"] ?? "");
  const address = given === "" ? trimSpace(status?.endpoint ?? "") || hubAddress(env, namespace) : given;
  return address.includes(":") ? address : `${address}:${defaultHubPort}`;
}

/**
 * The peer of a step that is p2p with exactly one downstream (A-30, with the name and port of A-31): what the binding
 * says, else composed from the StoryRun's name, whose label may be shortened.
 */
function peerEndpoint({ env, namespace, pod, port, status }: EndpointInput): string | null {
  const mode = trimSpace(pod.annotations?.[annotations.routingMode] ?? "");
  const [downstream, ...more] = (pod.annotations?.[annotations.downstreamSteps] ?? "").split(",").map(trimSpace)
    .filter((name) => name !== "");
  const storyRun = pod.annotations?.[annotations.storyRun] || pod.labels?.[labels.storyRun] || "";
  if (mode !== "p2p" || downstream === undefined || more.length > 0 || storyRun === "") return null;
  const published = trimSpace(status?.upstreamHost ?? "");
  if (published !== "") return published;
  const domain = trimSpace(env["BUBU_HUB_CLUSTER_DOMAIN"] ?? "") || "svc.cluster.local";
  return `${stepRunName(storyRun, downstream)}.${namespace}.${domain}:${port || defaultGrpcPort}`;
}
