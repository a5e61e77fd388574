/**
 * Whether and how a pod gets its connector (control-plane section 7): a function from the pod to a JSON patch or a
 * refusal. It knows annotations, bindings and containers; it refuses to know how requests arrive and where objects are.
 *
 *     pod without the label, or injected already ─── allowed, untouched, nothing is read
 *     labelled pod ── binding of its annotation, else of its Engram's ── decoded ── patch
 */
import { isTransportError, type TransportError } from "../contract/errors.ts";
import { trimSpace } from "../contract/go-text.ts";
import { annotations, labels } from "../contract/names.ts";
import type { JsonObject } from "../contract/resources.ts";
import { isJsonObject } from "../contract/settings-schema.ts";
import { connectorContainer, type Placement } from "./connector-container.ts";
import { connectorEnv, literals, objectsOf } from "./connector-env.ts";
import { bindingOfPod, type InjectReads, type PodBinding, type PodMeta, recordOf } from "./inject-binding.ts";
import { injectionPatch, type JsonPatch } from "./inject-patch.ts";
import { connectorEndpoints } from "./peer-endpoint.ts";

export interface InjectOptions {
  /** Empty: none is configured, and no pod is touched. */
  readonly image: string;
  readonly pullPolicy: string;
  /** Whether a Transport's `connectorImage` goes before `image` (C-098). */
  readonly useTransportImage: boolean;
  readonly placement: Placement;
  /** Null: none (K-27). */
  readonly resources: JsonObject | null;
  /** Liveness probe; null: none (K-27). */
  readonly probe: JsonObject | null;
  readonly discoveryEndpoint: string;
  /** Variables of the webhook's process (O-40). */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What of an admission request the decision looks at. */
export interface PodRequest {
  readonly operation: string;
  /** Of the request; the object's own may be empty. */
  readonly namespace: string;
  readonly pod: JsonObject;
}

export type Admission =
  | {
    readonly allowed: true;
    /** Empty: unchanged. */
    readonly patch: JsonPatch;
    readonly message?: string;
    /** Shown to who creates the pod. */
    readonly warnings: readonly string[];
  }
  | { readonly allowed: false; readonly code: 400 | 503; readonly message: string };

const unchanged = { allowed: true, patch: [], warnings: [] } as const;

/** Decides about one pod. Rejects only with `signal.reason` and for broken invariants. */
export async function injectConnector(
  request: PodRequest,
  reads: InjectReads,
  options: InjectOptions,
  signal: AbortSignal,
): Promise<Admission> {
  if (!isForConnector(request, options)) return unchanged;
  try {
    // the API server has validated metadata before it calls a webhook
    const meta = request.pod["metadata"] as PodMeta;
    const binding = await bindingOfPod({ namespace: request.namespace, meta }, reads, signal);
    if (binding === null) return { ...unchanged, message: "engram not bound to transport" };
    return await inject(request, meta, binding, reads, options, signal);
  } catch (error) {
    if (signal.aborted || !isTransportError(error)) throw error;
    return { allowed: false, code: codeOf(error), message: error.message };
  }
}

/** A-02 … A-05: whether the pod is one of ours and not done yet. Reads nothing and never fails. */
export function isForConnector({ operation, pod }: PodRequest, { image }: Pick<InjectOptions, "image">): boolean {
  const metadata = isJsonObject(pod["metadata"]) ? pod["metadata"] : {};
  const text = (field: string, key: string) => isJsonObject(metadata[field]) ? metadata[field][key] ?? "" : "";
  return operation === "CREATE" && image !== "" && text("labels", labels.engram) !== "" &&
    text("annotations", annotations.connectorInjected) !== "true";
}

async function inject(
  { namespace, pod }: PodRequest,
  meta: PodMeta,
  binding: PodBinding,
  reads: InjectReads,
  options: InjectOptions,
  signal: AbortSignal,
): Promise<Admission> {
  const { value, decoded } = binding;
  const { placement, probe } = options;
  const spec = isJsonObject(pod["spec"]) ? pod["spec"] : {};
  const main = mainOf(objectsOf(spec["containers"]));
  if (main === undefined) {
    return { allowed: true, patch: injectionPatch({ pod, value, placement, container: null }), warnings: [] };
  }
  const record = await recordOf(namespace, binding, reads, signal);
  const variables = objectsOf(main["env"]);
  const endpoints = connectorEndpoints({
    env: options.env,
    namespace,
    pod: meta,
    port: literals(variables).get("BUBU_GRPC_PORT") ?? "",
    status: record.status,
  });
  const env = connectorEnv({
    ...binding,
    binding: decoded,
    engram: meta.labels?.[labels.engram] ?? "",
    hubEndpoint: endpoints.dialled,
    ownHubEndpoint: endpoints.own,
    discoveryEndpoint: options.discoveryEndpoint,
    healthListen: healthListen(probe),
    main: variables,
  });
  const { image, warnings } = await imageOf(binding, reads, options, signal);
  const container = connectorContainer({ ...options, image, env, main });
  const patch = injectionPatch({ pod, value, placement, container });
  return { allowed: true, patch, warnings: [...record.warnings, ...warnings] };
}

/** The first container, but for one that a mesh put before the engram, which alone has a binding in its environment. */
function mainOf(containers: readonly JsonObject[]): JsonObject | undefined {
  const isEngram = ({ env }: JsonObject) => objectsOf(env).some(({ name }) => name === "BUBU_TRANSPORT_BINDING");
  return containers.find(isEngram) ?? containers[0];
}

/** The Transport's image where that is configured and it has one, else the operator's (C-098). */
async function imageOf(
  { decoded: { info } }: PodBinding,
  reads: InjectReads,
  { useTransportImage, image }: InjectOptions,
  signal: AbortSignal,
): Promise<{ readonly image: string; readonly warnings: readonly string[] }> {
  const name = trimSpace(info.transportRef);
  if (!useTransportImage || name === "") return { image, warnings: [] };
  try {
    const transport = await reads.transport(name, signal);
    return { image: trimSpace(transport.spec.connectorImage ?? "") || image, warnings: [] };
  } catch (error) {
    // another failure denies the pod: its driver may not be ours
    if (!isTransportError(error, "NotFound")) throw error;
    return { image, warnings: [`Transport ${name} does not exist, the connector image is the operator's`] };
  }
}

/** Where a connector of ours answers a probe by HTTP; one by gRPC is for images that listen on the pod's address. */
function healthListen(probe: JsonObject | null): string | null {
  const { port } = isJsonObject(probe?.["httpGet"]) ? probe["httpGet"] : {};
  return typeof port === "number" ? `0.0.0.0:${port}` : null;
}

function codeOf({ reason }: TransportError): 400 | 503 {
  return reason === "Unavailable" || reason === "DeadlineExceeded" ? 503 : 400;
}
