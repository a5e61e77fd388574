/** ServiceAccounts, roles and bindings, from the table of permissions; one account per program. */
import { clusterMetadata, metadata, names, namespace, type Program, selectorOf, valuesOf } from "./names.ts";
import { type Grant, permissionsOf } from "../../src/contract/permissions.ts";
import { keyUnlessEmpty, type Manifest, type Node } from "./values.ts";

const rbac = "rbac.authorization.k8s.io";

/** Account, ClusterRole and Role of a program, each with its binding. */
export function accessOf(program: Program): readonly Manifest[] {
  const name = names[program];
  const { cluster, namespaced } = permissionsOf(names)[program];
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  return [
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: {
        ...metadata(name, program),
        ...keyUnlessEmpty("annotations", `${valuesOf(program)}.serviceAccount.annotations`, {}),
      },
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRole",
      metadata: { name, labels: selectorOf(program) },
      rules: rulesOf(cluster),
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name, labels: selectorOf(program) },
      roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
      subjects,
    },
    { apiVersion: `${rbac}/v1`, kind: "Role", metadata: metadata(name, program), rules: rulesOf(namespaced) },
    {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata: metadata(name, program),
      roleRef: { apiGroup: rbac, kind: "Role", name },
      subjects,
    },
  ];
}

/** What a Prometheus is bound to, so that it may read the metrics (control-plane 8.5). */
export const metricsReader: Manifest = {
  apiVersion: `${rbac}/v1`,
  kind: "ClusterRole",
  metadata: clusterMetadata("bobravoz-grpc-metrics-reader"),
  rules: [{ nonResourceURLs: ["/metrics"], verbs: ["get"] }],
};

function rulesOf(grants: readonly Grant[]): Node {
  return grants.map(({ group, resource, verbs, names }) => ({
    apiGroups: [group],
    resources: [resource],
    ...names === undefined ? {} : { resourceNames: names },
    verbs: Object.keys(verbs),
  }));
}
