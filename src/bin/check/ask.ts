/** Questions to the API server for `bobravoz check`; what may not be seen is told apart from what is not there. */
import type { KubeApi } from "../../adapters/cluster/kube/api.ts";
import { isTransportError } from "../../contract/errors.ts";
import type { JsonObject } from "../../contract/resources.ts";
import { type AccessFact, bad, type CheckArea, type CheckFinding } from "../../control/check.ts";
import type { Grant } from "../../contract/permissions.ts";
import { getOrNull } from "../why-objects.ts";

export interface Asking {
  readonly api: Pick<KubeApi, "request">;
  readonly signal: AbortSignal;
}

/** The findings of `look`, or one that says that the caller may not see what it looks at. */
export async function orUnseen(
  area: CheckArea,
  subject: string,
  look: () => Promise<readonly CheckFinding[]>,
): Promise<readonly CheckFinding[]> {
  try {
    return await look();
  } catch (error) {
    if (!isTransportError(error)) throw error;
    const hint = error.reason === "PermissionDenied" ? "ask as a cluster administrator" : "try again";
    return [bad("unknown", area, subject, error.message, hint)];
  }
}

/** An object of any kind; null where there is none. */
export function get({ api, signal }: Asking, path: string): Promise<JsonObject | null> {
  return getOrNull(api, path, signal);
}

/** Items of a list. */
export async function list({ api, signal }: Asking, path: string): Promise<readonly JsonObject[]> {
  const { items } = await api.request("GET", path, { signal });
  return (items ?? []) as readonly JsonObject[];
}

/** Whether the account, or where it is null the caller, may do each verb of the grants; `namespace` "" means all. */
export async function accessOf(
  asking: Asking,
  account: string | null,
  grants: readonly Grant[],
  namespace: string,
): Promise<readonly AccessFact[]> {
  const kind = account === null ? "SelfSubjectAccessReview" : "SubjectAccessReview";
  const questions = grants.flatMap((grant) =>
    Object.entries(grant.verbs).map(([verb, purpose]) => ({ grant, verb, purpose }))
  );
  return await Promise.all(questions.map(async ({ grant, verb, purpose }): Promise<AccessFact> => {
    const [resource, subresource] = grant.resource.split("/");
    const [name] = grant.names ?? [];
    const body = {
      apiVersion: "authorization.k8s.io/v1",
      kind,
      spec: {
        ...account === null ? {} : { user: account, groups: ["system:serviceaccounts", "system:authenticated"] },
        resourceAttributes: {
          group: grant.group,
          resource: resource!,
          verb,
          ...subresource === undefined ? {} : { subresource },
          ...namespace === "" ? {} : { namespace },
          ...name === undefined ? {} : { name },
        },
      },
    };
    const path = `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`;
    try {
      const { status } = await asking.api.request("POST", path, { body, signal: asking.signal });
      return { grant, verb, purpose, allowed: (status as { allowed?: boolean } | undefined)?.allowed === true };
    } catch (error) {
      if (isTransportError(error) && error.reason === "PermissionDenied") {
        return { grant, verb, purpose, allowed: null };
      }
      throw error;
    }
  }));
}
