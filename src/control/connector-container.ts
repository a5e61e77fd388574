/** The container that the webhook adds to an engram's pod (control-plane 7.3), without what it is told by variables. */
import type { JsonObject, JsonValue } from "../contract/resources.ts";
import { isJsonArray, isJsonObject } from "../contract/settings-schema.ts";
import { objectsOf } from "./connector-env.ts";

/** Where the container goes: `initContainers` starts it before the engram and ends it after (Kubernetes 1.29 and later). */
export type Placement = "initContainers" | "containers";

export interface ContainerInput {
  readonly image: string;
  readonly pullPolicy: string;
  readonly placement: Placement;
  /** Null: none, as the existing webhook has it. */
  readonly resources: JsonObject | null;
  /** Liveness probe; null: none. */
  readonly probe: JsonObject | null;
  readonly env: readonly JsonObject[];
  /** The pod's first container, whose TLS mounts and security context are taken over. */
  readonly main: JsonObject;
}

export const connectorContainerName = "transport-connector";

/** Part of the name of volumes with certificates (control-plane 6.6). */
const tlsVolume = "engram-tls";

export function connectorContainer(input: ContainerInput): JsonObject {
  const mounts = objectsOf(input.main["volumeMounts"]).filter(({ name }) => String(name).includes(tlsVolume));
  return {
    name: connectorContainerName,
    image: input.image,
    imagePullPolicy: input.pullPolicy,
    command: ["/connector"],
    env: input.env,
    resources: input.resources ?? {},
    securityContext: restricted(input.main["securityContext"]),
    ...input.placement === "initContainers" ? { restartPolicy: "Always" } : {},
    ...input.probe === null ? {} : { livenessProbe: input.probe },
    ...mounts.length === 0 ? {} : { volumeMounts: mounts },
  };
}

/**
 * The first container's security context, with what the restricted level asks of a container where it is absent (C-095).
 * What the engram has beyond that is not for the connector, and the API server refuses it beside `false`: privileged
 * mode and the capability SYS_ADMIN.
 */
function restricted(context: JsonValue | undefined): JsonObject {
  const { privileged, ...copy } = isJsonObject(context) ? context : {};
  const { add, drop, ...others } = isJsonObject(copy["capabilities"]) ? copy["capabilities"] : {};
  const added = textsOf(add).filter((name) => !/^(CAP_)?SYS_ADMIN$/.test(name));
  const dropped = textsOf(drop);
  const mayEscalate = privileged === true ? undefined : copy["allowPrivilegeEscalation"];
  return {
    ...copy,
    ...privileged === false ? { privileged } : {},
    allowPrivilegeEscalation: mayEscalate ?? false,
    capabilities: {
      ...others,
      ...added.length === 0 ? {} : { add: added },
      drop: dropped.includes("ALL") ? dropped : [...dropped, "ALL"],
    },
  };
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return isJsonArray(value) ? value.filter((each) => typeof each === "string") : [];
}
