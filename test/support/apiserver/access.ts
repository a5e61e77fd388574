/** The accounts of the programs with the roles of the manifests, in a namespace of a test, and what they asked for. */
import { readFileSync } from "node:fs";
import { permissionsOf, type Role, rolesOf } from "../manifests.ts";
import type { Api } from "./api.ts";

const rbac = "rbac.authorization.k8s.io";

/** Creates the account `name` of the manifests with its roles, in `namespace`; its cluster-wide parts go with `undo`. */
export async function grantAccess(
  api: Api,
  namespace: string,
  name: string,
  undo: AsyncDisposableStack,
): Promise<readonly Role[]> {
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } });
  const roles = rolesOf(name).map((role) => ({
    ...role,
    metadata: role.kind === "Role" ? { name, namespace } : { name: `${namespace}-${name}` },
  }));
  for (const { apiVersion, kind, metadata, rules } of roles) {
    await api.create({ apiVersion, kind, metadata, rules });
    const roleRef = { apiGroup: rbac, kind, name: metadata.name };
    await api.create({ apiVersion, kind: `${kind}Binding`, metadata, roleRef, subjects });
    if (kind === "Role") continue;
    for (const plural of ["clusterroles", "clusterrolebindings"]) {
      undo.defer(() => api.delete(`/apis/${rbac}/v1/${plural}/${metadata.name}`));
    }
  }
  return roles as readonly Role[];
}

/** One request of an account, as the audit log has it. */
export interface Asked {
  /** `group/resource[/subresource] verb`, as `grantedOf` writes them. */
  readonly what: string;
  readonly code: number;
}

/** What the account has asked of the API server so far, `/version` and the like left out. */
export function askedBy(auditLog: string, namespace: string, name: string): readonly Asked[] {
  const user = `system:serviceaccount:${namespace}:${name}`;
  return readFileSync(auditLog, "utf8").split("\n").flatMap((line) => {
    if (!line.includes(user)) return [];
    const { user: { username }, verb, objectRef, responseStatus } = JSON.parse(line);
    if (username !== user || objectRef === undefined) return [];
    const { apiGroup = "", resource, subresource } = objectRef;
    const full = subresource === undefined ? resource : `${resource}/${subresource}`;
    return [{ what: `${apiGroup}/${full} ${verb}`, code: responseStatus?.code ?? 0 }];
  });
}

/** What the roles grant, each once. */
export function grantedOf(roles: readonly Role[]): readonly string[] {
  return unique(
    roles.flatMap(permissionsOf).map(({ group, resource, verb }) => `${group}/${resource} ${verb}`),
  );
}

export function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort();
}
