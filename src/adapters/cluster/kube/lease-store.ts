/** A lease of `control/leader.ts` as an object of `coordination.k8s.io/v1`, written only over the version that was read. */
import type { JsonObject, JsonValue } from "../../../contract/resources.ts";
import { isTransportError } from "../../../contract/errors.ts";
import type { Lease, LeaseStore } from "../../../control/leader.ts";
import type { KubeApi } from "./api.ts";
import { isKubeFault } from "./fault.ts";

const group = "/apis/coordination.k8s.io/v1";

/** The Lease `name` in `namespace`; verbs get, create and update. What others put into its metadata stays. */
export function openLease(api: Pick<KubeApi, "request">, namespace: string, name: string): LeaseStore {
  const collection = `${group}/namespaces/${namespace}/leases`;
  let metadata: JsonObject = { name, namespace };
  const seen = (object: JsonObject): Lease => {
    metadata = objectOf(object["metadata"]);
    return leaseOf(object);
  };
  return {
    async read(signal) {
      try {
        return seen(await api.request("GET", `${collection}/${name}`, { signal }));
      } catch (error) {
        if (isTransportError(error, "NotFound")) return null;
        throw error;
      }
    },
    async write(lease, signal) {
      const isNew = lease.version === "";
      const body: JsonObject = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: isNew ? { name, namespace } as JsonObject : { ...metadata, resourceVersion: lease.version },
        spec: {
          holderIdentity: lease.holder,
          leaseDurationSeconds: lease.leaseSeconds,
          acquireTime: microTime(lease.acquiredMs),
          renewTime: microTime(lease.renewedMs),
          leaseTransitions: lease.transitions,
        },
      };
      try {
        const path = isNew ? collection : `${collection}/${name}`;
        return seen(await api.request(isNew ? "POST" : "PUT", path, { body, signal }));
      } catch (error) {
        if (isKubeFault(error, 409)) return null;
        throw error;
      }
    },
  };
}

function leaseOf(object: JsonObject): Lease {
  const spec = objectOf(object["spec"]);
  return {
    holder: text(spec["holderIdentity"]),
    leaseSeconds: Number(spec["leaseDurationSeconds"] ?? 0),
    acquiredMs: Date.parse(text(spec["acquireTime"])) || 0,
    renewedMs: Date.parse(text(spec["renewTime"])) || 0,
    transitions: Number(spec["leaseTransitions"] ?? 0),
    version: text(objectOf(object["metadata"])["resourceVersion"]),
  };
}

/** A MicroTime has six digits. */
function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace("Z", "000Z");
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : {};
}
